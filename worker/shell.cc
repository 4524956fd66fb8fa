#include "worker/shell.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/crash_record.h"
#include "common/own_library.h"
#include "common/process.h"

namespace sluice::worker {
namespace {

constexpr int kChildrenWaitMs = 5000;
constexpr std::uint64_t kDriverBit = std::uint64_t(1) << 63;  // executors and drivers are numbered apart

std::uint64_t randomId() {
  std::random_device random;
  return ((std::uint64_t(random()) << 31 | random()) & ~kDriverBit) | 1;
}

// What an executor reads from its lifeline first: the order, after its length.
std::string letterOf(const proto::StartExecutor& order) {
  std::string bytes;
  order.SerializeToString(&bytes);
  std::uint64_t size = bytes.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + bytes;
}

}  // namespace

Shell::Shell(ShellOptions options) : options_(std::move(options)) {}

Shell::~Shell() { close(); }

absl::Status Shell::open() {
  std::string ignored;
  if (auto status = makeDirectory("apps", ignored); !status.ok()) return status;
  if (::access(options_.workDirectory.c_str(), W_OK) != 0) {
    return absl::FailedPreconditionError("cannot write in the work directory " + options_.workDirectory + "; name another with --work-dir");
  }
  Options options;
  options.worker = WorkerId(randomId());
  options.start = std::uint64_t(SystemClock::read().us);
  options.host = options_.host;
  options.slots = options_.slots;
  options.memoryBytes = options_.memoryBytes;
  options.masters = options_.masters;
  options.resources = options_.resources;
  options.heartbeatMs = options_.heartbeatMs;
  strand_ = std::make_unique<LoopThread>("sluice-worker");
  packages_ = std::make_unique<PackageStore>(options_.workDirectory);
  children_ = std::make_unique<Children>();
  machine_ = std::make_unique<Machine>(options, *this);
  timers_ = std::make_unique<Timers>(*strand_, [this](TimerName timer) {
    if (!closed_) machine_->onTimer(timer, SystemClock::read());
  });
  GrpcLinkOptions link;
  link.self = {Role::kWorker, options.worker.value};
  link.secret = options_.secret;
  link.onDialFailure = [this](Peer, const std::string& line, int attempt) {
    if (attempt == 1) options_.log(line);
  };
  link_ = std::make_unique<GrpcLink>(link, *strand_, *this);
  if (auto status = link_->start(); !status.ok()) return status;
  strand_->post([this] { machine_->start(SystemClock::read()); });
  return absl::OkStatus();
}

void Shell::close() {
  if (!strand_) return;
  strand_->post([this] { closed_ = true; });
  if (link_) link_->close();
  if (timers_) timers_->close();
  children_->endAll(kChildrenWaitMs);
  strand_->close();
  children_.reset();
  strand_.reset();
}

void Shell::connectMaster(std::size_t which) {
  link_->disconnect(kMasterPeer);
  master_ = which;
  link_->connect(kMasterPeer, options_.masters[which]);
}

std::string Shell::masterUrl() const {
  std::string url = "sluice://" + options_.masters[master_];
  for (std::size_t i = 0; i < options_.masters.size(); ++i) {
    if (i != master_) url += "," + options_.masters[i];
  }
  return url;
}

void Shell::onMessage(Peer from, EnvelopePtr envelope) {
  if (closed_) return;
  machine_->onMessage(from, envelope, SystemClock::read());
  if (envelope->message.has_registered() && envelope->message.registered().error().empty() && !std::exchange(told_, true)) {
    options_.registered(options_.masters[master_]);
  }
}

void Shell::onSession(Peer with, bool up) {
  if (!closed_) machine_->onSession(with, up, SystemClock::read());
}

absl::Status Shell::keep(const proto::Put& piece, const Bytes& bytes) {
  return packages_->write(piece.hash(), piece.size(), piece.offset(), bytes.view());
}

absl::Status Shell::makeDirectory(const std::string& name, std::string& path) const {
  path = options_.workDirectory + "/" + name;
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return error ? absl::InternalError("cannot make the directory " + path + ": " + error.message()) : absl::OkStatus();
}

absl::Status Shell::startExecutor(const proto::StartExecutor& order) {
  std::string module, directory;
  if (auto status = packages_->assemble(order.package(), module); !status.ok()) return status;
  if (auto status = makeDirectory("apps/" + order.app_id(), directory); !status.ok()) return status;
  ProcessSpec spec;
  spec.environment = options_.environment;
  // An application that is an executable is run again as its own executor.
  spec.arguments = {order.package().executable() ? module : programPath("sluice-executor"), "--sluice-executor", "--master", masterUrl(), "--host",
                    options_.host, "--packages", options_.workDirectory};
  if (order.package().executable()) {
    // It was linked to find libsluice from where it lay; here it lies elsewhere.
    const char* before = std::getenv("LD_LIBRARY_PATH");
    spec.environment.emplace_back("LD_LIBRARY_PATH", ownLibraryDirectory() + (before && *before ? std::string(":") + before : ""));
  }
  if (!options_.localDirectory.empty()) spec.arguments.insert(spec.arguments.end(), {"--local-dir", options_.localDirectory});
  spec.crashRecord = true;
  std::uint64_t id = order.executor();
  std::string log = directory + "/executor-" + std::to_string(id);
  return children_->start(id, spec, log, letterOf(order), [this, id, log](int status, const std::string& record) {
    std::string how = describeExit(status), said = status == 0 ? "" : sentenceOf(lastLine(log + ".err"));
    if (!said.empty()) how += ": " + said;
    std::string crash = sentenceOf(record);
    strand_->post([this, id, how, crash] {
      if (!closed_) machine_->onExecutorExit(ExecutorId(id), how, crash, !crash.empty());
    });
  });
}

absl::Status Shell::startDriver(const proto::StartDriver& order) {
  const auto& submit = order.submit();
  std::string module, directory;
  if (auto status = packages_->assemble(submit.package(), module); !status.ok()) return status;
  std::string name = order.driver_id().empty() ? "driver-" + std::to_string(order.driver()) : order.driver_id();
  if (auto status = makeDirectory("apps/" + name, directory); !status.ok()) return status;
  ProcessSpec spec;
  spec.environment = options_.environment;
  spec.arguments = {programPath("sluice-submit"), "--driver", std::to_string(order.driver()), "--master", masterUrl(), "--class", submit.package().class_name()};
  if (!submit.name().empty()) spec.arguments.insert(spec.arguments.end(), {"--name", submit.name()});
  if (submit.supervise()) spec.arguments.push_back("--supervise");
  for (const auto& pair : submit.conf()) {
    if (pair.rfind("sluice.master=", 0) != 0 && pair.rfind("sluice.submit.deployMode=", 0) != 0) spec.arguments.insert(spec.arguments.end(), {"--conf", pair});
  }
  std::string files;
  for (int i = 1; i < submit.package().images_size(); ++i) files += (files.empty() ? "" : ",") + packages_->imagePath(submit.package(), i);
  if (!files.empty()) spec.arguments.insert(spec.arguments.end(), {"--files", files});
  spec.arguments.push_back(module);
  spec.arguments.insert(spec.arguments.end(), submit.args().begin(), submit.args().end());
  spec.crashRecord = true;
  std::uint64_t id = order.driver();
  return children_->start(id | kDriverBit, spec, directory + "/driver", "", [this, id](int status, const std::string&) {
    strand_->post([this, id, status] {
      if (!closed_) machine_->onDriverExit(DriverId(id), exitCode(status), describeExit(status));
    });
  });
}

void Shell::endExecutor(ExecutorId executor, bool force) {
  force ? children_->kill(executor.value) : children_->letGo(executor.value);
}

void Shell::endDriver(DriverId driver, bool force) {
  force ? children_->kill(driver.value | kDriverBit) : children_->signal(driver.value | kDriverBit, SIGTERM);
}

std::uint64_t Shell::residentBytes(ExecutorId executor) { return children_->residentBytes(executor.value); }

}  // namespace sluice::worker
