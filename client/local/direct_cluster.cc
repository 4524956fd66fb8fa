#include "client/local/direct_cluster.h"

#include <atomic>
#include <filesystem>

#include "client/log.h"
#include "master/manifest_files.h"
#include "worker/executor/executor_settings.h"
#include "worker/executor/installed.h"

namespace sluice::local {
namespace {

constexpr AppId kApp{1};
constexpr std::uint32_t kMasterOwner = 0;  // of timers; executors follow
constexpr Peer kDriverPeer{Role::kDriver, 1};

}  // namespace

class DirectCluster::DriverLink final : public Link {
 public:
  explicit DriverLink(DirectCluster& cluster) : cluster_(cluster) {}
  void send(Peer to, EnvelopePtr envelope) override {
    if (envelope->message.has_run_job()) {  // its sender is about to wait(), and runs the tasks then
      SlotPool::Caller caller(Lent::toJob(envelope->message.run_job().number()));
      cluster_.deliver(kDriverPeer, to, std::move(envelope));
    } else {
      cluster_.deliver(kDriverPeer, to, std::move(envelope));
    }
  }
  void connect(Peer to, const std::string&) override {
    cluster_.strand_.post([this, to] {
      if (to == kMasterPeer) {
        cluster_.driverConnected_ = true;
        cluster_.master_->onSession(kDriverPeer, true, cluster_.options_.time->now());
      }
      if (cluster_.driverHandler_) cluster_.driverHandler_->onSession(to, true);
    });
  }
  void disconnect(Peer from) override {
    if (from != kMasterPeer) return;
    cluster_.strand_.post([this] {
      if (!cluster_.driverConnected_) return;
      cluster_.driverConnected_ = false;
      cluster_.master_->onSession(kDriverPeer, false, cluster_.options_.time->now());
    });
  }
  void close() override { disconnect(kMasterPeer); }

 private:
  DirectCluster& cluster_;
};

class DirectCluster::MasterEffects final : public master::Effects {
 public:
  explicit MasterEffects(DirectCluster& cluster) : cluster_(cluster) {}
  // Nothing outlives this process, so what waits for the disk need not wait.
  void send(Peer to, EnvelopePtr envelope, std::uint64_t) override { cluster_.deliver(kMasterPeer, to, std::move(envelope)); }
  void arm(TimerName timer, Moment at) override { cluster_.options_.time->arm(kMasterOwner, timer, at); }
  void disarm(TimerName timer) override { cluster_.options_.time->disarm(kMasterOwner, timer); }
  // That the application has failed is for the application itself to say.
  void log(const std::string& line) override {
    if (line.find(": failed: ") == std::string::npos) logLine(LogLevel::kWarn, line);
  }
  std::uint64_t append(const proto::JournalRecord&) override {
    ++appended_;
    if (!announced_) {
      announced_ = true;
      cluster_.strand_.post([this] {
        announced_ = false;
        cluster_.master_->onSynced(appended_, cluster_.options_.time->now());
      });
    }
    return appended_;
  }
  void appendLog(AppId, std::uint64_t, const std::string&) override {}
  void sendLog(Peer, AppId, std::uint64_t) override {}
  void writeManifest(AppId app, std::uint32_t stream, const std::string& directory, const proto::Manifest& manifest, int keep) override {
    auto error = std::make_shared<std::string>();
    std::int64_t when = manifest.when_ms();
    cluster_.background(
        [=] {
          auto status = master::writeManifest(directory, manifest, keep);
          if (!status.ok()) *error = std::string(status.message());
        },
        [this, app, stream, when, error] {
          cluster_.master_->onManifestWritten(app, stream, when, *error, cluster_.options_.time->now());
        });
  }
  void readManifest(AppId app, std::uint32_t stream, const std::string& directory) override {
    auto read = std::make_shared<master::ManifestRead>();
    auto error = std::make_shared<std::string>();
    cluster_.background(
        [=] {
          auto status = master::readManifest(directory, *read);
          if (!status.ok()) *error = std::string(status.message());
        },
        [this, app, stream, read, error] {
          cluster_.master_->onManifestRead(app, stream, read->manifest ? &*read->manifest : nullptr, *error, read->warning,
                                           cluster_.options_.time->now());
        });
  }

