// Sources, windows and outputs of streams.
#include "sluice/detail/stream_graph.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <mutex>

#include "client/context_core.h"
#include "client/file_inputs.h"
#include "client/file_outputs.h"
#include "client/socket_receiver.h"
#include "client/stream_core.h"
#include "common/conf_keys.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

DriverFunction::~DriverFunction() = default;
void retain(DriverFunction* f) noexcept { __atomic_add_fetch(&f->references_, 1, __ATOMIC_RELAXED); }
void release(DriverFunction* f) noexcept {
  if (__atomic_sub_fetch(&f->references_, 1, __ATOMIC_ACQ_REL) == 0) delete f;
}

// ---- Sources ----

std::uint16_t parsePort(std::string_view text) {
  int port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    throwError(ErrorKind::kInvalidArgument, "the port '" + std::string(text) + "' is no number from 1 to 65535");
  }
  return std::uint16_t(port);
}

NodeRef addReceiver(StreamCore& stream, const ReceiverDesc* receiver, std::string_view captures, StorageLevel level, const NodeFacts& facts) {
  NodeRef node = stream.newSource(PlanNode::Kind::kSource, facts);
  auto spec = std::make_shared<SourceSpec>();
  spec->source.set_kind(proto::SOURCE_RECEIVER);
  spec->source.set_copies(level.copies);
  spec->receiver = receiver;
  spec->seal();
  node->source = std::move(spec);
  node->receiverCaptures = captures;
  return node;
}

void checkSocket(const char* method, std::string_view host, std::uint16_t port) {
  if (host.empty()) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the host has no name");
  if (port == 0) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the port is 0; it must be from 1 to 65535");
}

void preferHost(const NodeRef& receiver, std::string_view host) {
  if (host.empty()) return;
  auto spec = std::make_shared<SourceSpec>(*receiver->source);
  spec->source.set_preferred_host(std::string(host));
  spec->seal();
  receiver->source = std::move(spec);
}

NodeRef addGenerator(StreamCore& stream, double recordsPerSecond, int partitions, const NodeFacts& facts) {
  if (!(recordsPerSecond > 0) || recordsPerSecond > 1e12) {
    throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the rate is " + std::to_string(recordsPerSecond) + " records per second; it must be above 0, and 1e12 at most");
  }
  if (partitions < 0) throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the number of partitions is " + std::to_string(partitions) + "; it must be above 0");
  NodeRef node = stream.newSource(PlanNode::Kind::kSource, facts);
  auto spec = std::make_shared<SourceSpec>();
  spec->source.set_kind(proto::SOURCE_GENERATED);
  spec->source.set_rate(recordsPerSecond), spec->source.set_partitions(std::uint32_t(partitions));
  spec->seal();
  node->source = std::move(spec);
  return node;
}

NodeRef addSocketText(StreamCore& stream, std::string_view host, std::uint16_t port, StorageLevel level, const NodeFacts& facts) {
  checkSocket("socketTextStream", host, port);
  NodeRef node = addReceiver(stream, &kSocketTextReceiver, socketTextCaptures(host, port), level, facts);
  auto spec = std::make_shared<SourceSpec>(*node->source);
  spec->source.set_text(true);
  spec->seal();
  node->source = std::move(spec);
  return node;
}

NodeRef addNewFiles(StreamCore& stream, std::string_view directory, const FileForm& form, bool newFilesOnly, const OpRef* filter,
                    const NodeFacts& facts) {
  if (directory.empty()) throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the directory has no name");
  NodeRef node = stream.newSource(PlanNode::Kind::kSource, facts);
  auto spec = std::make_shared<SourceSpec>();
  std::error_code error;
  spec->source.set_kind(proto::SOURCE_FILES);
  spec->source.set_directory(std::filesystem::absolute(std::string(directory), error).lexically_normal().string());
  spec->source.set_new_files_only(newFilesOnly);
  spec->source.set_remember_ms(stream.context().settings().get(sluice::conf::kMinRememberDuration).milliseconds());
  setForm(facts.name, form, spec->source);
  spec->seal();
  node->source = std::move(spec);
  if (filter) {
    setOperator(node, *filter);
    node->receiverCaptures = filter->captures;  // those of a source
  }
  return node;
}

