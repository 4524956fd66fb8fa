// Where an application runs, as written: local, local[N], local[N,F], local[*], local-cluster[n,cores,memoryMb], sluice://H:P[,H:P…].
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

struct MasterUrl {
  enum class Kind { kLocal, kLocalCluster, kRemote };
  Kind kind = Kind::kLocal;
  int slots = 1;     // kLocal: of the one executor; kLocalCluster: of each worker
  int failures = 1;  // kLocal: tries of a task
  int workers = 0;   // kLocalCluster
  int memoryMb = 0;  // kLocalCluster: of each worker
  std::vector<std::string> addresses;  // kRemote: "host:port"
};

// kInvalidArgument with one line that names the forms there are.
SLUICE_INTERNAL absl::Status parseMasterUrl(std::string_view text, MasterUrl& url);

}  // namespace sluice
