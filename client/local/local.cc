#include "client/local/local.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/conf_keys.h"
#include "common/crash_record.h"
#include "sluice/error.h"
#include "worker/executor/crash_place.h"

namespace sluice::local {
namespace {

namespace fs = std::filesystem;

std::uint64_t halfOfMemory() {
  return std::uint64_t(::sysconf(_SC_PHYS_PAGES)) * std::uint64_t(::sysconf(_SC_PAGE_SIZE)) / 2;
}

class LocalBackend final : public Backend, public Waiter {
 public:
  LocalBackend(const Settings& settings, const LocalOptions& options, std::shared_ptr<ImageTable> driver,
               std::shared_ptr<ImageTable> executors, ResourceMap resources)
      : images_(std::move(driver)), resolver_(std::move(executors)), spill_(settings) {
    options_.executors = options.executors;
    options_.slots = int(slotsWith(settings, std::uint32_t(options.slots)));
    options_.resources = std::move(resources);
    options_.memoryBytes = options.memoryBytes;
    if (options_.memoryBytes == 0) {
      auto named = settings.find(conf::kExecutorMemory);
      options_.memoryBytes = named ? named->bytes : halfOfMemory();
    }
    options_.time = options.time ? options.time : &systemTime_;
    options_.spillRoot = spill_.path();
    options_.code = {&resolver_};
    options_.settings = settings;
  }
  ~LocalBackend() override { close(); }

  absl::Status open(DriverEnd& end) override {
    cluster_ = std::make_unique<DirectCluster>(options_);
    link_ = &cluster_->driver(&end);
    link_->connect(kMasterPeer, "");
    return absl::OkStatus();
  }
  void close() override { cluster_.reset(); }
  Link& link() override { return *link_; }
  Waiter& waiter() override { return *this; }
  ImageTable& images() override { return *images_; }
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Lent lent, const std::function<bool()>& ready) override {
    cluster_->wait(lock, changed, lent, ready);
  }
  DirectCluster& cluster() { return *cluster_; }

 private:
  std::shared_ptr<ImageTable> images_;
  TableResolver resolver_;
  SystemTime systemTime_;
  SpillFolder spill_;
  DirectOptions options_;
  std::unique_ptr<DirectCluster> cluster_;
  Link* link_ = nullptr;
};

// Folders of processes that are gone were left by a crash.
void removeStale(const fs::path& root) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    std::string name = entry.path().filename();
    char* end = nullptr;
    long pid = std::strtol(name.c_str(), &end, 10);
    if (pid <= 0 || (*end != 0 && *end != '-')) continue;
    if (::kill(pid_t(pid), 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), error);
  }
}

}  // namespace

const void* TableResolver::resolve(std::uint32_t image, std::uint64_t offset, std::uint64_t magic) {
  absl::Status status;
  const void* found = table_->resolve(image, offset, magic, status);
  if (!found) throw Error(ErrorKind::kInvalidArgument, std::string(status.message()));
  return found;
}

SpillFolder::SpillFolder(const Settings& settings) {
  static std::atomic<int> made{0};
  std::string root = settings.get(conf::kLocalDir);
  if (root.empty()) {
    const char* temporary = std::getenv("TMPDIR");
    root = std::string(temporary && *temporary ? temporary : "/tmp") + "/sluice-" + std::to_string(::getuid());
  }
  removeStale(root);
  path_ = root + "/" + std::to_string(::getpid()) + "-" + std::to_string(++made);  // made when something spills
}

SpillFolder::~SpillFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

absl::Status openLocal(const Settings& settings, const LocalOptions& options, std::shared_ptr<ImageTable> driver,
                       std::shared_ptr<ImageTable> executors, std::unique_ptr<Backend>& backend) {
  ResourceMap resources;
  if (auto status = discoverResources(settings, "executor", resources); !status.ok()) return status;
  backend = std::make_unique<LocalBackend>(settings, options, std::move(driver), std::move(executors), std::move(resources));
  return absl::OkStatus();
}

void tellCrashes() { installCrashRecord(STDERR_FILENO, &executor::describePlace); }

DirectCluster& clusterOf(Backend& backend) { return static_cast<LocalBackend&>(backend).cluster(); }

}  // namespace sluice::local
