// What a process does that was started as an executor: reads its order, loads the application, and runs until its worker lets go.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/crash_record.h"
#include "common/module_file.h"
#include "common/package_store.h"
#include "common/process.h"
#include "worker/executor/crash_place.h"
#include "worker/executor/place.h"
#include "worker/executor/shell.h"

namespace sluice::executor {
namespace {

bool readWhole(void* to, std::size_t n) {
  auto* at = static_cast<char*>(to);
  while (n > 0) {
    ssize_t got = ::read(kLifelineFd, at, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got, n -= std::size_t(got);
  }
  return true;
}

// The order is the first thing in the lifeline: its length, then the message.
bool readOrder(proto::StartExecutor& order) {
  std::uint64_t size = 0;
  if (!readWhole(&size, sizeof size) || size > (64u << 20)) return false;
  std::string bytes(size, '\0');
  return readWhole(bytes.data(), size) && order.ParseFromString(bytes);
}

// --name value …, as the worker writes them.
std::map<std::string, std::string> readFlags(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 2; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  return flags;
}

std::string firstAddress(const std::string& url) {
  std::string addresses = url.substr(url.rfind("://") == std::string::npos ? 0 : url.rfind("://") + 3);
  return addresses.substr(0, addresses.find(','));
}

absl::Status loadImages(const proto::StartExecutor& order, const std::string& packages, std::shared_ptr<ImageTable>& images) {
  if (order.package().executable()) {
    images = ImageTable::ofExecutable();
    return absl::OkStatus();
  }
  PackageStore store(packages);
  std::vector<std::string> paths;
  for (int i = 0; i < order.package().images_size(); ++i) {
    std::string path = store.imagePath(order.package(), i);
    if (i == 0 || isLibraryFile(path)) paths.push_back(path);  // as the driver did
  }
  std::string name = order.package().images_size() ? order.package().images(0).name() : "";
  currentPlace().in = {"loading", name.c_str()};
  auto status = ImageTable::load(paths, images);
  currentPlace() = {};
  return status;
}

int run(int argc, char** argv) {
  auto flags = readFlags(argc, argv);
  ShellOptions options;
  if (!readOrder(options.order)) {
    std::fprintf(stderr, "executor: no order came; executors are started by sluice-worker, not by hand\n");
    return 2;
  }
  installCrashRecord(kCrashRecordFd, &describePlace);
  CrashStack stack;
  options.master = firstAddress(flags["--master"]);
  options.host = flags["--host"];
  options.localDirectory = flags["--local-dir"];
  if (auto status = inheritLinkSecret(options.secret); !status.ok()) {
    std::fprintf(stderr, "executor: %s\n", std::string(status.message()).c_str());
    return 2;
  }
  if (auto status = loadImages(options.order, flags["--packages"], options.images); !status.ok()) options.failed = std::string(status.message());
  watchExit();
  // Freed memory stays in malloc's arenas, of which there would be eight a core: the budget does not see it.
  ::mallopt(M_ARENA_MAX, int(std::max(options.order.slots(), 2u)));
  Shell shell(std::move(options));
  if (auto status = shell.open(); !status.ok()) {
    std::fprintf(stderr, "executor: %s\n", std::string(status.message()).c_str());
    shell.leave(1);
  }
  char ignored;
  while (readWhole(&ignored, 1)) {
  }
  shell.closeResources(std::chrono::seconds(2));
  shell.leave(0);  // the worker let go, or is gone
}

}  // namespace
}  // namespace sluice::executor

extern "C" SLUICE_EXPORT int sluice_executor_main(int argc, char** argv) { return sluice::executor::run(argc, argv); }