class Queue {
 public:
  std::atomic<std::uint32_t> references{0};
  mutable std::mutex mutex;
  std::deque<NodeRef> rdds;  // guarded by mutex
};
void retain(Queue* queue) noexcept { queue->references.fetch_add(1, std::memory_order_relaxed); }
void release(Queue* queue) noexcept {
  if (queue->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete queue;
}
QueueRef newQueue() { return QueueRef(new Queue); }
void push(Queue& queue, NodeRef rdd) {
  std::lock_guard lock(queue.mutex);
  queue.rdds.push_back(std::move(rdd));
}
std::size_t size(const Queue& queue) {
  std::lock_guard lock(queue.mutex);
  return queue.rdds.size();
}

NodeRef addQueue(StreamCore& stream, QueueRef queue, bool oneAtATime, NodeRef standard, const NodeFacts& facts) {
  NodeRef node = stream.newSource(PlanNode::Kind::kPerBatch, facts);
  ContextRef context(&stream.context());
  NodeFacts parts{facts.name, facts.site, facts.type};
  node->perBatch = driverFunction([queue, oneAtATime, standard, context, parts](const NodeRef*, std::size_t, Time) {
    std::deque<NodeRef> taken;
    {
      std::lock_guard lock(queue->mutex);
      if (oneAtATime && !queue->rdds.empty()) {
        taken.push_back(std::move(queue->rdds.front()));
        queue->rdds.pop_front();
      } else {
        taken.swap(queue->rdds);
      }
    }
    if (taken.empty() && standard) return standard;
    if (taken.empty()) return addRows(*context, nullptr, 0, parts);
    std::vector<NodeRef> all(taken.begin(), taken.end());
    return all.size() == 1 ? all[0] : addUnion(all.data(), all.size(), parts);
  });
  return node;
}

NodeRef addFirstBatch(StreamCore& stream, const NodeRef& rdd, const NodeFacts& facts) {
  if (contextOf(rdd).get() != &stream.context()) throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the RDD belongs to another context");
  NodeRef node = stream.newSource(PlanNode::Kind::kUnion, facts);
  node->firstBatchOnly = true;
  node->inputs.push_back({rdd});
  return node;
}

// ---- Nodes ----

Duration slideOf(const NodeRef& node) { return Duration(node->slideMs); }
StreamRef streamOf(const NodeRef& node) {
  if (!node || !node->stream) throwError(ErrorKind::kInvalidArgument, "the DStream is empty (default-constructed)");
  return node->stream;
}

void checkWindow(const NodeRef& input, Duration window, Duration& slide, const char* method) {
  Duration parent = slideOf(input);
  if (slide.isZero()) slide = parent;
  auto refuse = [&](const char* what, Duration given) {
    throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the " + what + " (" + given.toString() + ") must be a multiple of the slide of its input (" +
                                                parent.toString() + ") and above 0");
  };
  if (window.milliseconds() <= 0 || !window.isMultipleOf(parent)) refuse("window", window);
  if (slide.milliseconds() <= 0 || !slide.isMultipleOf(parent)) refuse("slide", slide);
}

NodeRef addWindow(const NodeRef& input, Duration window, Duration slide, const NodeFacts& facts) {
  checkWindow(input, window, slide, facts.name);
  streamOf(input)->checkDefinable(facts.name, facts.site);
  keepForShifts(input);
  NodeRef node = newNode(input->context, input->byKey ? PlanNode::Kind::kConcat : PlanNode::Kind::kUnion, facts);
  node->stream = input->stream;
  node->slideMs = slide.milliseconds();
  node->byKey = input->byKey, node->key = input->key;
  node->perKey = true, node->onPerBatch = input->onPerBatch;
  NodeInput edge{input};
  edge.shifts = std::uint32_t(window.milliseconds() / input->slideMs);
  edge.shiftStep = Duration(input->slideMs);
  node->inputs.push_back(std::move(edge));
  return node;
}

void keepForShifts(const NodeRef& node) {
  if (!node->isKept()) node->level = StorageLevel::MEMORY_AND_DISK, node->keptForShifts = true;
}

NodeRef addPerBatch(const NodeRef* inputs, std::size_t count, DriverFunctionRef f, const NodeFacts& facts) {
  StreamRef stream = streamOf(inputs[0]);
  NodeRef node = stream->newSource(PlanNode::Kind::kPerBatch, facts);
  node->perBatch = std::move(f);
  node->slideMs = inputs[0]->slideMs;
  for (std::size_t i = 0; i < count; ++i) {
    if (streamOf(inputs[i]).get() != stream.get()) throwError(ErrorKind::kInvalidArgument, node->place() + ": the DStreams belong to different contexts");
    if (inputs[i]->slideMs != node->slideMs) throwError(ErrorKind::kInvalidArgument, node->place() + ": the DStreams have different slides");
    node->inputs.push_back({inputs[i]});
  }
  return node;
}

NodeRef symbolOf(const NodeRef& stream) {
  streamOf(stream)->checkDefinable("transform", stream->site);
  return aliasOf(stream, PlanNode::Symbol::kPlannedOnce, 0);
}

NodeRef addTransformed(const NodeRef* inputs, std::size_t count, const NodeRef& result, const NodeFacts& facts) {
  if (!result) throwError(ErrorKind::kUserCode, std::string(facts.name) + " at " + siteText(facts.site) + ": the function returned no RDD; return an empty one");
  StreamRef stream = streamOf(inputs[0]);
  NodeRef node = stream->newSource(PlanNode::Kind::kUnion, facts);
  for (std::size_t i = 0; i < count; ++i) {
    if (streamOf(inputs[i]).get() != stream.get()) throwError(ErrorKind::kInvalidArgument, node->place() + ": the DStreams belong to different contexts");
    if (inputs[i]->slideMs != inputs[0]->slideMs) throwError(ErrorKind::kInvalidArgument, node->place() + ": the DStreams have different slides");
  }
  if (result->context.get() != &stream->context()) throwError(ErrorKind::kInvalidArgument, node->place() + ": the function returned an RDD of another context");
  node->slideMs = inputs[0]->slideMs;
  node->byKey = result->byKey, node->key = result->key;
  node->perKey = true, node->onPerBatch = result->onPerBatch;
  node->inputs.push_back({result});
  return node;
}

NodeRef addConstant(StreamCore& stream, const NodeRef& rdd, const NodeFacts& facts) {
  if (!rdd) throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + " at " + siteText(facts.site) + ": the RDD is empty (default-constructed); use an empty one (context.emptyRDD)");
  NodeRef node = stream.newSource(PlanNode::Kind::kUnion, facts);
  if (rdd->context.get() != &stream.context()) throwError(ErrorKind::kInvalidArgument, node->place() + ": the RDD belongs to another context");
  if (isSymbolic(rdd)) throwError(ErrorKind::kInvalidArgument, node->place() + ": the RDD is a batch's; a constant one must be there before the stream");
  node->byKey = rdd->byKey, node->key = rdd->key;
  node->perKey = true;
  node->inputs.push_back({rdd});
  return node;
}

