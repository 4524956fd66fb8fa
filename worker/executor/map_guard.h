// Files that become shorter while a task has them mapped: touching what is gone would be a SIGBUS and the end of the process. With a guard it
// reads as zeros, and the task, which asks for that when it ends, fails with the file's name.
#pragma once
#include <cstddef>
#include <string>

#include "sluice/abi.h"

namespace sluice::executor {

// While it lives, [start, start + size) is guarded. `path` outlives it. There is room for some thousands; more are not guarded.
class SLUICE_INTERNAL MapGuard {
 public:
  MapGuard(const char* start, std::size_t size, const std::string& path);
  ~MapGuard();
  MapGuard(const MapGuard&) = delete;
  MapGuard& operator=(const MapGuard&) = delete;

 private:
  int slot_ = -1;
};

SLUICE_INTERNAL std::string cutShort(const std::string& path);  // the message

// The file of which this thread read what was gone, since the last call; empty: of none.
SLUICE_INTERNAL std::string takeCutFile();

}  // namespace sluice::executor
