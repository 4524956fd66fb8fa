#include "client/testing/simulated_cluster.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>

#include "client/testing/message_text.h"
#include "master/manifest_files.h"
#include "sluice/error.h"
#include "worker/executor/executor_settings.h"

namespace sluice::testing {
namespace {

constexpr AppId kApp{1};
constexpr Peer kDriverPeer{Role::kDriver, 1};
constexpr std::int64_t kLongestWaitUs = 60'000'000;
const bool tracing = std::getenv("SLUICE_TRACE") != nullptr;  // every delivery, a line on stderr

}  // namespace

struct SimulatedCluster::Node {
  ExecutorId id;
  bool alive = true;
  int running = 0;
  std::unique_ptr<ExecutorEffects> effects;
  std::unique_ptr<executor::Runtime> runtime;
  std::deque<std::shared_ptr<const executor::TaskSpec>> waiting;
  std::unique_ptr<executor::Machine> machine;
  Peer peer() const { return {Role::kExecutor, id.value}; }
};

class SimulatedCluster::DriverLink final : public Link {
 public:
  explicit DriverLink(SimulatedCluster& cluster) : cluster_(cluster) {}
  void send(Peer to, EnvelopePtr envelope) override {
    std::lock_guard lock(cluster_.mutex_);
    cluster_.send(kDriverPeer, to, std::move(envelope));
  }
  void connect(Peer to, const std::string&) override {
    std::lock_guard lock(cluster_.mutex_);
    cluster_.open(kDriverPeer, to);
  }
  void disconnect(Peer from) override {
    std::lock_guard lock(cluster_.mutex_);
    cluster_.breakSession(kDriverPeer, from, false);
  }
  void close() override {}

 private:
  SimulatedCluster& cluster_;
};

class SimulatedCluster::MasterEffects final : public master::Effects {
 public:
  explicit MasterEffects(SimulatedCluster& cluster, std::vector<proto::JournalRecord> durable = {})
      : cluster_(cluster), journal_(std::move(durable)), appended_(journal_.size()), synced_(appended_) {}
  // What a master that comes after this one finds.
  std::vector<proto::JournalRecord> end() {
    over_ = true;
    journal_.resize(synced_);
    return std::move(journal_);
  }
  void send(Peer to, EnvelopePtr envelope, std::uint64_t after) override {
    if (after <= synced_) {
      cluster_.send(kMasterPeer, to, std::move(envelope));
    } else {
      held_.push_back({after, to, std::move(envelope)});
    }
  }
  void arm(TimerName timer, Moment at) override {
    std::uint64_t number = ++cluster_.timers_[{kMasterPeer, timer}];
    cluster_.at(std::max(at, cluster_.now_), [this, timer, number] {
      if (cluster_.timers_[{kMasterPeer, timer}] == number) cluster_.master_->onTimer(timer, cluster_.now_);
    });
  }
  void disarm(TimerName timer) override { ++cluster_.timers_[{kMasterPeer, timer}]; }
  void log(const std::string&) override {}
  std::uint64_t append(const proto::JournalRecord& record) override {
    journal_.push_back(record);
    std::uint64_t sequence = ++appended_;
    cluster_.after(100, 1'000, [this, sequence] {
      if (over_ || sequence <= synced_) return;  // a later group sync covered it
      synced_ = sequence;
      cluster_.master_->onSynced(sequence, cluster_.now_);
      auto due = std::stable_partition(held_.begin(), held_.end(), [&](const Held& h) { return h.after <= synced_; });
      std::vector<Held> leave(std::make_move_iterator(held_.begin()), std::make_move_iterator(due));
      held_.erase(held_.begin(), due);
      for (auto& h : leave) cluster_.send(kMasterPeer, h.to, std::move(h.envelope));
    });
    return sequence;
  }
  void appendLog(AppId, std::uint64_t, const std::string&) override {}
  void sendLog(Peer, AppId, std::uint64_t) override {}
  void writeManifest(AppId app, std::uint32_t stream, const std::string& directory, const proto::Manifest& manifest, int keep) override {
    cluster_.after(200, 3'000, [=, this] {
      if (over_) return;
      auto status = master::writeManifest(directory, manifest, keep);
      cluster_.master_->onManifestWritten(app, stream, manifest.when_ms(), std::string(status.message()), cluster_.now_);
    });
  }
  void readManifest(AppId app, std::uint32_t stream, const std::string& directory) override {
    cluster_.after(200, 3'000, [=, this] {
      if (over_) return;
      master::ManifestRead read;
      auto status = master::readManifest(directory, read);
      cluster_.master_->onManifestRead(app, stream, read.manifest ? &*read.manifest : nullptr, std::string(status.message()),
                                       read.warning, cluster_.now_);
    });
  }

 private:
  struct Held {
    std::uint64_t after;
    Peer to;
    EnvelopePtr envelope;
  };
  SimulatedCluster& cluster_;
  std::vector<proto::JournalRecord> journal_;
  std::uint64_t appended_, synced_;
  bool over_ = false;
  std::vector<Held> held_;
};

