#include "common/spill_folder.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "common/private_folder.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

void removeStale(const fs::path& root) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    std::string name = entry.path().filename();
    char* end = nullptr;
    long pid = std::strtol(name.c_str(), &end, 10);
    if (pid <= 0 || *end != '-') continue;
    if (::kill(pid_t(pid), 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), error);
  }
}

}  // namespace

SpillFolder::SpillFolder(const std::string& directory) {
  static std::atomic<int> made{0};
  std::string root = directory;
  if (root.empty()) {
    const char* temporary = std::getenv("TMPDIR");
    root = privateFolderIn(temporary && *temporary ? temporary : "/tmp");
    (void)makePrivateFolder(root);  // whoever makes path() says what is wrong with it
  }
  removeStale(root);
  path_ = root + "/" + std::to_string(::getpid()) + "-" + std::to_string(++made);
}

SpillFolder::~SpillFolder() { remove(); }

void SpillFolder::remove() const {
  std::error_code error;
  fs::remove_all(path_, error);
}

}  // namespace sluice