std::vector<NodeRef> sliceOf(const NodeRef& node, Time from, Time to, CallSite site) {
  StreamRef stream = streamOf(node);
  const std::string place = "slice at " + siteText(site);
  auto known = stream->known();
  if (known.zeroMs == 0) throwError(ErrorKind::kIllegalState, place + ": the DStream has not been initialized; start the StreamingContext first");
  Duration slide = slideOf(node);
  Time zero(known.zeroMs);
  for (Time* end : {&from, &to}) {
    Time floored = end->floor(slide, zero);
    if (floored != *end) {
      std::fprintf(stderr, "sluice: %s: %s is no batch of the stream (its slide is %s); %s is taken\n", place.c_str(), end->toString().c_str(),
                   slide.toString().c_str(), floored.toString().c_str());
    }
    *end = floored;
  }
  std::vector<NodeRef> rdds;
  for (Time t = std::max(from, zero + slide); t <= to && t.milliseconds() <= known.newestMs; t = t + slide) {
    if (t.milliseconds() < known.newestMs - known.rememberMs) {
      throwError(ErrorKind::kIllegalState, place + ": the batch at " + t.toString() + " is not remembered any more; let the StreamingContext remember longer (" +
                                               (known.rememberMs == 0 ? std::string("remember(duration) is not set") : "it remembers " + Duration(known.rememberMs).toString()) + ")");
    }
    rdds.push_back(aliasOf(node, PlanNode::Symbol::kNone, t.milliseconds()));
  }
  return rdds;
}