 private:
  DirectCluster& cluster_;
  std::uint64_t appended_ = 0;
  bool announced_ = false;
};

struct DirectCluster::Node {
  ExecutorId id;
  std::uint32_t index = 0;
  bool alive = true;  // on the strand
  std::unique_ptr<ExecutorEffects> effects;
  std::unique_ptr<executor::Runtime> runtime;
  std::unique_ptr<executor::Machine> machine;
  std::vector<std::thread> threads;  // receivers and planners
};

class DirectCluster::ExecutorEffects final : public executor::Effects {
 public:
  ExecutorEffects(DirectCluster& cluster, Node& node) : cluster_(cluster), node_(node) {}
  void send(Peer to, EnvelopePtr envelope, std::uint64_t) override {
    if (node_.alive) cluster_.deliver({Role::kExecutor, node_.id.value}, to, std::move(envelope));
  }
  void arm(TimerName timer, Moment at) override { cluster_.options_.time->arm(node_.index + 1, timer, at); }
  void disarm(TimerName timer) override { cluster_.options_.time->disarm(node_.index + 1, timer); }
  void log(const std::string& line) override { logLine(LogLevel::kWarn, line); }
  void run(std::shared_ptr<const executor::TaskSpec> task) override {
    if (!node_.alive) return;
    cluster_.begin();
    std::uint64_t kind = reinterpret_cast<std::uintptr_t>(task->template_->plan.get()) * 64 + task->stage;
    std::uint64_t bytes = task->inputBytes;
    std::int64_t when = task->instance.when_ms();
    bool waits = task->gate != nullptr;
    auto body = [this, task = std::move(task)] {
      executor::TaskDone done = node_.runtime->runTask(*task);
      cluster_.strand_.post([this, task, done = std::move(done)]() mutable {
        if (node_.alive) node_.machine->onTaskDone(task, std::move(done), cluster_.options_.time->now());
        cluster_.end();
      });
    };
    cluster_.slots_->submit({node_.index, kind, when, bytes, std::move(body), waits});
  }
  void background(std::function<void()> work, std::function<void(Moment)> done) override {
    cluster_.background(std::move(work), [this, done = std::move(done)] {
      if (node_.alive) done(cluster_.options_.time->now());
    });
  }
  void startThread(std::function<void()> body) override { node_.threads.emplace_back(std::move(body)); }
  void post(std::function<void(Moment)> event) override {
    cluster_.strand_.post([this, event = std::move(event)] {
      if (node_.alive) event(cluster_.options_.time->now());
    });
  }
  void giveUp(const std::string& why) override { log(why + "; in local mode it is waited for"); }
  void connect(Peer to, const std::string&) override {
    cluster_.strand_.post([this, to] {
      Node* other = cluster_.node(ExecutorId{to.id});
      if (!node_.alive || !other || !other->alive) return;
      Moment now = cluster_.options_.time->now();
      node_.machine->onSession(to, true, now);
      other->machine->onSession({Role::kExecutor, node_.id.value}, true, now);
    });
  }

 private:
  DirectCluster& cluster_;
  Node& node_;
};

DirectCluster::DirectCluster(DirectOptions options)
    : options_(std::move(options)),
      slots_(std::make_unique<SlotPool>(options_.executors, options_.slots)),
      masterEffects_(std::make_unique<MasterEffects>(*this)),
      driverLink_(std::make_unique<DriverLink>(*this)) {
  master::Options masterOptions;
  masterOptions.cluster = "local";
  masterOptions.executorGraceMs = 0;  // links in one process do not break: who is gone is gone
  master_ = std::make_unique<master::Machine>(masterOptions, *masterEffects_);
  for (int i = 0; i < options_.executors; ++i) {
    auto node = std::make_unique<Node>();
    node->id = ExecutorId{std::uint64_t(i) + 1};
    node->index = std::uint32_t(i);
    executor::Options executorOptions;
    executorOptions.app = kApp;
    executorOptions.executor = node->id;
    executorOptions.slots = std::uint32_t(options_.slots);
    executorOptions.memoryBytes = options_.memoryBytes;
    executorOptions.resources = options_.resources;
    executorOptions.host = options_.executors == 1 ? "localhost" : "host" + std::to_string(i + 1);
    executorOptions.address = std::to_string(node->id.value);
    executorOptions.spillDirectory = options_.spillRoot + "/" + std::to_string(node->id.value);
    auto* code = options_.code[std::min<std::size_t>(std::size_t(i), options_.code.size() - 1)];
    std::filesystem::create_directories(executorOptions.spillDirectory);
    executor::applySettings(options_.settings, executorOptions);
    node->runtime = std::make_unique<executor::Runtime>(executor::runtimeOptionsOf(executorOptions, options_.settings), *code);
    node->effects = std::make_unique<ExecutorEffects>(*this, *node);
    node->machine = std::make_unique<executor::Machine>(executorOptions, *node->effects, *node->runtime);
    nodes_.push_back(std::move(node));
  }
  options_.time->start(strand_, [this](std::uint32_t owner, TimerName timer) {
    Moment now = options_.time->now();
    if (owner == kMasterOwner) {
      master_->onTimer(timer, now);
    } else if (nodes_[owner - 1]->alive) {
      nodes_[owner - 1]->machine->onTimer(timer, now);
    }
  });
  strand_.post([this] {
    Moment now = options_.time->now();
    master_->start(now);
    for (auto& node : nodes_) master_->addExecutor(kApp, node->id);
    for (auto& node : nodes_) {
      Peer peer{Role::kExecutor, node->id.value};
      node->machine->start(now);
      master_->onSession(peer, true, now);
      node->machine->onSession(kMasterPeer, true, now);
    }
  });
}

// Rows of one executor's store may be held by tasks and by the master: these go before the stores.
DirectCluster::~DirectCluster() {
  stop();
  slots_.reset();
  master_.reset();
}

Link& DirectCluster::driver(LinkHandler* handler) {
  strand_.post([this, handler] { driverHandler_ = handler; });
  return *driverLink_;
}

DirectCluster::Node* DirectCluster::node(ExecutorId id) {
  return id.value >= 1 && id.value <= nodes_.size() ? nodes_[id.value - 1].get() : nullptr;
}

void DirectCluster::deliver(Peer from, Peer to, EnvelopePtr envelope) {
  strand_.post([this, from, to, envelope = std::move(envelope)] { deliverNow(from, to, envelope); });
}

void DirectCluster::deliverNow(Peer from, Peer to, const EnvelopePtr& envelope) {
  Moment now = options_.time->now();
  if (from.role == Role::kExecutor) {
    Node* sender = node(ExecutorId{from.id});
    if (!sender || !sender->alive) return;
  }
  switch (to.role) {
    case Role::kMaster: master_->onMessage(from, envelope, now); break;
    case Role::kExecutor:
      if (Node* receiver = node(ExecutorId{to.id}); receiver && receiver->alive) receiver->machine->onMessage(from, envelope, now);
      break;
    case Role::kDriver:
      if (driverHandler_) driverHandler_->onMessage(from, envelope);
      break;
    default: break;
  }
}

void DirectCluster::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Lent lent, const std::function<bool()>& ready) {
  while (!ready()) {
    lock.unlock();
    bool ran = slots_->runOne(lent);
    lock.lock();
    if (!ran && !ready()) changed.wait(lock);
  }
  slots_->wakeForLeft();
}

