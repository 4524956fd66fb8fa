#include <stdlib.h>

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <mutex>

#include "client/launch.h"
#include "client/local/local.h"
#include "client/plan_node.h"
#include "client/stream_core.h"
#include "client/testing/simulated_backend.h"
#include "sluice/testing.h"

namespace sluice::testing {
namespace {

constexpr Moment kStart{1'000'000'000'000'000};  // of manual clocks: a whole second, so that batch times are round
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

const char* nameOf(Midway midway) {
  switch (midway) {
    case Midway::kNothing: return "nothing midway";
    case Midway::kExecutorLoss: return "an executor lost midway";
    case Midway::kMasterRestart: return "master restarted midway";
    case Midway::kRestore: return "restored midway";
  }
  return "?";
}

void fail(const std::string& what, CallSite at) {
  throw Error(ErrorKind::kIllegalState, std::string(at.file) + ":" + std::to_string(at.line) + ": " + what);
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
  bool started = false;

  SimulatedCluster& simulated() { return static_cast<SimulatedBackend&>(*backend).cluster(); }

  absl::Status open(const Settings& settings, std::unique_ptr<Backend>& made) {
    absl::Status status = absl::OkStatus();
    if (shape == Shape::kSimulated) {
      SimulatedOptions options;
      options.seed = faults.seed;
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
      options.memoryBytes = 256ull << 20;
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
      streaming = std::make_unique<StreamingContext>(confFor(), interval);
      detail::onBatchDone(streaming->core(), [this](const proto::BatchDone& batch) {
        std::lock_guard lock(mutex);
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
        lock.lock();
        if (steps > 3'000) {
          lock.unlock();
          throw Error(ErrorKind::kIllegalState, "a batch does not end; the master knows: " + local::clusterOf(*backend).describe());
        }
      }
    } else {
      changed.wait(lock, ready);
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

void Cluster::onBatch(std::function<void(Time)> done) { body_->collectors.push_back(std::move(done)); }

detail::NodeRef Cluster::addInput(const std::vector<Encoded>& batches, const TypeDesc* type, CallSite at) {
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
  return detail::addSource(streaming().core(), std::move(spec), detail::NodeFacts{.name = "input", .site = at, .type = type, .stream = true});
}

void Cluster::runBatches(int count) {
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
  switch (body_->shape) {
    case Shape::kSimulated: body_->simulated().kill(executor); return;
    case Shape::kInProcess: local::clusterOf(*body_->backend).kill(executor); return;
    default: throw Error(ErrorKind::kInvalidArgument, std::string("there is no executor to lose on ") + nameOf(body_->shape));
  }
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
