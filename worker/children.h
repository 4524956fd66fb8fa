// The processes of a worker: one thread that writes what they print into their logs, takes their crash records and tells when they
// have ended.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "common/mutex.h"
#include "common/process.h"
#include "worker/rotating_file.h"

namespace sluice::worker {

// Any thread may call it.
class Children {
 public:
  // Called on the thread of the children, after everything the child printed is in its logs. `status` is what waitpid gave.
  using Ended = std::function<void(int status, const std::string& crashRecord)>;

  Children();
  // Kills what still runs, and waits for it.
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  // Starts a child whose output goes to <log>.out and <log>.err. `letter` is written into its lifeline. `id` names it from then on.
  absl::Status start(std::uint64_t id, ProcessSpec spec, const std::string& log, const std::string& letter, Ended ended);
  void signal(std::uint64_t id, int number);
  void kill(std::uint64_t id);
  // Closes the lifeline: the child leaves in its own way. When it is gone, what it started is killed.
  void letGo(std::uint64_t id);
  std::uint64_t residentBytes(std::uint64_t id) const;
  // Lets go of all, kills after the wait what has not ended, and returns when all are gone.
  void endAll(int waitMs);

 private:
  struct Child;
  void loop();
  bool drain(OwnedFd& from, RotatingFile* log, std::string* record);
  void finish(std::unique_ptr<Child> child);
  void watch(Child& child);

  mutable Mutex mutex_;
  CondVar changed_;
  std::map<std::uint64_t, std::unique_ptr<Child>> children_ GUARDED_BY(mutex_);
  int finishing_ GUARDED_BY(mutex_) = 0;  // ended, and being told of
  OwnedFd poll_, wake_;
  std::thread thread_;
};

}  // namespace sluice::worker
