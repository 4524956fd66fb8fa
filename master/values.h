// Where things lie: kept values, map outputs and outputs, as far as the master knows. One Run is what one stage makes at one time.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/map_output_id.h"
#include "common/plan_view.h"
#include "master/template.h"

namespace sluice::master {

inline constexpr std::uint32_t kNowhere = ~0u;

enum class PartState : std::uint8_t {
  kAbsent,
  kPlaced,    // its task has a place, and waits there for a kept value that is still being made elsewhere (or is being restored)
  kLaunched,  // its task was sent; a map task stays so until its instance is over (nobody tells of it)
  kDone,      // present
};

struct Part {
  std::uint32_t at = kNowhere;  // executor, by index
  std::uint32_t owner = 0;      // the instance whose task makes it, by serial
  std::uint16_t attempt = 0;    // of the newest task
  std::uint8_t failures = 0, lost = 0;  // of its tasks: by themselves, and for what they should read
  PartState state = PartState::kAbsent;
  bool counted = false;  // its accumulators were
  bool found = false;    // kPlaced and on: what it makes was left by an earlier job, and is only pushed
};

// The tasks of a barrier stage as they meet.
struct Gang {
  struct One {
    bool here = false, left = false;
    std::string call, text;
  };
  proto::InstanceId instance;
  std::uint32_t round = 0;  // that they come to; 0: each has its slot
  std::vector<One> tasks;   // by partition
  std::uint32_t here = 0, left = 0;
  std::vector<std::string> texts;  // of the round before
  std::string error;               // of this round: nobody passes it any more
};

struct Run {
  std::shared_ptr<Template> plan;
  std::shared_ptr<const proto::Captures> captures;  // of its batch, in a stream that the driver plans; else null: those of who makes it
  std::uint32_t stage = 0;
  std::int64_t whenMs = 0;  // the time the stage runs at
  std::vector<Part> parts;
  std::uint32_t absent = 0;      // how many parts are
  std::uint32_t unfinished = 0;  // placed or launched
  // Exchanges: where each reducer reads. `also`: a second reader elsewhere.
  std::shared_ptr<const std::vector<std::uint32_t>> reducers;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> also;
  std::vector<std::int64_t> users;  // exchanges at time 0: the instances that used it
  MapOutputId lasting;  // by which name later jobs find what it makes; without a node: they do not
  // Of partition 0, if the stage is aligned: the template's if it is timeless (its times are then those of this run), else its own.
  const TaskReads* reads = nullptr;
  std::unique_ptr<TaskReads> ownReads;

  std::unique_ptr<Gang> gang;  // while it is the barrier stage that runs

  bool begun = false;  // an earlier pass has sent tasks of it: senders may know places of reducers that are not true any more

  // Of the pass that runs now.
  std::uint64_t pass = 0;
  bool queued = false, wholeAsked = false, inputsAsked = false, hadParts = false;
  bool unblocked = false;  // tasks that had to wait are sent
  bool wantsAll = false;  // nothing was there: `wanted` stands for all parts, whose states are still to be set
  std::uint32_t expanded = 0;          // of `wanted`
  std::vector<std::uint32_t> wanted;  // parts whose tasks this pass has to place
  std::vector<std::uint32_t> found;   // parts that it found where an earlier job left them
  std::vector<std::uint32_t> reread;  // exchanges: reducers whose readers start over: senders push them again

  const Stage& shape() const { return plan->view.stages()[stage]; }
  const StageShape& traits() const { return plan->shapes[stage]; }
  void reset(std::uint32_t count) {
    parts.assign(count, {});
    absent = count, unfinished = 0;
  }
  // None of its parts is to be made now; how often they were tried is known further on.
  void resetPlaces() {
    for (Part& part : parts) part.state = PartState::kAbsent, part.at = kNowhere, part.owner = 0;
    absent = std::uint32_t(parts.size()), unfinished = 0;
  }
  void move(Part& part, PartState to) {
    absent -= part.state == PartState::kAbsent, unfinished -= isUnfinished(part.state);
    part.state = to;
    absent += to == PartState::kAbsent, unfinished += isUnfinished(to);
  }
  static bool isUnfinished(PartState s) { return s == PartState::kPlaced || s == PartState::kLaunched; }
};
using RunPtr = std::shared_ptr<Run>;

// Runs that outlive the job or batch that made them, or are shared: those at a time >= 0. In order of time.
class Values {
 public:
  RunPtr keep(std::uint32_t node, std::int64_t whenMs) const { return find(keeps_, {whenMs, node, 0}); }
  RunPtr exchange(ExchangeId id, std::int64_t whenMs) const { return find(exchanges_, {whenMs, id.node, id.edge}); }
  void addKeep(std::uint32_t node, RunPtr run) { keeps_[{run->whenMs, node, 0}] = std::move(run); }
  void addExchange(ExchangeId id, RunPtr run) { exchanges_[{run->whenMs, id.node, id.edge}] = std::move(run); }

  template <class F> void each(F f) {
    for (auto& [key, run] : keeps_) f(*run);
    for (auto& [key, run] : exchanges_) f(*run);
  }
  template <class F> void eachKeep(F f) {
    for (auto& [key, run] : keeps_) f(key.node, *run);
  }
  // What lies below the marks goes: kept values by their node's, segments by that of PlanView::markedNode.
  void release(const absl::flat_hash_map<std::uint32_t, std::int64_t>& marks);
  // Copies of kept values beside the one that a part names, by executor's index.
  void addCopy(ValueId id, std::uint32_t executor);
  // It is not where the part says: moves the part to a copy. False: there is none.
  bool moveToCopy(ValueId id, Part& part);
  void dropCopy(ValueId id, std::uint32_t executor);
  // What lies at the executor goes; parts that a copy stands for move there.
  void moveToCopies(std::uint32_t executor);
  // Unpersisted: with the segments it was made from, but for those at time 0, which no mark lets go: they are returned, and stay until then.
  std::vector<ExchangeId> forget(std::uint32_t node);
  void dropExchange(ExchangeId id) { exchanges_.erase({0, id.node, id.edge}); }
  std::size_t size() const { return keeps_.size() + exchanges_.size(); }

 private:
  struct Key {
    std::int64_t whenMs;
    std::uint32_t node, edge;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  static RunPtr find(const std::map<Key, RunPtr>& runs, Key key) {
    auto it = runs.find(key);
    return it == runs.end() ? nullptr : it->second;
  }
  void dropCopies(std::uint32_t node, std::int64_t whenMs);
  std::map<Key, RunPtr> keeps_, exchanges_;
  std::map<ValueId, std::vector<std::uint32_t>> copies_;
};

}  // namespace sluice::master
