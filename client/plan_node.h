// A vertex of the lineage graph as the driver holds it. Handles (RDD, DStream) point to it.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/source_spec.h"
#include "proto/plan.pb.h"
#include "sluice/detail/graph.h"
#include "sluice/detail/stream_graph.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Of a node that stands for a checkpointed one, or reads a checkpoint's files.
struct Checkpointed {
  std::uint32_t id = 0;    // of the dataset that the checkpoint is, as Spark shows it; 0: it is the node itself
  std::string directory;   // "": local
  std::string kind, made;  // what it stands for, by Spark's name; "count at wordcount.cc:12"
};

// Constant once made, but for keep, uid and name, which the user may still set until the node is first planned. Not synchronised: an
// application defines its graph on one thread at a time.
class SLUICE_INTERNAL PlanNode {
 public:
  enum class Kind : std::uint8_t {
    kSource,
    kStep,
    kPull,
    kUnion,
    kCoalesce,
    kAlias,     // stands for its input: as of a batch (asOfMs), or as a symbol inside transform, which is in no plan
    kPerBatch,  // made anew for each batch by a function of the driver
    kConcat,    // a union of inputs that lie the same way by key: partition by partition
    kPlacer,    // a partitioner, of the inputs that name it
    kCartesian,  // every partition of its first input with every one of its second
    kPick,       // some partitions of its input
  };
  enum class Symbol : std::uint8_t {
    kNone,
    kPlannedOnce,  // inside transform(f(RDD)): no data exists
    kOfItsBatch,   // inside transform(f(RDD, Time)): its data waits for this very plan
  };

  std::atomic<std::uint32_t> references{0};
  ContextRef context;
  StreamRef stream;  // of a DStream's node
  std::uint32_t id = 0;
  Kind kind = Kind::kSource;
  OpRef op{};
  const TypeDesc* type = nullptr;
  std::vector<NodeInput> inputs;
  std::uint32_t partitions = 0;
  bool byKey = false;  // laid out by key, as `key` says
  Placement key;
  std::vector<std::uint32_t> picked;  // kPick
  bool equalPartitions = false;       // its inputs must have the same number of them
  bool barrier = false;               // the tasks of its stage run all at the same time
  bool perKey = false;                // what it makes of a key's records depends on these alone, and has that key
  StorageLevel level;
  bool keptForShifts = false;  // because a window reads it at earlier times: the user may still say how
  bool state = false;
  bool oneValueWhenEmpty = false;
  bool firstBatchOnly = false;
  std::shared_ptr<const SourceSpec> source;
  std::string receiverCaptures;
  std::string name, uid;
  std::string windowUid;  // of what a window with a uid reads, unless it has one of its own
  std::uint64_t call = 0;  // of the method that made it and others; 0: it alone
  CallSite site;
  std::int64_t slideMs = 0;
  std::int64_t asOfMs = 0;        // kAlias
  Symbol symbol = Symbol::kNone;  // kAlias
  bool onSymbol = false;          // hangs on a symbol
  bool onPerBatch = false;        // is a kPerBatch node, or hangs on one
  DriverFunctionRef perBatch;     // kPerBatch
  std::int64_t checkpointMs = 0;  // DStream::checkpoint(interval)
  std::atomic<bool> marked{false};  // RDD::checkpoint
  // Stands for it since it was checkpointed: with its id, its records and its storage level, but without its lineage. Set once, under the
  // context's lock, and kept until this node goes; all that is made or planned from then on reads it.
  std::atomic<PlanNode*> standIn{nullptr};
  std::shared_ptr<const Checkpointed> checkpointed;

  bool lies(const Placement& placement) const { return byKey && key.partitions == placement.partitions && samePlacer(key.placer, placement.placer); }
  bool isKept() const { return level.isKept() || state; }
  // "map at wordcount.cc:12"
  std::string place() const;
};

// Takes a reference unless the last one is gone already: for whoever knows the object by a plain pointer under a lock that its
// destructor takes as well.
bool tryRetain(std::atomic<std::uint32_t>& references) noexcept;

// "wordcount.cc:12"
SLUICE_INTERNAL std::string siteText(CallSite site);

// Refuses captures that point into the driver's memory.
void setOperator(const NodeRef& node, const OpRef& op);
SLUICE_INTERNAL NodeRef newNode(ContextRef context, PlanNode::Kind kind, const NodeFacts& facts);
// A job that asks for it computes nothing.
inline constexpr std::uint32_t kNoPartition = ~0u;
// How many partitions a batch's node has, by the master's word.
std::uint32_t askPartitions(const NodeRef& node);
inline bool readsExchange(const PlanNode& node) {
  for (const NodeInput& input : node.inputs) {
    if (input.exchange != Exchange::kNone) return true;
  }
  return false;
}
// What the node is read from by now: itself, or its stand-in.
PlanNode* current(PlanNode* node);
const PlanNode* current(const PlanNode* node);
// Likewise; of an alias, what it stands for.
const PlanNode* behind(const PlanNode* node);
// "MapPartitionsRDD": Spark's name of what such a node is.
const char* kindOf(const PlanNode& node);

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
