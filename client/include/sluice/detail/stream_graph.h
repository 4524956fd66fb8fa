// What the typed face of streams says to libsluice: sources, windows, outputs, functions of the driver.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sluice/detail/files.h"
#include "sluice/detail/graph.h"
#include "sluice/rolling_policy.h"

namespace sluice {
inline namespace SLUICE_ABI {

class StreamingListener;

namespace detail {

class DriverFunction;
SLUICE_EXPORT void retain(DriverFunction*) noexcept;
SLUICE_EXPORT void release(DriverFunction*) noexcept;

// A function of the application that runs in the driver: it captures what it likes.
class SLUICE_EXPORT DriverFunction {
 public:
  DriverFunction() = default;
  DriverFunction(const DriverFunction&) = delete;
  DriverFunction& operator=(const DriverFunction&) = delete;
  virtual ~DriverFunction();
  // `inputs`: the batch's RDDs. Returns the RDD that a transform made; null from a foreachRDD.
  virtual NodeRef call(const NodeRef* inputs, std::size_t count, Time batch) = 0;

 private:
  friend void retain(DriverFunction*) noexcept;
  friend void release(DriverFunction*) noexcept;
  int references_ = 0;  // by atomic operations
};
using DriverFunctionRef = Ref<DriverFunction>;

template <class F> class DriverFunctionOf final : public DriverFunction {
 public:
  explicit DriverFunctionOf(F f) : f_(std::move(f)) {}
  NodeRef call(const NodeRef* inputs, std::size_t count, Time batch) override { return f_(inputs, count, batch); }

 private:
  F f_;
};
// f(const NodeRef* inputs, std::size_t count, Time) -> NodeRef
template <class F> DriverFunctionRef driverFunction(F f) { return DriverFunctionRef(new DriverFunctionOf<F>(std::move(f))); }

// ---- Sources ----
SLUICE_EXPORT NodeRef addSocketText(StreamCore& stream, std::string_view host, std::uint16_t port, StorageLevel level, const NodeFacts& facts);
// Files that appear in a directory. `filter`: a step over std::string_view paths that lets pass what is wanted; null: all but hidden names.
SLUICE_EXPORT NodeRef addNewFiles(StreamCore& stream, std::string_view directory, const FileForm& form, bool newFilesOnly, const OpRef* filter,
                                  const NodeFacts& facts);
SLUICE_EXPORT NodeRef addReceiver(StreamCore& stream, const ReceiverDesc* receiver, std::string_view captures, StorageLevel level,
                                  const NodeFacts& facts);
SLUICE_EXPORT void preferHost(const NodeRef& receiver, std::string_view host);
SLUICE_EXPORT void checkSocket(const char* method, std::string_view host, std::uint16_t port);
SLUICE_EXPORT NodeRef addGenerator(StreamCore& stream, double recordsPerSecond, int partitions, const NodeFacts& facts);
// A port written as text. Throws Error(kInvalidArgument).
SLUICE_EXPORT std::uint16_t parsePort(std::string_view text);

// RDDs to come, one for each batch; shared by whoever pushes and the stream.
class Queue;
SLUICE_EXPORT void retain(Queue*) noexcept;
SLUICE_EXPORT void release(Queue*) noexcept;
using QueueRef = Ref<Queue>;
SLUICE_EXPORT QueueRef newQueue();
SLUICE_EXPORT void push(Queue& queue, NodeRef rdd);
SLUICE_EXPORT std::size_t size(const Queue& queue);
SLUICE_EXPORT NodeRef addQueue(StreamCore& stream, QueueRef queue, bool oneAtATime, NodeRef standard, const NodeFacts& facts);

// ---- Nodes of streams ----
// The batches of the last `window`, oldest first; its input is kept for as long. slide zero: the input's.
SLUICE_EXPORT NodeRef addWindow(const NodeRef& input, Duration window, Duration slide, const NodeFacts& facts);
// Throws Error(kInvalidArgument) unless both are multiples of the input's slide. slide zero: the input's.
SLUICE_EXPORT void checkWindow(const NodeRef& input, Duration window, Duration& slide, const char* method);
// Values that are read at earlier times must be kept.
SLUICE_EXPORT void keepForShifts(const NodeRef& node);
SLUICE_EXPORT Duration slideOf(const NodeRef& node);
// Made by f for each batch.
SLUICE_EXPORT NodeRef addPerBatch(const NodeRef* inputs, std::size_t count, DriverFunctionRef f, const NodeFacts& facts);
// The symbol that transform(f(RDD)) hands to f, and the stream's node of what f returned.
SLUICE_EXPORT NodeRef symbolOf(const NodeRef& stream);
SLUICE_EXPORT NodeRef addTransformed(const NodeRef* inputs, std::size_t count, const NodeRef& result, const NodeFacts& facts);
// The same RDD in each batch.
SLUICE_EXPORT NodeRef addConstant(StreamCore& stream, const NodeRef& rdd, const NodeFacts& facts);
// The RDDs of the batches from `from` to `to`, both floored to the stream's slides since zero time; those that have not run yet are left
// out. Throws Error(kIllegalState) before start(), and where something is asked that is not remembered any more.
SLUICE_EXPORT std::vector<NodeRef> sliceOf(const NodeRef& node, Time from, Time to, CallSite site);
// The records of an RDD at the first batch, and no value later: what a state begins with. A restored stream has had its first batch.
SLUICE_EXPORT NodeRef addFirstBatch(StreamCore& stream, const NodeRef& rdd, const NodeFacts& facts);
SLUICE_EXPORT void setCheckpointInterval(const NodeRef& node, Duration interval);
SLUICE_EXPORT StreamRef streamOf(const NodeRef& node);

// ---- Outputs ----
SLUICE_EXPORT void addPrint(const NodeRef& lines, std::uint32_t limit, CallSite site);
// A directory for each batch.
SLUICE_EXPORT void addFileOutput(const NodeRef& node, const FileOutput& output, CallSite site);
// Batches one after the other in few files of one directory.
SLUICE_EXPORT void addRollingOutput(const NodeRef& lines, std::string_view directory, const RollingPolicy& policy, CallSite site);
SLUICE_EXPORT void addForEach(const NodeRef& node, DriverFunctionRef f, CallSite site);
SLUICE_EXPORT void addEffects(const NodeRef& node, CallSite site);

// ---- The stream itself ----
enum class StreamState : std::uint8_t { kInitialized, kActive, kStopped };
SLUICE_EXPORT StreamRef newStream(ContextRef context, Duration interval, CallSite site, bool ownsContext);
SLUICE_EXPORT ContextRef contextOf(StreamCore& stream);
SLUICE_EXPORT Duration intervalOf(StreamCore& stream);
SLUICE_EXPORT void setCheckpointDirectory(StreamCore& stream, std::string_view directory);
SLUICE_EXPORT void setRemember(StreamCore& stream, Duration duration);
SLUICE_EXPORT void start(StreamCore& stream, CallSite site);
// The one that is started in this process; null: none.
SLUICE_EXPORT StreamRef activeStream();
// Sets the directory, or refuses another one than that which is set: Error(kInvalidArgument).
SLUICE_EXPORT void useCheckpoint(StreamCore& stream, std::string_view directory, const char* method);
SLUICE_EXPORT bool stopsContextByDefault(StreamCore& stream);
SLUICE_EXPORT void addListener(StreamCore& stream, StreamingListener& listener);
SLUICE_EXPORT void removeListener(StreamCore& stream, StreamingListener& listener);
// False: the time is up. Throws what ended the stream, or a batch's error.
SLUICE_EXPORT bool await(StreamCore& stream, const Duration* atMost);
SLUICE_EXPORT void stop(StreamCore& stream, bool stopContext, bool gracefully);
SLUICE_EXPORT StreamState stateOf(StreamCore& stream);
// The StreamingContext ends: what runs is stopped at once, the graph let go, and the context stopped if it is the stream's own.
SLUICE_EXPORT void finish(StreamCore& stream, bool failed) noexcept;

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
