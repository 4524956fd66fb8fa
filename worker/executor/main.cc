// sluice-executor: runs the tasks of one application on one host. Started by a worker; useless by hand.
#include <cstdio>
#include <string>

#include "common/own_library.h"

int main(int argc, char** argv) {
  if (argc < 2 || std::string(argv[1]) != "--sluice-executor") {
    std::fprintf(stderr, "sluice-executor: it is started by sluice-worker, not by hand\n");
    return 2;
  }
  void* entry = nullptr;
  if (auto status = sluice::ownSymbol("libsluice_cluster.so", "sluice_executor_main", entry); !status.ok()) {
    std::fprintf(stderr, "sluice-executor: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return reinterpret_cast<int (*)(int, char**)>(entry)(argc, argv);
}