void DirectCluster::kill(int executor) {
  strand_.post([this, executor] {
    Node& gone = *nodes_[std::size_t(executor)];
    if (!gone.alive) return;
    Moment now = options_.time->now();
    Peer peer{Role::kExecutor, gone.id.value};
    gone.alive = false;
    gone.machine.reset();  // its receivers end
    for (int dropped = slots_->drop(gone.index); dropped > 0; --dropped) end();
    master_->onSession(peer, false, now);
    for (auto& node : nodes_) {
      if (node->alive) node->machine->onSession(peer, false, now);
    }
  });
}

std::string DirectCluster::describe() {
  std::string text;
  std::atomic<bool> told = false;
  strand_.post([&] {
    text = master_->describe();
    told = true;
    told.notify_all();
  });
  told.wait(false);
  return text;
}

void DirectCluster::background(std::function<void()> work, Work done) {
  std::lock_guard lock(backgroundMutex_);
  if (stopped_) return;
  ++underWay_;
  backgroundQueue_.emplace_back(std::move(work), std::move(done));
  if (!backgroundThread_.joinable()) backgroundThread_ = std::thread([this] { backgroundLoop(); });
  backgroundWake_.notify_one();
}

void DirectCluster::backgroundLoop() {
  std::unique_lock lock(backgroundMutex_);
  for (;;) {
    if (backgroundQueue_.empty()) {
      if (stopped_) return;
      backgroundWake_.wait(lock);
      continue;
    }
    auto taken = std::move(backgroundQueue_);
    backgroundQueue_.clear();
    lock.unlock();
    for (auto& [work, done] : taken) {
      work();
      strand_.post([this, done = std::make_shared<Work>(std::move(done))] {
        (*done)();
        end();
      });
    }
    lock.lock();
  }
}

void DirectCluster::begin() {
  std::lock_guard lock(backgroundMutex_);
  ++underWay_;
}

void DirectCluster::end() {
  std::lock_guard lock(backgroundMutex_);
  if (--underWay_ == 0) quiet_.notify_all();
}

void DirectCluster::settle() {
  for (;;) {
    while (slots_->runOne(std::nullopt)) {
    }
    strand_.drain();  // another thread may be at what begins more
    std::unique_lock lock(backgroundMutex_);
    if (underWay_ == 0) return;
    slots_->wakeForLeft();
    quiet_.wait(lock, [&] { return underWay_ == 0; });
  }
}

void DirectCluster::stop() {
  options_.time->stop();
  strand_.post([this] {
    driverHandler_ = nullptr;
    for (auto& node : nodes_) {
      node->alive = false;
      node->machine.reset();  // its receivers end
    }
  });
  strand_.drain();
  slots_->stop();
  {
    std::lock_guard lock(backgroundMutex_);
    stopped_ = true;
    backgroundWake_.notify_all();
  }
  if (backgroundThread_.joinable()) backgroundThread_.join();
  for (auto& node : nodes_) {
    for (auto& thread : node->threads) thread.join();
  }
  strand_.drain();  // what those threads posted last
}

}  // namespace sluice::local
