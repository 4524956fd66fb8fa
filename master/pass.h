// One look over an instance: from what is wanted back to what is present, then places and Launches for what is missing between.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "master/scheduler.h"

namespace sluice::master {

class Pass {
 public:
  Pass(State& s, App& app, Instance& instance);
  void run();

 private:
  struct Outgoing {
    std::shared_ptr<Envelope> envelope;
    proto::Launch* launch = nullptr;
  };
  // Launches differ by template (older batches of a driver-planned stream have plans of their own) and by caution.
  struct Group {
    std::shared_ptr<Template> plan;
    std::shared_ptr<const proto::Captures> captures;
    bool cautious = false;
    std::vector<Outgoing> byExecutor;
    std::vector<std::uint32_t> executors;  // that have one
    std::vector<std::int64_t> whens;
  };
  // What tasks of a stage read, with the runs behind it. Task p of an aligned stage reads partition (what stands here) + p.
  struct Reads {
    const TaskReads* reads = nullptr;
    std::vector<Run*> shuffles, kept;  // parallel
  };

  // Finding what is missing.
  Run* runOf(const std::shared_ptr<Template>& plan, const Stage& stage, std::int64_t whenMs);
  RunPtr makeRun(const std::shared_ptr<Template>& plan, const Stage& stage, std::int64_t whenMs);
  const BatchRecord* plannedAt(std::int64_t whenMs) const;
  const TaskReads& alignedReads(Run& run);
  const Reads& resolve(const Run& run, const TaskReads& reads);
  void begin(Run& run);
  std::uint32_t foundAt(const Run& run, std::uint32_t partition) const;
  void want(Run& run, std::uint32_t partition);
  void wantWhole(Run& run);
  void wantPanes();
  void wantTogether(Run& run);
  void expand(Run& run);
  void wantKept(const Reads& reads, std::uint32_t shift);
  void recheck(Run& run, std::uint32_t partition, const Reads& reads, std::uint32_t shift);
  bool restore(Run& run, std::uint32_t partition);
  bool restorable(const Run& run) const;

  // Placing and sending.
  void place(Run& run);
  bool placeAll(Run& run);
  void placeGang(Run& run);
  bool mayBeginGang(Run& run);
  bool hasSlots(const Run& run);
  void refuseGang(const Run& run, std::uint32_t slots);
  void holdBack(Run& run);
  std::uint32_t roomFor(std::uint32_t wanted, std::uint32_t avoid, std::vector<std::uint32_t>& room) const;
  std::shared_ptr<const std::vector<std::uint32_t>> wishedPlaces(Run& run, std::shared_ptr<const std::vector<std::uint32_t>> standard);
  // `room`: slots that are left of each executor, for tasks that must all run at the same time.
  void placeTask(Run& run, std::uint32_t partition, const Reads& reads, std::uint32_t shift, std::uint32_t standard,
                 std::vector<std::uint32_t>* room = nullptr);
  std::uint32_t choose(const Reads& reads, std::uint32_t shift, std::uint32_t standard, std::uint32_t avoid);
  std::uint32_t chooseHolder(const proto::InputList& inputs, std::uint32_t avoid);
  void readAt(Run& exchange, std::uint32_t reducer, std::uint32_t place);
  bool ready(const Reads& reads, std::uint32_t shift, std::uint32_t place) const;
  void launch(Run& run, std::uint32_t partition, const Reads& reads, std::uint32_t shift);
  void launchFound(Run& run, std::uint32_t partition);
  void addTask(Run& run, std::uint32_t partition, Group& group, proto::Tasks& tasks);
  void wantBlocked();
  void launchBlocked();
  void addInputs(proto::Launch& launch, const ValueId& source);
  const proto::InputList* inputsOf(const ValueId& source) const;
  Group& group(const Run& run, bool cautious);
  proto::Launch& launchTo(Group& group, std::uint32_t executor);
  void tellMoved();
  void tellLaunches(const Group& group);
  void tellLost();
  void send();
  void fill(proto::Launch& launch, const Group& group, const proto::Launch& common, std::uint32_t k) const;
  bool usable(std::uint32_t executor, std::uint32_t avoid) const {
    return executor != avoid && executor < member_.size() && member_[executor];
  }
  std::uint32_t another(std::uint32_t standard, std::uint32_t avoid) const;

  State& s_;
  App& app_;
  Instance& in_;
  Stream* stream_ = nullptr;  // that the instance belongs to or reads
  const std::uint64_t pass_;
  std::vector<Run*> open_, looked_;
  std::vector<Group> groups_;
  std::vector<std::uint8_t> member_;  // by executor: up and of the placement
  bool allUsable_ = true;             // every member is up
  std::vector<std::uint32_t> load_;   // source tasks given in this pass
  std::vector<proto::Route> moved_;
  std::vector<std::pair<std::uint32_t, std::shared_ptr<Envelope>>> restores_;
  // By (batch, source): blocks that nobody holds, by (incarnation, sequence), with their records.
  std::map<std::pair<std::int64_t, std::uint32_t>, std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t>> lost_;
  Reads resolved_;
  std::map<std::int64_t, std::shared_ptr<const proto::Captures>> captures_;  // of older batches
};

}  // namespace sluice::master
