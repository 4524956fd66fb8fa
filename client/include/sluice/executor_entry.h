// For applications that are executables of their own (unit tests, services) and want a cluster: executors are the same file run again.
#pragma once
#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

// First line of main. Returns at once, unless a worker has started this process as an executor: then it runs as one and does not return.
// Without it, masters sluice://… and local-cluster[…] refuse the executable.
SLUICE_EXPORT void runIfExecutor(int argc, char** argv);

}  // inline namespace SLUICE_ABI
}  // namespace sluice
