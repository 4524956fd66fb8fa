#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "client/launch.h"
#include "client/local/local.h"
#include "client/plan_node.h"
#include "client/stream_core.h"
#include "client/testing/simulated_backend.h"
#include "sluice/testing/cluster.h"

namespace sluice::testing {
namespace {

constexpr Moment kStart{1'000'000'000'000'000};  // of manual clocks: a whole second, so that batch times are round
constexpr auto kPatience = std::chrono::minutes(2);  // with real processes: against tests that hang
constexpr Duration kStep = Milliseconds(10);     // how a manual clock moves on when a batch needs a timer

class TemporaryDirectories {
 public:
  ~TemporaryDirectories() {
    std::error_code error;
    for (const auto& path : made_) std::filesystem::remove_all(path, error);
  }
  std::string make() {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sluice-test-XXXXXX";
    if (!::mkdtemp(pattern.data())) throw Error(ErrorKind::kUnavailable, "cannot make a folder " + pattern);
    std::lock_guard lock(mutex_);
    made_.push_back(pattern);
    return pattern;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> made_;
};

// Executors of local-cluster: children of our children that run this file again. In the order of their process ids.
std::vector<pid_t> executorProcesses() {
  std::map<pid_t, pid_t> parents;
  std::map<pid_t, std::string> executors;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    std::string stat, command;
    std::getline(std::ifstream(entry.path() / "stat"), stat);
    std::getline(std::ifstream(entry.path() / "cmdline"), command);
    std::size_t name = stat.rfind(')');
    if (name == std::string::npos) continue;  // it has just ended
    char state;
    int parent;
    if (std::sscanf(stat.c_str() + name + 1, " %c %d", &state, &parent) == 2) parents[pid] = parent;
    if (state != 'Z' && command.find("--sluice-executor") != std::string::npos) executors[pid] = command;
  }
  std::vector<pid_t> ours;
  for (const auto& [pid, command] : executors) {
    if (parents.contains(parents[pid]) && parents[parents[pid]] == ::getpid()) ours.push_back(pid);
  }
  return ours;
}

bool isManual(Shape shape) { return shape == Shape::kLocal1 || shape == Shape::kLocal4 || shape == Shape::kInProcess; }

}  // namespace

std::string temporaryDirectory() {
  static TemporaryDirectories directories;
  return directories.make();
}

const char* nameOf(Shape shape) {
  switch (shape) {
    case Shape::kLocal1: return "local[1]";
    case Shape::kLocal4: return "local[4]";
    case Shape::kSimulated: return "simulated";
    case Shape::kInProcess: return "in process";
    case Shape::kProcesses: return "processes";
  }
  return "?";
}

struct Cluster::Body : ManualClock {
  Shape shape;
  Duration interval;
  Conf conf;
  Faults faults;
  std::unique_ptr<local::ManualTime> manual;
  Moment virtualNow = kStart;  // simulated: where the last context's clock stood
  Backend* backend = nullptr;  // of the context that is active
  std::unique_ptr<StreamingContext> streaming;
  std::unique_ptr<Context> alone;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<Time, std::string>> done;  // batches that are over, and what went wrong
  std::vector<std::function<void(Time)>> collectors;
  std::int64_t lastDoneMs = 0;
  bool started = false;

  SimulatedCluster& simulated() { return static_cast<SimulatedBackend&>(*backend).cluster(); }

  absl::Status open(const Settings& settings, std::unique_ptr<Backend>& made) {
    absl::Status status = absl::OkStatus();
    auto memory = settings.find(conf::kExecutorMemory);
    const std::uint64_t memoryBytes = memory ? memory->bytes : 256ull << 20;
    if (shape == Shape::kSimulated) {
      SimulatedOptions options;
      options.seed = faults.seed;
      options.memoryBytes = memoryBytes;
      options.start = virtualNow;
      options.meanBreakUs = faults.meanBreakUs;
      options.losses = faults.losses;
      options.maxLatencyUs = faults.maxLatencyUs;
      options.maxTaskUs = faults.maxTaskUs;
      made = std::make_unique<SimulatedBackend>(settings, std::move(options));
    } else if (shape == Shape::kProcesses) {
      status = openBackend(settings, made);
    } else {
      local::LocalOptions options;
      options.executors = shape == Shape::kInProcess ? 3 : 1;
      options.slots = shape == Shape::kLocal1 ? 1 : shape == Shape::kLocal4 ? 4 : 2;
      options.time = manual.get();
      options.memoryBytes = memoryBytes;
      auto images = ImageTable::ofExecutable();
      status = local::openLocal(settings, options, images, images, made);
    }
    backend = made.get();
    return status;
  }

