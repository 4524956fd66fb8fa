// The lock of a directory that several processes write into.
#pragma once
#include <string>

#include "common/process.h"
#include "sluice/abi.h"
#include "sluice/time.h"

namespace sluice::executor {

// Opens (makes) the file and locks it (flock): until what is returned is closed, or the process ends. Waits for whoever has it, for at most so
// long. Error(kUnavailable).
SLUICE_INTERNAL OwnedFd lockFile(const std::string& path, Duration atMost);

}  // namespace sluice::executor
