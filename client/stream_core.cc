#include "client/stream_core.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "client/accumulator_registry.h"
#include "client/log.h"
#include "common/thrown.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

constexpr std::int64_t kCheckpointAtLeastMs = 10'000;
constexpr std::size_t kBatchesRemembered = 64;

StreamCore*& activeCore() {  // guarded by ContextCore::activeMutex()
  static StreamCore* stream = nullptr;
  return stream;
}

}  // namespace

// Answers the driver while the stream runs. Outlives the StreamCore if a question is still under way.
class StreamFollower final : public StreamEnd {
 public:
  explicit StreamFollower(StreamCore* stream) : stream_(stream) {}
  BuiltPlan planFor(std::int64_t whenMs) override { return held()->planFor(whenMs); }
  void runOutput(std::int64_t whenMs, std::uint32_t output, bool) override { held()->runOutput(whenMs, output); }
  void batchDone(const proto::BatchDone& batch) override {
    for (const auto& update : batch.updates()) AccumulatorRegistry::get().merge(update.id(), update.value());
    StreamRef stream;
    {
      std::lock_guard lock(mutex_);
      if (stream_ && tryRetain(stream_->references)) stream = StreamRef::adopt(stream_);
    }
    if (!stream) return;
    stream->heardOf(batch.when_ms());
    if (stream->listener_) stream->listener_(batch);
  }
  void event(const proto::StreamEvent& event) override {
    StreamRef stream;
    {
      std::lock_guard lock(mutex_);
      if (stream_ && tryRetain(stream_->references)) stream = StreamRef::adopt(stream_);
    }
    if (stream) stream->bus_.post(event);
  }
  void leave() {
    std::lock_guard lock(mutex_);
    stream_ = nullptr;
  }

 private:
  StreamRef held() {
    std::lock_guard lock(mutex_);
    if (!stream_ || !tryRetain(stream_->references)) throwError(ErrorKind::kIllegalState, "the StreamingContext is gone");
    return StreamRef::adopt(stream_);
  }
  std::mutex mutex_;
  StreamCore* stream_;
};

