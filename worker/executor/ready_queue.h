// Tasks whose inputs are there, and which of them gets the next slot: in the order of their batches and jobs, or fairly between pools.
// Pure.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "sluice/abi.h"
#include "worker/executor/control.h"

namespace sluice::executor {

// FIFO: older batches and jobs first, then stages, then partitions. FAIR (the Launch names a pool): as Spark's fair scheduler does, over
// the slots of this executor. Pools that run fewer tasks than their minimum share come first, those that lack most of it before others;
// else the one with the fewest tasks for its weight; ties by name. A pool's minimum share is of all slots of the application: here it is
// the part of it that this executor's slots are of those. Within a pool it is again one or the other, between stages.
class SLUICE_INTERNAL ReadyQueue {
 public:
  explicit ReadyQueue(std::uint32_t slots) : slots_(slots) {}

  void add(TaskPtr task);
  // The next to start, of those that are still wanted; null: there is none. It counts as running until ended().
  TaskPtr take();
  // A task of this stage that was taken has ended, or could not begin.
  void ended(const proto::Launch& launch, std::uint32_t stage);

 private:
  struct Order {
    std::uint64_t order;
    std::int64_t batch;
    std::uint32_t stage;
    std::int64_t whenMs;
    std::uint32_t partition;
    std::uint64_t plan;
    friend constexpr auto operator<=>(Order, Order) = default;
  };
  using StageKey = std::pair<std::uint64_t, std::uint32_t>;  // order, stage
  struct StageTasks {
    std::map<Order, TaskPtr> ready;
    std::uint32_t running = 0;
  };
  struct Pool {
    bool fair = false;
    std::uint64_t weight = 1;
    std::uint64_t minShare = 0, ofSlots = 1;  // this executor's: slots * minShare / ofSlots
    std::uint32_t running = 0;
    std::size_t ready = 0;
    std::map<StageKey, StageTasks> stages;
  };

  static bool wanted(const TaskPtr& task) { return task->instance && task->status == Task::Status::kReady; }
  void readShares(Pool& pool, const proto::Launch& launch, const proto::Epoch& epoch) const;
  bool before(const Pool& a, const Pool& b) const;
  TaskPtr takeFrom(Pool& pool);
  void forget(const std::string& name, const StageKey& stage);

  const std::uint32_t slots_;
  std::map<Order, TaskPtr> fifo_;
  std::map<std::string, Pool> pools_;  // that have tasks
};

}  // namespace sluice::executor