class SimulatedCluster::ExecutorEffects final : public executor::Effects {
 public:
  ExecutorEffects(SimulatedCluster& cluster, Node& node) : cluster_(cluster), node_(node) {}
  void send(Peer to, EnvelopePtr envelope, std::uint64_t) override { cluster_.send(node_.peer(), to, std::move(envelope)); }
  void arm(TimerName timer, Moment at) override {
    std::uint64_t number = ++cluster_.timers_[{node_.peer(), timer}];
    cluster_.at(std::max(at, cluster_.now_), [this, timer, number] {
      if (node_.alive && cluster_.timers_[{node_.peer(), timer}] == number) node_.machine->onTimer(timer, cluster_.now_);
    });
  }
  void disarm(TimerName timer) override { ++cluster_.timers_[{node_.peer(), timer}]; }
  void log(const std::string&) override {}
  void run(std::shared_ptr<const executor::TaskSpec> task) override {
    node_.waiting.push_back(std::move(task));
    startTasks();
  }
  void background(std::function<void()> work, std::function<void(Moment)> done) override {
    cluster_.after(50, 3'000, [this, work = std::move(work), done = std::move(done)] {
      if (!node_.alive) return;
      work();
      done(cluster_.now_);
    });
  }
  void startThread(std::function<void()>) override {
    throw Error(ErrorKind::kIllegalState, "receivers have threads of their own and cannot run in the simulated cluster; use Cluster::input");
  }
  void post(std::function<void(Moment)> event) override {
    cluster_.at(cluster_.now_, [this, event = std::move(event)] {
      if (node_.alive) event(cluster_.now_);
    });
  }
  void giveUp(const std::string&) override {}
  void connect(Peer to, const std::string&) override { cluster_.open(node_.peer(), to); }

 private:
  void startTasks() {
    while (node_.alive && node_.running < cluster_.options_.slots && !node_.waiting.empty()) {
      auto task = std::move(node_.waiting.front());
      node_.waiting.pop_front();
      ++node_.running;
      cluster_.after(5, cluster_.options_.maxTaskUs, [this, task] {
        if (!node_.alive) return;
        executor::TaskDone done = node_.runtime->runTask(*task);
        --node_.running;
        node_.machine->onTaskDone(task, std::move(done), cluster_.now_);
        startTasks();
      });
    }
  }
  SimulatedCluster& cluster_;
  Node& node_;
};

SimulatedCluster::SimulatedCluster(SimulatedOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      now_(options_.start),
      masterEffects_(std::make_unique<MasterEffects>(*this)),
      driverLink_(std::make_unique<DriverLink>(*this)) {
  master_ = std::make_unique<master::Machine>(masterOptions(), *masterEffects_);
  for (int i = 0; i < options_.executors; ++i) {
    auto node = std::make_unique<Node>();
    node->id = ExecutorId{std::uint64_t(i) + 1};
    executor::Options own;
    own.app = kApp;
    own.executor = node->id;
    own.slots = std::uint32_t(options_.slots);
    own.memoryBytes = options_.memoryBytes;
    own.host = "host" + std::to_string(i + 1);
    own.address = std::to_string(node->id.value);
    own.tasksWait = false;
    own.spillDirectory = options_.spillRoot + "/" + std::to_string(node->id.value);
    std::filesystem::create_directories(own.spillDirectory);
    executor::applySettings(options_.settings, own);
    executor::RuntimeOptions runtime = executor::runtimeOptionsOf(own, options_.settings);
    runtime.clock = nullptr;  // what is measured would differ from run to run
    node->runtime = std::make_unique<executor::Runtime>(std::move(runtime), *options_.code);
    node->effects = std::make_unique<ExecutorEffects>(*this, *node);
    node->machine = std::make_unique<executor::Machine>(own, *node->effects, *node->runtime);
    nodes_.push_back(std::move(node));
  }
  master_->start(now_);
  for (auto& n : nodes_) master_->addExecutor(kApp, n->id), n->machine->start(now_);
  for (auto& n : nodes_) open(kMasterPeer, n->peer());
  for (auto [us, executor] : options_.losses) {
    int which = executor;
    at({now_.us + us}, [this, which] { kill(which); });
  }
  if (options_.meanBreakUs > 0) scheduleBreak();
}

master::Options SimulatedCluster::masterOptions() const {
  master::Options options;
  options.cluster = "simulated";
  options.seed = options_.seed;
  return options;
}

// Rows of one executor's store may be held by messages, by the master and by other executors: all of these go before the stores.
SimulatedCluster::~SimulatedCluster() {
  queue_.clear();
  for (auto& node : nodes_) node->waiting.clear(), node->machine.reset();
  master_.reset();
  masterEffects_.reset();
}

Link& SimulatedCluster::driver(LinkHandler* handler) {
  std::lock_guard lock(mutex_);
  driverHandler_ = handler;
  return *driverLink_;
}

SimulatedCluster::Node* SimulatedCluster::node(std::uint64_t id) { return id >= 1 && id <= nodes_.size() ? nodes_[id - 1].get() : nullptr; }

int SimulatedCluster::alive() const {
  return int(std::count_if(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->alive; }));
}