  Conf confFor() const {
    Conf set = conf;
    set.setAppName("test");
    set.setMaster(shape == Shape::kLocal1 ? "local[1]" : shape == Shape::kProcesses ? "local-cluster[3,2,256]" : "local[4]");
    return set;
  }

  void openContext(bool streams) {
    launch().openBackend = [this](const Settings& settings, std::unique_ptr<Backend>& made) { return open(settings, made); };
    if (streams) {
      streaming = alone ? std::make_unique<StreamingContext>(*alone, interval) : std::make_unique<StreamingContext>(confFor(), interval);
      sluice::detail::onBatchDone(streaming->core(), [this](const proto::BatchDone& batch) {
        std::lock_guard lock(mutex);
        if (batch.when_ms() <= lastDoneMs) return;  // a restarted master tells again what it does not know to be heard
        lastDoneMs = batch.when_ms();
        done.emplace_back(Time(batch.when_ms()), batch.error());
        changed.notify_all();
      });
    } else {
      alone = std::make_unique<Context>(confFor());
    }
    launch().openBackend = nullptr;
  }

  // ManualClock
  Time now() const override {
    if (manual) return manual->now().time();
    if (shape == Shape::kSimulated && backend) return const_cast<Body*>(this)->simulated().now().time();
    return SystemClock::read().time();
  }
  void advance(Duration by) override {
    if (manual) {
      manual->advance(by);
      local::clusterOf(*backend).settle();
    } else if (shape == Shape::kSimulated) {
      simulated().runUntil(simulated().now() + by);
    }
  }

  // Waits for the next batch to be over; the error it had, if any.
  std::pair<Time, std::string> nextBatch() {
    auto ready = [&] { return !done.empty(); };
    if (shape == Shape::kSimulated) {
      streaming->core().context().driver().serve([&] {
        std::lock_guard inner(mutex);
        return ready();
      });
    }
    std::unique_lock lock(mutex);
    if (shape == Shape::kSimulated) {
      // served above
    } else if (isManual(shape)) {
      // What is under way finishes by itself; a batch that waits for a timer needs the clock to move.
      for (int steps = 0; !ready(); ++steps) {
        lock.unlock();
        local::clusterOf(*backend).settle();
        lock.lock();
        if (changed.wait_for(lock, std::chrono::milliseconds(steps < 50 ? 1 : 20), ready)) break;
        lock.unlock();
        if (steps % 10 == 9) advance(kStep);
        // It may have stopped instead of ending the batch: throws why.
        if (steps % 100 == 99) streaming->awaitTerminationOrTimeout(Milliseconds(0));
        lock.lock();
        if (steps > 3'000) {
          lock.unlock();
          throw Error(ErrorKind::kIllegalState, "a batch does not end; the master knows: " + local::clusterOf(*backend).describe());
        }
      }
    } else if (!changed.wait_for(lock, kPatience, ready)) {
      throw Error(ErrorKind::kIllegalState, "a batch has not ended for two minutes");
    }
    auto first = std::move(done.front());
    done.pop_front();
    return first;
  }

