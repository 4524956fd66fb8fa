// What the typed face says to libsluice: nodes of the lineage graph, outputs, jobs. All of it erased; the types end in the headers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/dependency.h"
#include "sluice/detail/placer.h"
#include "sluice/detail/ref.h"
#include "sluice/error.h"
#include "sluice/shipped.h"
#include "sluice/receiver_base.h"
#include "sluice/storage_level.h"
#include "sluice/time.h"
#include "sluice/type_desc.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

class PlanNode;     // a vertex of the lineage graph
class ContextCore;  // what a Context and its RDDs share
class StreamCore;   // what a StreamingContext and its DStreams share
using NodeRef = Ref<PlanNode>;
using ContextRef = Ref<ContextCore>;
using StreamRef = Ref<StreamCore>;
SLUICE_EXPORT void retain(PlanNode*) noexcept;
SLUICE_EXPORT void release(PlanNode*) noexcept;
SLUICE_EXPORT void retain(ContextCore*) noexcept;
SLUICE_EXPORT void release(ContextCore*) noexcept;
SLUICE_EXPORT void retain(StreamCore*) noexcept;
SLUICE_EXPORT void release(StreamCore*) noexcept;

// How a node takes what its input made.
enum class Exchange : std::uint8_t {
  kNone,    // partition p reads partition p
  kHash,    // by key; becomes kNone where the input already lies that way
  kDirect,  // the record is std::pair<std::uint32_t partition, T>
  kGather,  // everything to one partition
  kBroadcast,  // everything to every partition
};

struct NodeInput {
  NodeRef node;                   // null: the node itself, at an earlier time
  Exchange exchange = Exchange::kNone;
  const TypeDesc* read = nullptr; // rows of an exchange or of a kept value are decoded as this; null: as the input's own type
  Duration firstShift = {};       // reads the values at t - firstShift - i * shiftStep, 0 <= i < shifts
  std::uint32_t shifts = 0;
  Duration shiftStep = {};
  bool ofState = false;           // the entries of a stateful node's state, not its records
  NodeRef placer = {};            // kHash: names the reducers in place of the hash (see placerFor)
};

// What is known of how a node's records lie.
enum class Layout : std::uint8_t {
  kUnknown,
  kSame,   // as its (first) input's: keys and partitions did not change
  kByKey,  // by the key: in `partitions` partitions (0: the default number), by `placer` or the hash
};

struct NodeFacts {
  const char* name;      // the method
  CallSite site;
  const TypeDesc* type;  // of its records
  std::uint32_t partitions = 0;
  PlacerRef placer{};
  Layout layout = Layout::kUnknown;
  bool stream = false;      // made by a method of DStream: refused once the stream has started
  bool state = false;       // reads itself at t - slide; kept and checkpointed
  bool oneValueWhenEmpty = false;
  bool byPlace = false;          // what becomes of a record depends on which ones lie before it in the partition (samples)
  bool equalPartitions = false;  // the inputs must have the same number of partitions: checked here where they are known, else by the tasks
  Duration slide{};         // zero: the inputs'
  std::uint64_t call = 0;   // tells the nodes of one call of a method from others
};

SLUICE_EXPORT std::uint64_t newCall();
SLUICE_EXPORT NodeRef addStep(const NodeRef& input, const OpRef& op, const NodeFacts& facts);
SLUICE_EXPORT NodeRef addPull(std::initializer_list<NodeInput> inputs, const OpRef& op, const NodeFacts& facts);
// Partitions of all inputs one after the other. Error(kInvalidArgument): none, other contexts, other slides.
SLUICE_EXPORT NodeRef addUnion(const NodeRef* inputs, std::size_t count, const NodeFacts& facts);
SLUICE_EXPORT NodeRef addCoalesce(const NodeRef& input, const NodeFacts& facts);
// Partition p reads partition p / m of the left and p % m of the right input, which has m.
SLUICE_EXPORT NodeRef addCartesian(const NodeRef& left, const NodeRef& right, const OpRef& op, const NodeFacts& facts);
// These partitions of the input, in this order.
SLUICE_EXPORT NodeRef addPick(const NodeRef& input, const std::uint32_t* partitions, std::size_t count, const NodeFacts& facts);
// A leaf of a batch job: encoded rows, one string of rows for each partition.
struct StaticPart {
  Buffer rows;
  std::uint64_t records = 0;
};
SLUICE_EXPORT NodeRef addRows(ContextCore& context, StaticPart* parts, std::size_t count, const NodeFacts& facts);
SLUICE_EXPORT NodeRef addRange(ContextCore& context, std::int64_t from, std::int64_t to, std::int64_t step, std::size_t parts, const NodeFacts& facts);