void setCheckpointInterval(const NodeRef& node, Duration interval) {
  streamOf(node)->checkDefinable("checkpoint", node->site);
  if (interval.milliseconds() <= 0) throwError(ErrorKind::kInvalidArgument, "checkpoint: the interval is " + interval.toString() + "; it must be above 0");
  node->checkpointMs = interval.milliseconds();
}

// ---- Outputs ----

namespace {

void add(const NodeRef& node, proto::OutputKind kind, const char* name, CallSite site, OutputRequest output, DriverFunctionRef f = {}) {
  StreamRef stream = streamOf(node);
  output.node = node, output.kind = kind, output.name = name, output.site = site;
  stream->addOutput(std::move(output), std::move(f));
}

}  // namespace

void addPrint(const NodeRef& lines, std::uint32_t limit, CallSite site) {
  OutputRequest output;
  output.limit = limit;
  add(lines, proto::OUTPUT_PRINT, "print", site, std::move(output));
}

void addFileOutput(const NodeRef& node, const FileOutput& files, CallSite site) {
  add(node, proto::OUTPUT_FILES, files.method, site, requestOf(files));
}

void addRollingOutput(const NodeRef& lines, std::string_view directory, const RollingPolicy& policy, CallSite site) {
  add(lines, proto::OUTPUT_ROLLING, "saveAsRollingTextFiles", site, requestOf(directory, policy));
}

void addForEach(const NodeRef& node, DriverFunctionRef f, CallSite site) { add(node, proto::OUTPUT_DRIVER, "foreachRDD", site, {}, std::move(f)); }
void addEffects(const NodeRef& node, CallSite site) { add(node, proto::OUTPUT_NONE, "foreachPartition", site, {}); }

// ---- The stream ----

StreamRef newStream(ContextRef context, Duration interval, CallSite site, bool ownsContext) {
  return StreamRef(new StreamCore(std::move(context), interval, site, ownsContext));
}
ContextRef contextOf(StreamCore& stream) { return ContextRef(&stream.context()); }
Duration intervalOf(StreamCore& stream) { return stream.interval(); }
void setCheckpointDirectory(StreamCore& stream, std::string_view directory) { stream.setCheckpointDirectory(std::string(directory)); }
void setRemember(StreamCore& stream, Duration duration) { stream.setRemember(duration); }
void start(StreamCore& stream, CallSite site) { stream.start(site); }
StreamRef activeStream() { return StreamCore::active(); }
void useCheckpoint(StreamCore& stream, std::string_view directory, const char* method) {
  if (directory.empty()) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the checkpoint directory has no name");
  std::string before = stream.checkpointDirectory();
  stream.setCheckpointDirectory(std::string(directory));
  if (before.empty() || before == stream.checkpointDirectory()) return;
  std::string named = stream.checkpointDirectory();
  stream.setCheckpointDirectory(before);
  throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the checkpoint directory is " + named + ", but the new context has " + before);
}
bool stopsContextByDefault(StreamCore& stream) { return stream.context().settings().get(sluice::conf::kStopContextByDefault); }
void addListener(StreamCore& stream, StreamingListener& listener) { stream.addListener(listener); }
void removeListener(StreamCore& stream, StreamingListener& listener) { stream.removeListener(listener); }
bool await(StreamCore& stream, const Duration* atMost) { return stream.await(atMost); }
void stop(StreamCore& stream, bool stopContext, bool gracefully) { stream.stop(stopContext, gracefully); }
StreamState stateOf(StreamCore& stream) { return stream.state(); }
void finish(StreamCore& stream, bool failed) noexcept { stream.finish(failed); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
