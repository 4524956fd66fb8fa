// Libraries of ours that are opened when they are needed (gRPC and RocksDB stay out of processes that do without).
#pragma once
#include <string>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

// The address of `symbol` in the library of this name ("libsluice_cluster.so"), which lies beside libsluice and stays loaded.
// Errors are one line. Any thread.
SLUICE_INTERNAL absl::Status ownSymbol(const std::string& library, const char* symbol, void*& address);

// Where libsluice lies; empty if the loader does not say.
SLUICE_INTERNAL std::string ownLibraryDirectory();

}  // namespace sluice
