#include "sluice/executor_entry.h"

#include <cstdio>
#include <cstring>
#include <string>

#include <unistd.h>

#include "client/launch.h"
#include "common/own_library.h"

namespace sluice {
inline namespace SLUICE_ABI {

void runIfExecutor(int argc, char** argv) {
  launch().rerunsAsExecutor = true;
  if (argc < 2 || std::strcmp(argv[1], "--sluice-executor") != 0) return;
  void* entry = nullptr;
  if (auto status = ownSymbol("libsluice_cluster.so", "sluice_executor_main", entry); !status.ok()) {
    std::fprintf(stderr, "executor: %s\n", std::string(status.message()).c_str());
    ::_exit(1);
  }
  ::_exit(reinterpret_cast<int (*)(int, char**)>(entry)(argc, argv));
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