// How a shuffle over these inputs lays its records: as named, else as the input with most partitions that already lies by key, else by the
// hash over the default number (0).
SLUICE_EXPORT Placement shufflePlacement(std::initializer_list<NodeRef> inputs, int named, const PlacerRef& placer, const char* method);
// Whether it lies by ranges of the key.
SLUICE_EXPORT bool liesByRange(const NodeRef& node);
// Where a key (an owned one, and its hash) lies in a node that lies by key.
SLUICE_EXPORT std::uint32_t partitionOfKey(const NodeRef& node, const void* key, std::uint64_t hash);
// Whether the node lies that way: then it needs no exchange.
SLUICE_EXPORT bool liesByKey(const NodeRef& node, const Placement& placement);
// The edge's placer for records of `input`, whose keys are views or owned; null by hash.
SLUICE_EXPORT NodeRef placerFor(const NodeRef& input, const PlacerRef& placer, bool views, CallSite site);
// How the node lies by key: false if it does not.
SLUICE_EXPORT bool layoutOf(const NodeRef& node, Placement& placement);
// Partitions of a node of a batch job. Those of a batch's RDD are asked of the master, without computing anything.
SLUICE_EXPORT std::uint32_t partitionsOf(const NodeRef& node);
SLUICE_EXPORT ContextRef contextOf(const NodeRef& node);
// Whether the node is (or hangs on) a stream's, planned before any data is there: nothing can be asked of it.
SLUICE_EXPORT bool isSymbolic(const NodeRef& node);
SLUICE_EXPORT std::uint32_t defaultParallelism(ContextCore& context);

SLUICE_EXPORT void keep(const NodeRef& node, StorageLevel level, bool stream);
SLUICE_EXPORT void unpersist(const NodeRef& node);
SLUICE_EXPORT StorageLevel storageLevel(const NodeRef& node);
SLUICE_EXPORT void setUid(const NodeRef& node, std::string_view uid);
SLUICE_EXPORT void setName(const NodeRef& node, std::string_view name);
SLUICE_EXPORT std::string nameOf(const NodeRef& node);
SLUICE_EXPORT std::uint32_t idOf(const NodeRef& node);
// Of the method that made the node, as it was called: the nodes between, which are its own, are passed over.
SLUICE_EXPORT std::vector<Dependency> dependenciesOf(const NodeRef& node);
// The node and its ancestors, one a line, as Spark's toDebugString draws them.
SLUICE_EXPORT std::string describe(const NodeRef& node);

// The rows an action gave, by partition.
class SLUICE_EXPORT JobRows {
 public:
  struct Part {
    std::uint32_t partition;
    std::uint64_t records;
    std::string_view rows;
  };
  JobRows() = default;
  JobRows(JobRows&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  JobRows& operator=(JobRows&& other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~JobRows();
  std::size_t size() const;          // parts, in order of partition
  Part part(std::size_t i) const;
  std::uint64_t records() const;
  std::uint32_t partitions() const;  // how many the node has

  struct Body;
  explicit JobRows(Body* body) : body_(body) {}

 private:
  Body* body_ = nullptr;
};

// Runs a job for the rows of the node, of all partitions or of these. Blocks; throws what the job failed of.
SLUICE_EXPORT JobRows runJob(const NodeRef& node, const char* action, CallSite site);
SLUICE_EXPORT JobRows runJobOn(const NodeRef& node, const std::uint32_t* partitions, std::size_t count, const char* action, CallSite site);
// Runs it for its effects alone.
SLUICE_EXPORT void runForEffects(const NodeRef& node, const char* action, CallSite site);
// How many exchanges lie between the node and its sources.
SLUICE_EXPORT std::size_t exchangesOf(const NodeRef& node);
// Whether a job over the node recomputes an exchange, so that asking for its partitions bit by bit would be dear.
SLUICE_EXPORT bool readsExchange(const NodeRef& node);

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
