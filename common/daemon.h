// The end of a daemon: what main waits for once everything runs.
#pragma once
#include <string>

#include "common/process.h"
#include "sluice/abi.h"

namespace sluice {

// SIGINT and SIGTERM end the daemon in order (exit code 0), a second one at once; leave() from any thread with its code; with a lifeline
// the parent's end does too. One for each process.
class SLUICE_INTERNAL DaemonEnd {
 public:
  explicit DaemonEnd(bool lifeline);
  // The first call counts.
  void leave(int exitCode);
  // Returns the exit code once it is time to end.
  int wait();
};

// Removes the folder of a daemon of a local cluster, and the cluster's if this was its last.
SLUICE_INTERNAL void removeTemporary(const std::string& directory);

}  // namespace sluice
