#include "client/cluster/local_daemons.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace sluice {
namespace {

constexpr int kEndMs = 10'000;

// The next line of the pipe; false: it was closed before.
bool readLine(int fd, std::string& line) {
  line.clear();
  for (char c;;) {
    ssize_t n = ::read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    if (c == '\n') return true;
    line += c;
  }
}

}  // namespace

LocalDaemons::LocalDaemons(const Settings& settings) : environment_(environmentOfSecret(settings)), folder_(settings.get(conf::kLocalDir)) {
  for (const auto& [key, value] : settings.all()) {
    if (key.starts_with("sluice.worker.resource.")) resources_.insert(resources_.end(), {"--conf", key + "=" + value});
  }
}

absl::Status LocalDaemons::startOne(const std::string& program, const std::string& name, std::vector<std::string> arguments) {
  Daemon daemon{program, folder_.path() + "/" + name + ".err", {}};
  ProcessSpec spec;
  spec.arguments = {programPath(program), "--temporary", "--work-dir", folder_.path() + "/" + name};
  spec.arguments.insert(spec.arguments.end(), arguments.begin(), arguments.end());
  spec.environment = environment_;
  spec.out = ProcessSpec::Stream::kPipe;
  spec.err = ProcessSpec::Stream::kFile;
  spec.errFile = daemon.errors;
  if (auto status = spawn(spec, daemon.process); !status.ok()) return status;
  daemons_.push_back(std::move(daemon));
  return absl::OkStatus();
}

absl::Status LocalDaemons::await(std::size_t daemon, std::string& line) {
  const Daemon& one = daemons_[daemon];
  if (readLine(one.process.out.get(), line)) return absl::OkStatus();
  return absl::UnavailableError("local-cluster: " + one.program + " ended at once: " + lastLine(one.errors));
}

absl::Status LocalDaemons::start(const MasterUrl& url, std::string& masterAddress) {
  std::error_code error;
  std::filesystem::create_directories(folder_.path(), error);
  if (error) return absl::FailedPreconditionError("cannot make the folder " + folder_.path() + ": " + error.message());
  std::string master, registered;
  if (auto status = startOne("sluice-master", "master", {"--host", "127.0.0.1", "--port", "0"}); !status.ok()) return status;
  if (auto status = await(0, master); !status.ok()) return status;
  masterAddress = master.substr(master.find("://") + 3);
  for (int i = 1; i <= url.workers; ++i) {
    // Each worker is a host of its own, so that copies lie on different ones.
    std::vector<std::string> flags{"--host", "127.0.0." + std::to_string(i % 254), "--cores", std::to_string(url.slots), "--memory", std::to_string(url.memoryMb) + "m", master};
    flags.insert(flags.end(), resources_.begin(), resources_.end());
    auto status = startOne("sluice-worker", "worker-" + std::to_string(i), std::move(flags));
    if (!status.ok()) return status;
  }
  for (std::size_t i = 1; i < daemons_.size(); ++i) {
    if (auto status = await(i, registered); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Workers end their executors first, so the last of them is waited for a while.
void LocalDaemons::stop() {
  for (auto& daemon : daemons_) daemon.process.lifeline.close();
  for (auto& daemon : daemons_) {
    pollfd ended{daemon.process.exit.get(), POLLIN, 0};
    while (::poll(&ended, 1, kEndMs) < 0 && errno == EINTR) {
    }
    if (!(ended.revents & POLLIN)) daemon.process.killGroup();
    daemon.process.wait();
  }
  daemons_.clear();
  folder_.remove();
}

}  // namespace sluice