std::int64_t SimulatedCluster::random(std::int64_t low, std::int64_t high) {
  return low + std::int64_t(random_() % std::uint64_t(std::max<std::int64_t>(high - low, 0) + 1));
}

void SimulatedCluster::at(Moment when, Event event) { queue_.emplace(std::pair(when, ++events_), std::move(event)); }

void SimulatedCluster::after(std::int64_t minUs, std::int64_t maxUs, Event event) {
  at({now_.us + random(minUs, maxUs)}, std::move(event));
}

bool SimulatedCluster::step() {
  if (queue_.empty()) return false;
  auto first = queue_.begin();
  now_ = std::max(now_, first->first.first);
  Event event = std::move(first->second);
  queue_.erase(first);
  event();
  return true;
}

void SimulatedCluster::note(std::string_view what, Peer a, Peer b) {
  std::uint64_t words[] = {trace_, std::uint64_t(now_.us), std::uint64_t(a.role), a.id, std::uint64_t(b.role), b.id,
                           XXH3_64bits(what.data(), what.size())};
  trace_ = XXH3_64bits(words, sizeof(words));
}

void SimulatedCluster::send(Peer from, Peer to, EnvelopePtr envelope) {
  if (Node* sender = from.role == Role::kExecutor ? node(from.id) : nullptr; sender && !sender->alive) return;
  Session& s = session(from, to);
  if (!s.up) return;
  Moment& last = s.lastDelivery[to];
  last = std::max(last, Moment{now_.us + random(20, options_.maxLatencyUs)});
  std::uint64_t number = s.number;
  at(last, [=, this] {
    Session& then = session(from, to);
    if (then.up && then.number == number) receive(from, to, envelope);
  });
}

void SimulatedCluster::receive(Peer from, Peer to, const EnvelopePtr& envelope) {
  // Only what a submission is numbered by is drawn from elsewhere.
  const proto::Message& message = envelope->message;
  if (tracing) {
    std::fprintf(stderr, "%9lld us %s -> %s %s\n", static_cast<long long>(now_.us - options_.start.us), from.toString().c_str(),
                 to.toString().c_str(), textOf(message).c_str());
  }
  note(message.has_submit() || message.has_submitted() ? "submission" : message.SerializeAsString(), from, to);
  if (to.role == Role::kMaster) {
    master_->onMessage(from, envelope, now_);
  } else if (to.role == Role::kExecutor) {
    if (Node* n = node(to.id); n && n->alive) n->machine->onMessage(from, envelope, now_);
  } else if (to.role == Role::kDriver && driverHandler_) {
    driverHandler_->onMessage(from, envelope);
  }
}

void SimulatedCluster::tell(Peer whom, Peer with, bool up) {
  if (tracing) {
    std::fprintf(stderr, "%9lld us %s hears that %s is %s\n", static_cast<long long>(now_.us - options_.start.us), whom.toString().c_str(),
                 with.toString().c_str(), up ? "up" : "down");
  }
  note(up ? "up" : "down", whom, with);
  if (whom.role == Role::kMaster) {
    master_->onSession(with, up, now_);
  } else if (whom.role == Role::kExecutor) {
    if (Node* n = node(whom.id); n && n->alive) n->machine->onSession(with, up, now_);
  } else if (driverHandler_) {
    driverHandler_->onSession(with, up);
  }
}

void SimulatedCluster::open(Peer a, Peer b) {
  after(20, options_.maxLatencyUs, [=, this] {
    for (Peer p : {a, b}) {
      if (Node* n = p.role == Role::kExecutor ? node(p.id) : nullptr; n && !n->alive) return;
    }
    Session& s = session(a, b);
    if (s.up) return;
    s.up = true, ++s.number;
    tell(a, b, true);
    tell(b, a, true);
  });
}

