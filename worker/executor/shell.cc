#include "worker/executor/shell.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <future>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/conf.h"
#include "common/crash_record.h"
#include "sluice/error.h"
#include "worker/executor/executor_settings.h"

namespace sluice::executor {

namespace {
constexpr std::int64_t kReachMs = 30'000;  // for a first session with the master
}  // namespace

Shell::Shell(ShellOptions options) : options_(std::move(options)), spill_(options_.localDirectory) {}

Shell::~Shell() { leave(0); }

void Shell::leave(int exitCode) {
  spill_.remove();
  if (!socket_.empty()) ::unlink(socket_.c_str());
  std::fflush(stdout);
  ::_exit(exitCode);
}

void Shell::closeResources(std::chrono::milliseconds atMost) {
  if (!runtime_) return;
  auto closed = std::make_shared<std::promise<void>>();
  auto done = closed->get_future();
  std::thread([this, closed] {  // never joined: the application's code may stand still, and the process is about to end
    CrashStack stack;
    runtime_->resources().closeAll();
    closed->set_value();
  }).detach();
  if (done.wait_for(atMost) != std::future_status::ready) log("the application's resources were not closed within " + std::to_string(atMost.count()) + " ms");
}

absl::Status Shell::open() {
  const auto& order = options_.order;
  GrpcLinkOptions link;
  link.self = {Role::kExecutor, order.executor()};
  link.app = order.app();
  link.ownThread = false;
  link.secret = options_.secret;
  link.onDialFailure = [this](Peer to, const std::string& line, int attempt) {
    if (to != kMasterPeer || wasUp_) return;
    if (attempt == 1) log("cannot reach the master at " + options_.master + ": " + line);
    if (SystemClock::read() > opened_ + Milliseconds(kReachMs)) giveUp("the master at " + options_.master + " was never reached (" + line + ")");
  };
  opened_ = SystemClock::read();
  link_ = std::make_unique<GrpcLink>(link, strand_, *this);
  timers_ = std::make_unique<Timers>(strand_, [this](TimerName timer) {
    if (machine_) machine_->onTimer(timer, SystemClock::read());
  });
  disk_ = std::make_unique<LoopThread>("sluice-disk");
  if (auto status = listen(); !status.ok()) return status;
  if (options_.failed.empty()) {
    std::error_code error;
    std::filesystem::create_directories(spill_.path(), error);
    if (error) options_.failed = "cannot make the folder " + spill_.path() + ": " + error.message() + "; name another with sluice.local.dir";
  }
  if (options_.failed.empty()) {
    Options options;
    options.app = AppId(order.app());
    options.executor = ExecutorId(order.executor());
    options.slots = order.slots();
    options.memoryBytes = order.memory_bytes();
    options.resources = readResources(order.resources());
    options.host = options_.host;
    options.address = link_->address();
    options.spillDirectory = spill_.path();
    Settings settings;
    for (const auto& pair : order.conf()) (void)settings.setPair(pair, ConfOrigin::kProgram);  // checked by who submitted it
    applySettings(settings, options);
    try {
      runtime_ = std::make_unique<Runtime>(runtimeOptionsOf(options, settings), *this);
      machine_ = std::make_unique<Machine>(options, *this, *runtime_);
      strand_.post([this] { machine_->start(SystemClock::read()); });
    } catch (const Error& error) {
      options_.failed = error.what();
    }
  }
  slots_ = std::make_unique<SlotThreads>(order.slots(), [this] { return link_->poll(); });
  link_->connect(kMasterPeer, options_.master);
  return absl::OkStatus();
}

// Neighbours on this host come by the Unix socket, which is faster; without one (no room in /tmp) everybody comes by the network.
absl::Status Shell::listen() {
  std::string socket;
  std::vector<std::string> addresses;
  if (unixSocketAddress(std::to_string(options_.order.executor()) + "-" + std::to_string(::getpid()), &socket).ok()) {
    addresses.push_back(socket);
    socket_ = socket.substr(socket.find(':') + 1);
  }
  addresses.push_back(options_.host + ":0");
  return link_->start(addresses);
}

void Shell::log(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

void Shell::run(std::shared_ptr<const TaskSpec> task) {
  slots_->add([this, task = std::move(task)] {
    TaskDone done = runtime_->runTask(*task);
    strand_.post([this, task, done = std::move(done)]() mutable { machine_->onTaskDone(task, std::move(done), SystemClock::read()); });
  });
}

void Shell::background(std::function<void()> work, std::function<void(Moment)> done) {
  disk_->post([this, work = std::move(work), done = std::move(done)]() mutable {
    work();
    strand_.post([done = std::move(done)] { done(SystemClock::read()); });
  });
}

// Never joined: a receiver may stand in a read for ever, and leave() does not ask it.
void Shell::startThread(std::function<void()> body) {
  std::thread([body = std::move(body)] {
    CrashStack stack;
    body();
  }).detach();
}

void Shell::post(std::function<void(Moment)> event) {
  strand_.post([event = std::move(event)] { event(SystemClock::read()); });
}

void Shell::giveUp(const std::string& why) {
  log(why + ": this executor ends, another takes its place");
  leave(1);
}

void Shell::onMessage(Peer from, EnvelopePtr envelope) {
  if (from == kMasterPeer && envelope->message.has_refused()) {
    log("the master refused this executor: " + envelope->message.refused().why());
    leave(0);
  }
  if (machine_) machine_->onMessage(from, envelope, SystemClock::read());
}

void Shell::onSession(Peer with, bool up) {
  wasUp_ = wasUp_ || (up && with == kMasterPeer);
  if (machine_) {
    machine_->onSession(with, up, SystemClock::read());
  } else if (up && with == kMasterPeer) {
    reportFailure();
  }
}

void Shell::reportFailure() {
  auto [envelope, report] = compose(&proto::Message::mutable_report);
  report->set_app(options_.order.app());
  report->set_executor(options_.order.executor());
  report->set_host(options_.host);
  report->set_failed(options_.failed);
  link_->send(kMasterPeer, envelope);
}

const void* Shell::resolve(std::uint32_t image, std::uint64_t offset, std::uint64_t magic) {
  absl::Status status;
  const void* found = options_.images->resolve(image, offset, magic, status);
  if (!found) throw Error(ErrorKind::kInvalidArgument, std::string(status.message()));
  return found;
}

}  // namespace sluice::executor
