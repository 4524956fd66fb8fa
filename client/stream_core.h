// What a StreamingContext and its DStreams share: the outputs, the state, and what the driver does for each batch.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/context_core.h"
#include "client/driver.h"
#include "client/listener_bus.h"
#include "client/plan_node.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Defined on one thread; start, stop and await on any.
class SLUICE_INTERNAL StreamCore {
 public:
  StreamCore(ContextRef context, Duration interval, CallSite site, bool ownsContext);
  ~StreamCore();

  // Error(kIllegalState) once the stream was started or stopped.
  void checkDefinable(const char* what, CallSite site) const;
  NodeRef newSource(PlanNode::Kind kind, const NodeFacts& facts);
  void addOutput(OutputRequest output, DriverFunctionRef function);

  void start(CallSite site);
  // Not owned; may be called in any state, but a stopped stream tells nothing more.
  void addListener(StreamingListener& listener);
  void removeListener(StreamingListener& listener);
  bool await(const Duration* atMost);
  void stop(bool stopContext, bool gracefully);
  StreamState state() const { return state_; }

  ContextCore& context() { return *context_; }
  Duration interval() const { return interval_; }
  std::uint32_t id() const { return id_; }
  void setCheckpointDirectory(std::string directory);
  const std::string& checkpointDirectory() const { return checkpointDirectory_; }
  void setRemember(Duration duration);
  // Its StreamingContext ends: stops, lets go of the graph (whose nodes hold this object), stops a context of its own.
  void finish(bool failed) noexcept;

  // Called with each batch that is done, in order, on the link's thread. Set before start.
  void onBatchDone(std::function<void(const proto::BatchDone&)> listener) { listener_ = std::move(listener); }
  // What the node is at this batch; made when the batch was planned. Null: not known any more.
  NodeRef plannedFor(const PlanNode& node, std::int64_t whenMs);
  struct Known {
    std::int64_t zeroMs = 0;    // 0: not started
    std::int64_t newestMs = 0;  // the last batch that is decided, as far as the driver has heard
    std::int64_t rememberMs = 0;
  };
  Known known() const { return {zeroMs_, newestMs_, remember_.milliseconds()}; }
  void heardOf(std::int64_t whenMs);
  // The context's active stream; null: none.
  static StreamRef activeOf(ContextCore* context);
  static StreamRef active();  // of any context

  std::atomic<std::uint32_t> references{0};

 private:
  friend class StreamFollower;
  struct OutputFunction {
    DriverFunctionRef function;  // null: no function of the driver
    NodeRef node;
  };

  void validate() const;
  void visit(const std::function<void(const PlanNode&)>& see) const;
  PlanRequest request(std::int64_t whenMs);
  NodeRef makeFor(const PlanNode& node, std::int64_t whenMs);
  BuiltPlan planFor(std::int64_t whenMs);
  LocalProperties::Ref propertiesOf(std::int64_t whenMs, std::uint32_t output) const;
  void runOutput(std::int64_t whenMs, std::uint32_t output);
  void release();

  ContextRef context_;
  const Duration interval_;
  const CallSite site_;
  const bool ownsContext_;
  std::uint32_t id_ = 0;
  std::string checkpointDirectory_;
  Duration remember_;
  std::atomic<StreamState> state_{StreamState::kInitialized};
  std::atomic<std::int64_t> zeroMs_{0}, newestMs_{0};
  CallSite startedAt_;  // guarded by ContextCore::activeMutex()
  ListenerBus bus_;
  LocalProperties::Ref properties_;  // of the thread that started it; constant from then on
  std::vector<OutputRequest> outputs_;
  std::vector<OutputFunction> functions_;
  std::function<void(const proto::BatchDone&)> listener_;
  std::shared_ptr<StreamEnd> follower_;

  std::mutex mutex_;
  // Guarded by mutex_: what per-batch nodes were made to, for the batches whose functions may still ask.
  std::map<std::int64_t, std::map<std::uint32_t, NodeRef>> planned_;
};

SLUICE_INTERNAL void onBatchDone(StreamCore& stream, std::function<void(const proto::BatchDone&)> listener);
// A source of this kind, for what the public face has no method for.
SLUICE_INTERNAL NodeRef addSource(StreamCore& stream, std::shared_ptr<const SourceSpec> spec, const NodeFacts& facts);
// A node that stands for `of` as of a batch.
NodeRef aliasOf(const NodeRef& of, PlanNode::Symbol symbol, std::int64_t asOfMs);
// What a kPerBatch node was made to at this batch.
NodeRef plannedFor(const PlanNode& node, std::int64_t whenMs);

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
