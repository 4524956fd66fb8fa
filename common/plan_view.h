// A plan prepared for questions: its stages, how many partitions a node has at a time, and what a task reads.
// Master and executors ask the same code, so a Launch need not say what both can work out.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "proto/link.pb.h"
#include "proto/plan.pb.h"
#include "sluice/abi.h"

namespace sluice {

// An exchange is named by its reading end.
struct ExchangeId {
  std::uint32_t node = 0, edge = 0;
  friend constexpr auto operator<=>(ExchangeId, ExchangeId) = default;
  template <class H> friend H AbslHashValue(H h, ExchangeId e) { return H::combine(std::move(h), e.node, e.edge); }
};

// Nodes that run without an exchange between them: from the root down to exchanges, kept values and sources.
struct Stage {
  enum class Sink { kExchange, kKeep, kOutput };
  std::uint32_t index = 0;
  std::uint32_t root = 0;  // node
  Sink sink = Sink::kOutput;
  ExchangeId exchange;       // kExchange: who reads it
  std::uint32_t output = 0;  // kOutput: position in Plan.outputs
  std::vector<std::uint32_t> parents;  // stages whose exchanges or kept values it reads at the same time; lower indices
  bool barrier = false;                // its tasks run all at the same time (common/barrier_stages.h)
};

// A node's partition at a time: what is kept, read, placed and lost. when_ms > 0: a batch's time; < 0: minus a job's number; 0: a
// dataset cached by the application, the same in all its jobs.
struct ValueId {
  std::uint32_t node = 0;
  std::int64_t whenMs = 0;
  std::uint32_t partition = 0;
  friend constexpr auto operator<=>(ValueId, ValueId) = default;
  template <class H> friend H AbslHashValue(H h, ValueId v) { return H::combine(std::move(h), v.node, v.whenMs, v.partition); }
};

// What is known only at run time: frozen when a batch is allocated.
struct Facts {
  std::int64_t zeroMs = 0;  // of the stream; values at or before it do not exist
  std::uint32_t defaultPartitions = 1;
  // Partitions of receiver, file and batch sources, by (node, when). Absent: no value at that time. In a stream that the driver plans also of
  // nodes that are `told`, as it follows from the plan of its batch; kNoValue: that gave none.
  static constexpr std::uint32_t kNoValue = ~0u;
  absl::flat_hash_map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> sources;
};

struct TaskReads {
  struct Shuffle {
    ExchangeId exchange;
    std::int64_t whenMs;
    std::uint32_t reducer;
  };
  std::vector<Shuffle> shuffles;
  std::vector<ValueId> kept;
  std::vector<ValueId> sources;
};

class SLUICE_INTERNAL PlanView {
 public:
  explicit PlanView(std::shared_ptr<const proto::Plan> plan);

  const proto::Plan& plan() const { return *plan_; }
  const proto::Node& node(std::uint32_t id) const { return plan_->nodes(position(id)); }
  int position(std::uint32_t id) const;  // in Plan.nodes; -1: not of this plan
  const std::vector<Stage>& stages() const { return stages_; }  // parents first
  const Stage* exchangeStage(ExchangeId id) const;
  // The node whose mark lets segments of the exchange go: whose records they are or, where that is a dataset, the one that reads them. 0: no
  // node's; then it goes when no batch of its time can be made again.
  std::uint32_t markedNode(ExchangeId id) const;
  const Stage* keepStage(std::uint32_t node) const;

  // The time of a node's value in an instance at `whenMs` (cached datasets have no time).
  std::int64_t whenOf(const proto::Node& node, std::int64_t instanceMs) const;
  // Whether the node has a value then: after zero time, on its slide, and its sources gave one. A parent at a time that does not
  // exist is left out of unions and windows.
  bool exists(std::uint32_t node, std::int64_t whenMs, const Facts& facts) const;
  std::uint32_t partitions(std::uint32_t node, std::int64_t whenMs, const Facts& facts) const;
  // Tasks of the stage; for an exchange these are the map partitions.
  std::uint32_t tasks(const Stage& stage, std::int64_t instanceMs, const Facts& facts) const;

  // One narrow input of node's partition: which partition of which parent, when. In the order that cursors are handed to operators:
  // for unions and coalesced nodes one after the other, for pull operators one cursor each.
  struct Input {
    const proto::Edge* edge;
    std::uint32_t edgeIndex;
    bool shuffle;             // read exchange (node, edgeIndex) at `whenMs`, reducer `partition`
    std::uint32_t parent;     // else this node's partition at `whenMs`
    std::int64_t whenMs;
    std::uint32_t partition;
    bool exists;              // false: an empty cursor
  };
  std::vector<Input> inputs(std::uint32_t node, std::int64_t whenMs, std::uint32_t partition, const Facts& facts) const;
  // Everything that a task of this stage reads from outside its pipeline.
  TaskReads reads(const Stage& stage, std::int64_t instanceMs, std::uint32_t partition, const Facts& facts) const;

 private:
  void indexNodes();
  std::uint32_t addStage(std::uint32_t root, Stage::Sink sink, ExchangeId exchange, std::uint32_t output);
  void walk(std::uint32_t node, std::vector<std::uint32_t>& parents);
  void addLastingStages(std::uint32_t node, std::vector<bool>& seen);
  std::int64_t parentTime(const proto::Edge& edge, std::int64_t whenMs, std::uint32_t shift) const;
  std::uint32_t ofParent(const proto::Edge& edge, std::int64_t whenMs, const Facts& facts) const;
  // `always`: also where the node has no value then.
  std::uint32_t count(std::uint32_t node, std::int64_t whenMs, const Facts& facts, bool always) const;
  const std::uint32_t* told(const proto::Node& node, std::int64_t whenMs, const Facts& facts) const;
  void collectReads(std::uint32_t node, std::int64_t whenMs, std::uint32_t partition, const Facts& facts, TaskReads& reads) const;

  std::shared_ptr<const proto::Plan> plan_;
  // Where each node is in the plan: asked a hundred times for each job. Ids of one application lie close together as a rule.
  std::uint32_t firstId_ = 0;
  std::vector<int> near_;                             // by id, from firstId_ on; empty: see positions_
  absl::flat_hash_map<std::uint32_t, int> positions_;
  std::vector<Stage> stages_;
  absl::flat_hash_map<ExchangeId, std::uint32_t> exchangeStages_;
  absl::flat_hash_map<std::uint32_t, std::uint32_t> keepStages_;
};

// How far back the edge reads: 0 if it reads its own time alone.
SLUICE_INTERNAL std::int64_t greatestShift(const proto::Edge& edge);

inline constexpr std::uint32_t kKeyGroups = 1024;

// The partition of a key by its frozen hash. A named count makes each partition one group; a defaulted one is a range of key groups.
inline std::uint32_t partitionOfHash(std::uint64_t hash, std::uint32_t partitions, bool defaulted) {
  if (defaulted) return std::uint32_t((hash >> 54) * partitions / kKeyGroups);
  return std::uint32_t((static_cast<unsigned __int128>(hash) * partitions) >> 64);
}

// Where partition p of n runs in an epoch: a function of (p, n) alone, so that equal counts lie together. Position in Epoch.members.
SLUICE_INTERNAL std::uint32_t placeOf(const proto::Epoch& epoch, std::uint32_t partition, std::uint32_t partitions);

}  // namespace sluice
