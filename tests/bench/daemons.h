// A cluster of real processes for a row: sluice-master and workers on loopback, gone when it goes out of scope.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/child.h"

namespace sluice::bench {

class Daemons {
 public:
  // Returns when every worker is registered. Throws NotYet if they are not built.
  Daemons(const std::string& scratch, int workers, int cores, const std::string& memory);
  const std::string& url() const { return url_; }
  pid_t master() const { return master_->pid(); }
  pid_t worker(int i) const { return workers_[std::size_t(i)]->pid(); }
  // The executor processes of all workers.
  std::vector<pid_t> executors() const;

 private:
  std::unique_ptr<Child> master_;
  std::vector<std::unique_ptr<Child>> workers_;
  std::string url_;
};

}  // namespace sluice::bench