void SimulatedCluster::breakSession(Peer a, Peer b, bool again) {
  Session& s = session(a, b);
  if (!s.up) return;
  s.up = false;
  // Each end notices at a moment of its own; they meet again only after both did.
  std::int64_t first = random(0, 3'000), second = random(0, 3'000);
  at({now_.us + first}, [=, this] { tell(a, b, false); });
  at({now_.us + second}, [=, this] { tell(b, a, false); });
  if (again) {
    at({now_.us + std::max(first, second) + random(10, 50'000)}, [=, this] { open(a, b); });
  }
}

void SimulatedCluster::scheduleBreak() {
  after(1, options_.meanBreakUs * 2, [this] {
    if (now_.us - options_.start.us > options_.breaksUntilUs) return;
    std::vector<std::pair<Peer, Peer>> up;
    for (const auto& [ends, s] : sessions_) {
      if (s.up && ends.first.role != Role::kDriver && ends.second.role != Role::kDriver) up.push_back(ends);
    }
    if (!up.empty()) {
      auto [a, b] = up[std::size_t(random(0, std::int64_t(up.size()) - 1))];
      breakSession(a, b, true);
    }
    scheduleBreak();
  });
}

void SimulatedCluster::kill(int executor) {
  std::lock_guard lock(mutex_);
  Node& gone = *nodes_[std::size_t(executor)];
  if (!gone.alive) return;
  gone.alive = false;
  if (tracing) std::fprintf(stderr, "%9lld us %s is killed\n", static_cast<long long>(now_.us - options_.start.us), gone.peer().toString().c_str());
  note("kill", gone.peer(), gone.peer());
  for (auto& [ends, s] : sessions_) {
    if (ends.first == gone.peer() || ends.second == gone.peer()) breakSession(ends.first, ends.second, false);
  }
}

void SimulatedCluster::restartMaster() {
  std::lock_guard lock(mutex_);
  if (tracing) std::fprintf(stderr, "%9lld us the master dies\n", static_cast<long long>(now_.us - options_.start.us));
  note("restart", kMasterPeer, kMasterPeer);
  std::vector<Peer> others;
  for (auto& [ends, s] : sessions_) {
    if (ends.first != kMasterPeer && ends.second != kMasterPeer) continue;
    Peer other = ends.first == kMasterPeer ? ends.second : ends.first;
    others.push_back(other);
    if (!std::exchange(s.up, false)) continue;
    after(0, 3'000, [this, other] { tell(other, kMasterPeer, false); });
  }
  for (auto& [timer, number] : timers_) {
    if (timer.first == kMasterPeer) ++number;
  }
  auto journal = masterEffects_->end();
  formerEffects_.push_back(std::move(masterEffects_));
  masterEffects_ = std::make_unique<MasterEffects>(*this, journal);
  master_ = std::make_unique<master::Machine>(masterOptions(), *masterEffects_);
  // The journal has a snapshot after all records, some, or none: as its length falls.
  std::size_t snapshotAt = journal.size() * (journal.size() % 4) / 3;
  absl::Status status;
  for (std::size_t i = 0; i <= journal.size(); ++i) {
    if (i == snapshotAt) {
      auto former = std::exchange(master_, std::make_unique<master::Machine>(masterOptions(), *masterEffects_));
      status.Update(master_->restore(i, former->journalSnapshot()));
    }
    if (i < journal.size()) status.Update(master_->replay(i + 1, journal[i]));
  }
  if (!status.ok()) throw Error(ErrorKind::kLost, std::string(status.message()));
  master_->start(now_);
  for (Peer other : others) {
    after(3'000, 50'000, [this, other] { open(kMasterPeer, other); });
  }
}

void SimulatedCluster::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready) {
  Moment begun;
  bool first = true;
  while (!ready()) {
    lock.unlock();
    {
      std::lock_guard stepping(mutex_);
      if (first) begun = now_, first = false;
      if (!step() || now_.us - begun.us > kLongestWaitUs) {
        std::string state = master_->describe();
        throw Error(ErrorKind::kIllegalState, "simulation (seed " + std::to_string(options_.seed) +
                                                  "): what is waited for does not come; the master knows: " + state);
      }
    }
    lock.lock();
  }
}

void SimulatedCluster::runUntil(Moment at) {
  std::lock_guard lock(mutex_);
  while (!queue_.empty() && queue_.begin()->first.first <= at) step();
  now_ = std::max(now_, at);
}

}  // namespace sluice::testing
