// A plan as the master holds it: cut into stages, with what can be known of its tasks without asking each one.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/plan_view.h"

namespace sluice::master {

// A membership and its placement, with the places of common partition counts worked out. Executors are given by their index in the
// application. Never changes once made.
class Placement {
 public:
  Placement(proto::Epoch epoch, std::vector<std::uint32_t> members) : epoch_(std::move(epoch)), members_(std::move(members)) {}
  const proto::Epoch& epoch() const { return epoch_; }
  std::uint64_t number() const { return epoch_.epoch(); }
  const std::vector<std::uint32_t>& members() const { return members_; }
  std::uint32_t slots() const;
  // Where each of n partitions runs: by partition, and the other way round, by member.
  struct Places {
    std::shared_ptr<const std::vector<std::uint32_t>> at;
    std::vector<std::vector<std::uint32_t>> of;  // partitions of each member, rising
  };
  const Places& places(std::uint32_t partitions);

 private:
  proto::Epoch epoch_;
  std::vector<std::uint32_t> members_;  // parallel to epoch.members
  absl::flat_hash_map<std::uint32_t, std::unique_ptr<Places>> places_;
};

// A source, or what else has a number of partitions that is known only at run time, as seen from a stage: its value at (time of the stage) - back, or at `back` itself.
struct Reach {
  std::uint32_t node = 0;
  std::int64_t back = 0;
  bool absolute = false;
  friend auto operator<=>(const Reach&, const Reach&) = default;
};

struct StageShape {
  bool aligned = true;   // partition p reads partition p of everything: no union, no coalesce on the way
  bool repeats = false;  // its pipeline comes to a node on two ways, or to one partition from several of its own
  bool oneReader = true; // of an exchange: a single stage reads it, so its reducers may move freely
  bool broadcast = false; // its exchange goes to every executor
  std::vector<std::uint32_t> below;  // stages that it needs, itself included
  bool state = false;    // makes the next version of a state
  bool wishes = false;   // some of its inputs have places where they would rather be read
};

struct Template {
  Template(std::shared_ptr<const proto::Plan> plan, std::shared_ptr<const proto::Captures> captures);

  std::uint64_t hash() const { return plan->template_hash(); }

  std::shared_ptr<const proto::Plan> plan;
  PlanView view;
  std::shared_ptr<const proto::Captures> captures;  // the newest
  std::vector<StageShape> shapes;                   // by stage
  std::vector<Reach> reach;
  // No stage depends on anything but the number of the job: what tasks read is the same each time, but for the time itself.
  bool timeless = true;
  bool copies = false;  // executors that have no part in it keep copies
  std::vector<std::unique_ptr<TaskReads>> timelessReads;  // of partition 0, by stage
  std::vector<std::uint32_t> timelessTasks;               // by stage, for these default partitions
  std::uint32_t timelessPartitions = 0;

  // What each executor was sent last, by its index: nothing is sent twice in one session.
  struct Sent {
    bool plan = false;
    std::uint64_t captures = 0, epoch = 0;
  };
  std::vector<Sent> sent;
  std::uint64_t usedBy = 0;  // counts uses of the application's templates: those used long ago are forgotten

 private:
  void shapeStage(const Stage& stage);
  void walk(std::uint32_t node, StageShape& shape, std::vector<bool>& seen);
  void findReach();
};

}  // namespace sluice::master