  void close() {
    if (streaming) {
      if (started) streaming->stop(true, false);
      streaming.reset();
    }
    alone.reset();
    backend = nullptr;
    started = false;
  }
};

Cluster::Cluster(Shape shape, Duration interval, Conf conf) : body_(std::make_unique<Body>()) {
  body_->shape = shape;
  body_->interval = interval;
  body_->conf = std::move(conf);
  if (isManual(shape)) body_->manual = std::make_unique<local::ManualTime>(kStart);
}

Cluster::Cluster(const Faults& faults, Duration interval, Conf conf) : Cluster(Shape::kSimulated, interval, std::move(conf)) {
  body_->faults = faults;
}

Cluster::~Cluster() {
  try {
    body_->close();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice: closing a test cluster: %s\n", error.what());
  }
}

StreamingContext& Cluster::streaming() {
  if (!body_->streaming) body_->openContext(true);
  return *body_->streaming;
}

const Context& Cluster::context() {
  if (body_->streaming) return body_->streaming->context();
  if (!body_->alone) body_->openContext(false);
  return *body_->alone;
}

ManualClock& Cluster::clock() { return *body_; }
Shape Cluster::shape() const { return body_->shape; }

void Cluster::onBatch(std::function<void(Time)> done) { body_->collectors.push_back(std::move(done)); }

sluice::detail::NodeRef Cluster::addInput(const std::vector<Encoded>& batches, const TypeDesc* type, CallSite at) {
  auto spec = std::make_shared<SourceSpec>();
  spec->source.set_kind(proto::SOURCE_BATCHES);
  for (const auto& batch : batches) {
    proto::InputList& list = *spec->source.add_batches();
    list.set_no_value(batch.noValue);
    for (const auto& part : batch.parts) {
      proto::Input& input = batch.fixed ? *list.add_partitions()->add_inputs() : *list.add_inputs();
      input.set_rows(std::string(part.rows.view()));
      input.set_records(part.records);
      input.set_bytes(part.rows.size());
    }
  }
  spec->seal();
  return sluice::detail::addSource(streaming().core(), std::move(spec), sluice::detail::NodeFacts{.name = "input", .site = at, .type = type, .stream = true});
}

sluice::detail::NodeRef Cluster::addSource(const sluice::detail::QueueRef& queue, const TypeDesc* type, CallSite at) {
  return sluice::detail::addQueue(streaming().core(), queue, false, {}, sluice::detail::NodeFacts{.name = "source", .site = at, .type = type, .stream = true});
}

void Cluster::throwUnknown(const std::string& name) const {
  std::string known;
  for (const auto& [other, batches] : named_) known += (known.empty() ? "" : ", ") + other;
  throw Error(ErrorKind::kInvalidArgument, "nothing is collected as \"" + name + "\"; there is " + (known.empty() ? "nothing" : known));
}
void Cluster::throwOtherType(const std::string& name, const char* collected, const char* asked) {
  throw Error(ErrorKind::kInvalidArgument, "\"" + name + "\" is a stream of " + collected + ", not of " + asked);
}

void Cluster::runBatches(int count) {
  if (count < 0) throw Error(ErrorKind::kInvalidArgument, "runBatches: the number of batches is below 0");
  if (!body_->started) {
    streaming().start();
    body_->started = true;
  }
  for (int i = 0; i < count; ++i) {
    if (body_->manual) {
      Time now = body_->now();
      Time next = now.floor(body_->interval) + body_->interval;
      body_->advance(next - now);
    }
    auto [t, error] = body_->nextBatch();
    for (auto& collector : body_->collectors) collector(t);
    if (!error.empty()) throw Error(ErrorKind::kUserCode, error);
  }
}

void Cluster::kill(int executor) {
  if (executor < 0 || executor > 2) throw Error(ErrorKind::kInvalidArgument, "there are executors 0, 1 and 2, not " + std::to_string(executor));
  if (!body_->backend) throw Error(ErrorKind::kIllegalState, "there are no executors yet; ask for streaming() or context() first");
  switch (body_->shape) {
    case Shape::kSimulated: body_->simulated().kill(executor); return;
    case Shape::kInProcess: local::clusterOf(*body_->backend).kill(executor); return;
    case Shape::kProcesses: {
      auto executors = executorProcesses();
      if (std::size_t(executor) >= executors.size()) throw Error(ErrorKind::kIllegalState, "that executor is not running; there are " + std::to_string(executors.size()));
      ::kill(executors[std::size_t(executor)], SIGKILL);
      return;
    }
    default: throw Error(ErrorKind::kInvalidArgument, std::string("there is no executor to lose on ") + nameOf(body_->shape));
  }
}

void Cluster::restartMaster() {
  if (body_->shape != Shape::kSimulated) {
    throw Error(ErrorKind::kInvalidArgument, std::string("the master cannot be restarted on ") + nameOf(body_->shape) + "; use Shape::kSimulated");
  }
  if (!body_->backend) throw Error(ErrorKind::kIllegalState, "there is no master yet; ask for streaming() or context() first");
  body_->simulated().restartMaster();
}

void Cluster::stopAndRestore(const std::function<void(Cluster&)>& define) {
  if (body_->started) body_->streaming->stop(true, true);
  body_->virtualNow = Moment::of(body_->now());
  {
    // What the stop itself still ran is not asked for again.
    std::lock_guard lock(body_->mutex);
    body_->done.clear();
  }
  body_->streaming.reset();
  body_->backend = nullptr;
  body_->started = false;
  body_->collectors.clear();
  define(*this);
}

std::uint64_t Cluster::trace() const { return body_->shape == Shape::kSimulated ? body_->simulated().trace() : 0; }

}  // namespace sluice::testing
