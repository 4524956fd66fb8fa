// local-cluster[n,cores,memoryMb]: a real master and real workers on loopback, as children of this process. They end with it, also when
// it is killed, and take their files along.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/grpc/secret.h"
#include "common/master_url.h"
#include "common/process.h"
#include "common/spill_folder.h"

namespace sluice {

class LocalDaemons {
 public:
  explicit LocalDaemons(const Settings& settings);
  ~LocalDaemons() { stop(); }
  // Returns once every worker is registered. One line if a daemon cannot run.
  absl::Status start(const MasterUrl& url, std::string& masterAddress);
  void stop();

 private:
  absl::Status startOne(const std::string& program, const std::string& name, std::vector<std::string> arguments);
  // The first line that the daemon prints.
  absl::Status await(std::size_t daemon, std::string& line);

  const std::vector<std::pair<std::string, std::string>> environment_;
  std::vector<std::string> resources_;  // flags of workers
  SpillFolder folder_;
  struct Daemon {
    std::string program, errors;
    Process process;
  };
  std::vector<Daemon> daemons_;  // the master first
};

}  // namespace sluice
