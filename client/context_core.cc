#include "client/context_core.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "client/accumulator_registry.h"
#include "client/launch.h"
#include "client/log.h"
#include "common/barrier_stages.h"
#include "common/clock.h"
#include "common/master_url.h"
#include "common/resource_settings.h"
#include "client/stop_signals.h"
#include "client/stream_core.h"
#include "sluice/broadcast.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

void retain(ContextCore* core) noexcept { core->references.fetch_add(1, std::memory_order_relaxed); }
void release(ContextCore* core) noexcept {
  if (core->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete core;
}

namespace {
std::atomic<std::uint64_t> contextsMade{0};
}

std::mutex& ContextCore::activeMutex() {
  static std::mutex mutex;
  return mutex;
}
ContextCore*& ContextCore::active() {
  static ContextCore* core = nullptr;
  return core;
}

ContextRef ContextCore::open(Settings settings, CallSite site) {
  std::lock_guard lock(activeMutex());
  if (ContextCore* other = active()) {
    throwError(ErrorKind::kIllegalState, "only one Context may be active in a process: the one made at " + siteText(other->site_) +
                                             " is; stop it first");
  }
  ContextRef made(new ContextCore(std::move(settings), site));
  active() = made.get();
  return made;
}

ContextCore::ContextCore(Settings settings, CallSite site) : settings_(std::move(settings)), site_(site), serial_(++contextsMade) {
  for (const auto& warning : settings_.warnings()) logLine(LogLevel::kWarn, warning);
  startMs_ = SystemClock::read().time().milliseconds();
  MasterUrl url;
  if (parseMasterUrl(settings_.get(sluice::conf::kMaster), url).ok() && url.kind == MasterUrl::Kind::kLocal) {
    settings_.set("sluice.task.maxFailures", std::to_string(url.failures), ConfOrigin::kProgram).IgnoreError();
  }
  auto refuse = [](const absl::Status& status) {
    ErrorKind kind = status.code() == absl::StatusCode::kUnavailable ? ErrorKind::kUnavailable : ErrorKind::kInvalidArgument;
    throwError(kind, std::string_view(status.message().data(), status.message().size()));
  };
  if (auto wrong = checkResources(settings_); !wrong.ok()) refuse(wrong);
  if (auto wrong = discoverResources(settings_, "driver", resources_); !wrong.ok()) refuse(wrong);
  std::unique_ptr<Backend> backend;
  auto status = launch().openBackend ? launch().openBackend(settings_, backend) : openBackend(settings_, backend);
  if (!status.ok()) refuse(status);
  std::uint64_t most = settings_.get(sluice::conf::kDriverMaxResultSize).bytes;
  driver_ = std::make_unique<Driver>(std::move(backend), most);
  proto::Submit submit;
  std::random_device random;
  submit.set_nonce(std::uint64_t(random()) << 32 | random());
  submit.set_name(settings_.get(sluice::conf::kAppName));
  for (const auto& pair : settings_.travelling()) submit.add_conf(pair);
  submit.set_driver(launch().driver);
  driver_->connect(std::move(submit));
  parallelism_ = driver_->defaultParallelism();
  reusesShuffles_ = settings_.get(sluice::conf::kShuffleReuse);
  if (settings_.get(sluice::conf::kShowConsoleProgress)) driver_->showProgress();
  if (auto named = settings_.find(sluice::conf::kDefaultParallelism); named && *named > 0) parallelism_ = std::uint32_t(*named);
  try {
    addArchives();
  } catch (const std::exception& error) {  // there will be nobody to stop it
    driver_->close(true, error.what());
    throw;
  }
  StopSignals::watch(this);
}

void ContextCore::addArchives() {
  std::string all = settings_.get(sluice::conf::kArchives);
  for (std::size_t at = 0; at < all.size();) {
    std::size_t end = std::min(all.find(',', at), all.size());
    if (end > at) addArchive(*this, all.substr(at, end - at), site_);
    at = end + 1;
  }
}

ContextCore::~ContextCore() { stop(); }

void ContextCore::stop(bool failed, const std::string& why) {
  if (!stopped_ && Driver::inFunction()) {
    throwError(ErrorKind::kIllegalState, "a Context cannot be stopped inside foreachRDD or transform, which would wait for itself; stop it from another thread");
  }
  if (!stopped_ && currentTask()) throwError(ErrorKind::kIllegalState, "a Context cannot be stopped inside a task; stop it in the driver");
  if (!stopped_ && driver_ && driver_->bus().isMine()) {
    throwError(ErrorKind::kIllegalState, "a Context cannot be stopped inside a SluiceListener, which would wait for itself; stop it from another thread");
  }
  if (stopped_.exchange(true)) return;
  StopSignals::forget(this);
  if (driver_) {
    driver_->close(failed, why);
    driver_->bus().end(SystemClock::read().time().milliseconds());
    driver_->bus().close();
  }
  async_.close();
  StopSignals::closed();
  forgetBroadcasts();
  std::lock_guard lock(activeMutex());
  if (active() == this) active() = nullptr;
}

// The driver's copies: nothing of this context runs any more that could read them.
void ContextCore::forgetBroadcasts() {
  std::map<std::uint64_t, int> uses;
  {
    std::lock_guard lock(mutex_);
    uses.swap(broadcastUses_);
    broadcasts_.clear();
  }
  for (const auto& [id, handles] : uses) {
    for (int i = 0; i < handles; ++i) forgetBroadcast(id);
  }
}

void ContextCore::checkActive() const {
  if (stopped_) throwError(ErrorKind::kIllegalState, "the Context made at " + siteText(site_) + " is stopped; make a new one");
}

std::uint32_t ContextCore::defaultParallelism() const { return parallelism_; }

BuiltPlan ContextCore::build(const PlanRequest& request, bool wholeOutputs) {
  std::lock_guard lock(mutex_);
  BuiltPlan built = buildPlan(request, driver_->backend().images(), templates_, broadcasts_, files_);
  if (!reusesShuffles_) built.exchanges.clear();
  if (hasBarriers(*built.plan)) {
    auto status = checkBarriers(PlanView(built.plan), wholeOutputs);
    if (!status.ok()) throwError(ErrorKind::kInvalidArgument, request.action + ": " + std::string(status.message()));
  }
  return built;
}

void ContextCore::noteKept(std::uint32_t node, PersistentRDD what) {
  std::lock_guard lock(mutex_);
  kept_.insert_or_assign(node, std::move(what));
}

void ContextCore::forgetExchange(std::uint32_t node) {
  if (driver_) driver_->forgetExchange(node);
}

void ContextCore::forgetKept(std::uint32_t node) {
  {
    std::lock_guard lock(mutex_);
    if (kept_.erase(node) == 0) return;
  }
  driver_->bus().unpersisted(node);
}

void ContextCore::dropKept(std::uint32_t node) {
  if (driver_) driver_->forgetKept(node);
  forgetKept(node);
}

void ContextCore::addListener(std::shared_ptr<SluiceListener> listener) {
  checkActive();
  if (!listener) throwError(ErrorKind::kInvalidArgument, "addListener: the listener is null; make one with std::make_shared");
  std::lock_guard lock(listenersMutex_);
  driver_->bus().add(std::move(listener), {settings_.get(sluice::conf::kAppName), driver_->appId(), startMs_});
  driver_->listen(true);
}

void ContextCore::removeListener(const SluiceListener* listener) {
  bool was = driver_->bus().remove(listener);  // it may be waiting for a call to end
  std::lock_guard lock(listenersMutex_);
  if (!was || !driver_->bus().empty() || stopped_) return;
  driver_->bus().forget();
  driver_->listen(false);
}

std::vector<PersistentRDD> ContextCore::kept() const {
  std::lock_guard lock(mutex_);
  std::vector<PersistentRDD> all;
  for (const auto& [node, what] : kept_) all.push_back(what);
  return all;
}

void ContextCore::replace(PlanNode& node, NodeRef by) {
  std::lock_guard lock(mutex_);  // no plan is being built
  by->level = node.level, by->name = node.name;
  retain(by.get());  // the node's own
  node.standIn.store(by.get(), std::memory_order_release);
  forgetExchange(node.id);
}

Driver::Results ContextCore::run(const PlanRequest& request, std::vector<std::uint32_t> partitions, CallSite site) {
  bool computes = partitions.empty() || partitions[0] != kNoPartition;
  Driver::Results results = runJob(request, std::move(partitions), site);
  for (const auto& update : results.updates) AccumulatorRegistry::get().merge(update.id(), update.value());
  if (computes) checkpoints_.follow(*this, request, site);
  return results;
}

Driver::Results ContextCore::runJob(const PlanRequest& request, std::vector<std::uint32_t> partitions, CallSite site) {
  checkActive();
  if (currentTask()) {
    throwError(ErrorKind::kIllegalState, request.action + ": an RDD cannot be used inside a task; broadcast the data, or join");
  }
  Driver::Job job;
  job.plan = build(request, partitions.empty() || partitions[0] == kNoPartition);
  job.partitions = std::move(partitions);
  const auto& nodes = job.plan.plan->nodes();
  auto readsBatch = [](const auto& node) {
    return std::any_of(node.edges().begin(), node.edges().end(), [](const auto& edge) { return edge.as_of_ms() != 0; });
  };
  if (std::any_of(nodes.begin(), nodes.end(), readsBatch)) {
    if (StreamRef stream = StreamCore::activeOf(this)) job.stream = stream->id();
  }
  if (std::string_view batch = propertyOf(LocalProperties::of(serial_), LocalProperties::kBatch); !batch.empty()) {
    job.batchMs = std::strtoll(std::string(batch).c_str(), nullptr, 10);
    if (job.stream == 0) {
      if (StreamRef stream = StreamCore::activeOf(this)) job.stream = stream->id();
    }
  }
  job.description = request.action + " at " + siteText(site);
  job.properties = LocalProperties::of(serial_);
  job.observer = AsyncAction::current();
  return driver_->runJob(job);
}

std::uint64_t ContextCore::addBroadcast(std::string_view bytes, std::string_view type) {
  checkActive();
  // Equal bytes of another type are another value.
  std::uint64_t id = XXH3_64bits_withSeed(bytes.data(), bytes.size(), XXH3_64bits(type.data(), type.size()));
  {
    std::lock_guard lock(mutex_);
    // What was destroyed stays so: executors have dropped it, and know the captures that name it.
    while (destroyedBroadcasts_.contains(id)) id = XXH3_64bits(&id, sizeof(id));
    if (++broadcastUses_[id] == 1) broadcasts_.push_back(id);
  }
  driver_->share(id, Bytes::of(std::string(bytes)));
  return id;
}

void ContextCore::dropBroadcast(std::uint64_t id) {
  {
    std::lock_guard lock(mutex_);
    auto uses = broadcastUses_.find(id);
    if (uses == broadcastUses_.end() || --uses->second > 0) return;
    broadcastUses_.erase(uses);
    destroyedBroadcasts_.insert(id);
    std::erase(broadcasts_, id);
  }
  if (!stopped_) driver_->unshare(id);
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