void retain(StreamCore* core) noexcept { core->references.fetch_add(1, std::memory_order_relaxed); }
void release(StreamCore* core) noexcept {
  if (core->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete core;
}

StreamCore::StreamCore(ContextRef context, Duration interval, CallSite site, bool ownsContext)
    : context_(std::move(context)), interval_(interval), site_(site), ownsContext_(ownsContext), follower_(std::make_shared<StreamFollower>(this)) {
  if (interval.milliseconds() <= 0) {
    throwError(ErrorKind::kInvalidArgument, "StreamingContext: the batch interval is " + interval.toString() + "; it must be above 0");
  }
  context_->checkActive();
  id_ = context_->nextStream();
  setCheckpointDirectory(context_->settings().get(sluice::conf::kCheckpointDirectory));
}

StreamCore::~StreamCore() { static_cast<StreamFollower&>(*follower_).leave(); }

void StreamCore::checkDefinable(const char* what, CallSite site) const {
  if (state_ == StreamState::kInitialized) return;
  throwError(ErrorKind::kIllegalState, std::string(what) + " at " + siteText(site) + ": inputs, transformations and outputs cannot be added after a " +
                                           (state_ == StreamState::kActive ? "StreamingContext was started" : "StreamingContext was stopped"));
}

NodeRef StreamCore::newSource(PlanNode::Kind kind, const NodeFacts& facts) {
  checkDefinable(facts.name, facts.site);
  NodeRef node = newNode(context_, kind, facts);
  node->stream = StreamRef(this);
  node->slideMs = interval_.milliseconds();
  return node;
}

void StreamCore::addOutput(OutputRequest output, DriverFunctionRef function) {
  checkDefinable(output.name.c_str(), output.site);
  for (const auto& other : outputs_) {
    if (output.kind == proto::OUTPUT_ROLLING && other.kind == output.kind && other.prefix == output.prefix) {
      throwError(ErrorKind::kInvalidArgument, output.name + " at " + siteText(output.site) + ": the one at " + siteText(other.site) + " writes into " +
                                                  output.prefix + " already; name another directory");
    }
  }
  functions_.push_back({std::move(function), output.node});
  outputs_.push_back(std::move(output));
}

void StreamCore::setCheckpointDirectory(std::string directory) {
  checkDefinable("checkpoint", site_);
  std::error_code error;
  if (directory.empty()) return checkpointDirectory_.clear();
  std::filesystem::path path = std::filesystem::absolute(directory, error).lexically_normal();
  checkpointDirectory_ = (path.has_filename() ? path : path.parent_path()).string();
}

void StreamCore::setRemember(Duration duration) {
  checkDefinable("remember", site_);
  if (!remember_.isZero() && remember_ != duration) throwError(ErrorKind::kIllegalState, "remember: set already, to " + remember_.toString());
  remember_ = duration;
}

void StreamCore::visit(const std::function<void(const PlanNode&)>& see) const {
  std::set<const PlanNode*> seen;
  std::vector<const PlanNode*> open;
  for (const auto& output : outputs_) open.push_back(output.node.get());
  while (!open.empty()) {
    const PlanNode* at = open.back();
    open.pop_back();
    if (!seen.insert(at).second) continue;
    see(*at);
    for (const auto& input : at->inputs) {
      if (input.node) open.push_back(input.node.get());
    }
  }
}

void StreamCore::validate() const {
  if (outputs_.empty()) throwError(ErrorKind::kIllegalState, "No output operations registered, so nothing to execute");
  visit([&](const PlanNode& node) {
    if (node.state && checkpointDirectory_.empty()) {
      throwError(ErrorKind::kIllegalState, node.place() + " keeps state, which needs a checkpoint directory; set it with StreamingContext::checkpoint(directory)");
    }
    if (node.kind == PlanNode::Kind::kPerBatch && node.inputs.empty() && !checkpointDirectory_.empty()) {
      logLine(LogLevel::kWarn, node.place() + ": what is in the queue is in no checkpoint; a restored stream begins with what its program pushes");
    }
    if (node.checkpointMs == 0) return;
    if (checkpointDirectory_.empty()) {
      throwError(ErrorKind::kIllegalState, node.place() + " is to be checkpointed; set the directory with StreamingContext::checkpoint(directory)");
    }
    if (node.checkpointMs < node.slideMs || node.checkpointMs % node.slideMs != 0) {
      throwError(ErrorKind::kInvalidArgument, node.place() + ": the checkpoint interval (" + std::to_string(node.checkpointMs) +
                                                  " ms) must be a multiple of the stream's slide (" + std::to_string(node.slideMs) + " ms)");
    }
  });
  if (checkpointDirectory_.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(checkpointDirectory_, error);
  if (error) throwError(ErrorKind::kInvalidArgument, "checkpoint: " + checkpointDirectory_ + " cannot be made: " + error.message());
}

PlanRequest StreamCore::request(std::int64_t whenMs) {
  PlanRequest request;
  request.stream = true;
  request.action = "the stream";
  request.outputs = outputs_;
  request.whenMs = whenMs;
  request.intervalMs = interval_.milliseconds();
  request.rememberMs = remember_.milliseconds();
  request.checkpointDirectory = checkpointDirectory_;
  bool state = false;
  visit([&](const PlanNode& node) {
    if (node.kind == PlanNode::Kind::kPerBatch) request.driverPlanned = true;
    if (node.checkpointMs != 0 && (request.checkpointIntervalMs == 0 || node.checkpointMs < request.checkpointIntervalMs)) {
      request.checkpointIntervalMs = node.checkpointMs;
    }
    state = state || node.state;
  });
  if (request.checkpointIntervalMs == 0 && state) {
    std::int64_t slide = interval_.milliseconds();
    request.checkpointIntervalMs = slide * ((kCheckpointAtLeastMs + slide - 1) / slide);
  }
  request.perBatch = [this](const PlanNode& node, std::int64_t when) { return makeFor(node, when); };
  return request;
}

void StreamCore::addListener(StreamingListener& listener) {
  bool first = bus_.empty();
  if (!bus_.add(&listener)) return;
  if (first && state_ == StreamState::kActive) context_->driver().watchStream(id_, true);
}

void StreamCore::removeListener(StreamingListener& listener) {
  if (bus_.remove(&listener) && bus_.empty() && state_ == StreamState::kActive) context_->driver().watchStream(id_, false);
}

void StreamCore::start(CallSite site) {
  if (state_ == StreamState::kActive) {
    logLine(LogLevel::kWarn, "the StreamingContext has been started already");
    return;
  }
  if (state_ == StreamState::kStopped) throwError(ErrorKind::kIllegalState, "a stopped StreamingContext cannot be started again; make a new one");
  {
    std::lock_guard lock(ContextCore::activeMutex());
    if (activeCore()) {
      throwError(ErrorKind::kIllegalState, "only one StreamingContext may be started in a process: one was, at " + siteText(activeCore()->startedAt_) +
                                               "; stop it first");
    }
    activeCore() = this;
    startedAt_ = site;
  }
  try {
    validate();
    BuiltPlan plan = context_->build(request(0));
    properties_ = LocalProperties::withoutGroup(LocalProperties::of(context_->serial()));
    state_ = StreamState::kActive;
    zeroMs_ = context_->driver().startStream(id_, std::move(plan), properties_, !bus_.empty(), follower_).zero_ms();
  } catch (...) {
    state_ = StreamState::kStopped;
    release();
    throw;
  }
}

bool StreamCore::await(const Duration* atMost) {
  if (state_ != StreamState::kActive) return true;
  StreamRef self(this);
  return context_->driver().awaitStream(id_, atMost ? std::max<std::int64_t>(atMost->milliseconds(), 0) : -1);
}

void StreamCore::stop(bool stopContext, bool gracefully) {
  StreamRef self(this);
  if (gracefully && Driver::inFunction()) {
    throwError(ErrorKind::kIllegalState, "stop(gracefully) inside foreachRDD or transform would wait for itself; stop at once, or from another thread");
  }
  if (bus_.isMine()) {
    throwError(ErrorKind::kIllegalState, "stop() inside a StreamingListener would wait for itself; stop from another thread");
  }
  StreamState was = state_;
  if (was == StreamState::kActive) {
    auto limit = context_->settings().find(sluice::conf::kGracefulStopTimeout);
    std::int64_t atMostMs = limit ? limit->milliseconds() : std::max<std::int64_t>(10 * interval_.milliseconds(), 10'000);
    context_->driver().stopStream(id_, gracefully, atMostMs);
  } else if (was == StreamState::kStopped && !stopContext) {
    logLine(LogLevel::kWarn, "the StreamingContext has been stopped already");
  }
  state_ = StreamState::kStopped;
  release();
  if (!Driver::inFunction()) bus_.close();
  // A function of the driver cannot wait for its own end: then the context goes with its last handle.
  if (stopContext && !Driver::inFunction()) context_->stop();
}

void StreamCore::release() {
  {
    std::lock_guard lock(ContextCore::activeMutex());
    if (activeCore() == this) activeCore() = nullptr;
  }
}

StreamRef StreamCore::active() {
  std::lock_guard lock(ContextCore::activeMutex());
  StreamCore* stream = activeCore();
  return stream && tryRetain(stream->references) ? StreamRef::adopt(stream) : StreamRef();
}

StreamRef StreamCore::activeOf(ContextCore* context) {
  std::lock_guard lock(ContextCore::activeMutex());
  StreamCore* stream = activeCore();
  if (!stream || stream->context_.get() != context || !tryRetain(stream->references)) return {};
  return StreamRef::adopt(stream);
}

// ---- Batches that the driver plans ----

NodeRef StreamCore::makeFor(const PlanNode& node, std::int64_t whenMs) {
  {
    std::lock_guard lock(mutex_);
    if (auto batch = planned_.find(whenMs); batch != planned_.end()) {
      if (auto known = batch->second.find(node.id); known != batch->second.end()) return known->second;
    }
  }
  std::vector<NodeRef> inputs;
  for (const auto& input : node.inputs) inputs.push_back(aliasOf(input.node, PlanNode::Symbol::kOfItsBatch, 0));
  NodeRef made = node.perBatch->call(inputs.data(), inputs.size(), Time(whenMs));
  if (!made) throwError(ErrorKind::kUserCode, node.place() + ": the function returned no RDD; return an empty one (context.emptyRDD)");
  std::lock_guard lock(mutex_);
  planned_[whenMs][node.id] = made;
  // The functions of a batch, which run in order, may come long after it was planned.
  while (planned_.size() > kBatchesRemembered && planned_.begin()->first < newestMs_) planned_.erase(planned_.begin());
  return made;
}

NodeRef StreamCore::plannedFor(const PlanNode& node, std::int64_t whenMs) {
  std::lock_guard lock(mutex_);
  auto batch = planned_.find(whenMs);
  if (batch == planned_.end()) return {};
  auto known = batch->second.find(node.id);
  return known == batch->second.end() ? NodeRef() : known->second;
}

NodeRef plannedFor(const PlanNode& node, std::int64_t whenMs) {
  NodeRef made = node.stream ? node.stream->plannedFor(node, whenMs) : NodeRef();
  if (!made) throwError(ErrorKind::kLost, node.place() + ": the RDD of batch " + std::to_string(whenMs) + " ms is not known any more; use it within its foreachRDD");
  return made;
}

BuiltPlan StreamCore::planFor(std::int64_t whenMs) {
  // First the functions of the application, which may run jobs; then the plan, under the context's lock.
  std::vector<const PlanNode*> nodes;
  visit([&](const PlanNode& node) {
    if (node.kind == PlanNode::Kind::kPerBatch) nodes.push_back(&node);
  });
  std::sort(nodes.begin(), nodes.end(), [](const PlanNode* a, const PlanNode* b) { return a->id < b->id; });
  LocalProperties::Scope scope(context_->serial(), properties_);
  for (const auto* node : nodes) {
    try {
      makeFor(*node, whenMs);
    } catch (const std::exception& e) {
      throwError(ErrorKind::kUserCode, node->place() + ", batch " + std::to_string(whenMs) + " ms: " + wordsOf(e));
    }
  }
  return context_->build(request(whenMs));
}

// What jobs of a function of the driver know of where they come from.
LocalProperties::Ref StreamCore::propertiesOf(std::int64_t whenMs, std::uint32_t output) const {
  auto own = properties_ ? std::make_shared<LocalProperties::Map>(*properties_) : std::make_shared<LocalProperties::Map>();
  (*own)[LocalProperties::kDescription] =
      "Streaming job from [output operation " + std::to_string(output) + ", batch time " + std::to_string(whenMs) + " ms]";
  (*own)[LocalProperties::kBatch] = std::to_string(whenMs);
  (*own)[LocalProperties::kOutput] = std::to_string(output);
  return own;
}

void StreamCore::heardOf(std::int64_t whenMs) {
  std::int64_t known = newestMs_;
  while (known < whenMs && !newestMs_.compare_exchange_weak(known, whenMs)) {
  }
}

void StreamCore::runOutput(std::int64_t whenMs, std::uint32_t output) {
  heardOf(whenMs);
  OutputFunction run;
  CallSite site;
  {
    std::lock_guard lock(mutex_);
    if (output < functions_.size()) run = functions_[output], site = outputs_[output].site;
  }
  if (!run.function) throwError(ErrorKind::kIllegalState, "the stream has no driver function number " + std::to_string(output));
  NodeRef rdd = aliasOf(run.node, PlanNode::Symbol::kNone, whenMs);
  LocalProperties::Scope scope(context_->serial(), propertiesOf(whenMs, output));
  try {
    run.function->call(&rdd, 1, Time(whenMs));
  } catch (const std::exception& e) {
    throwError(ErrorKind::kUserCode, "foreachRDD at " + siteText(site) + ", batch " + std::to_string(whenMs) + " ms: " + wordsOf(e));
  }
}

void StreamCore::finish(bool failed) noexcept {
  StreamRef self(this);
  try {
    if (state_ == StreamState::kActive) stop(false, false);
    bus_.close();
    if (ownsContext_) context_->stop(failed, failed ? "the application threw an exception" : "");
  } catch (const std::exception& e) {
    logLine(LogLevel::kError, e.what());
  }
  std::lock_guard lock(mutex_);
  outputs_.clear(), functions_.clear(), planned_.clear();
}

void onBatchDone(StreamCore& stream, std::function<void(const proto::BatchDone&)> listener) { stream.onBatchDone(std::move(listener)); }

NodeRef addSource(StreamCore& stream, std::shared_ptr<const SourceSpec> spec, const NodeFacts& facts) {
  NodeRef node = stream.newSource(PlanNode::Kind::kSource, facts);
  node->source = std::move(spec);
  return node;
}

NodeRef aliasOf(const NodeRef& of, PlanNode::Symbol symbol, std::int64_t asOfMs) {
  NodeFacts facts{of->name.c_str(), of->site, of->type};
  NodeRef alias = newNode(of->context, PlanNode::Kind::kAlias, facts);
  alias->symbol = symbol;
  alias->asOfMs = asOfMs;
  alias->slideMs = asOfMs != 0 ? 0 : of->slideMs;
  alias->byKey = of->byKey, alias->key = of->key;
  alias->perKey = true, alias->onPerBatch = of->onPerBatch;
  alias->inputs.push_back({of});
  return alias;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
