#include "worker/executor/ready_queue.h"

#include <utility>

#include "worker/executor/instances.h"

namespace sluice::executor {

void ReadyQueue::readShares(Pool& pool, const proto::Launch& launch, const proto::Epoch& epoch) const {
  pool.fair = launch.pool().fair();
  pool.weight = std::max<std::uint64_t>(launch.pool().weight(), 1);
  pool.minShare = launch.pool().min_share();
  pool.ofSlots = 0;
  for (const auto& member : epoch.members()) pool.ofSlots += member.slots();
  pool.ofSlots = std::max<std::uint64_t>(pool.ofSlots, slots_);
}

void ReadyQueue::add(TaskPtr task) {
  const proto::Launch& launch = *task->launch;
  std::int64_t batch = task->scope > 0 ? task->scope * 2 : -task->scope * 2 + 1;
  Order order{launch.order(), batch, task->stage, task->whenMs, task->partition, task->view().plan().template_hash()};
  if (!launch.has_pool()) {
    fifo_[order] = std::move(task);
    return;
  }
  Pool& pool = pools_[launch.pool().name()];
  readShares(pool, launch, *task->installed->epoch);
  TaskPtr& place = pool.stages[{launch.order(), task->stage}].ready[order];
  if (!place) ++pool.ready;
  place = std::move(task);
}

// Whether a gets the next slot rather than b; both have names in this order.
bool ReadyQueue::before(const Pool& a, const Pool& b) const {
  auto needy = [&](const Pool& p) { return p.running * p.ofSlots < p.minShare * slots_; };
  bool aNeedy = needy(a), bNeedy = needy(b);
  if (aNeedy != bNeedy) return aNeedy;
  // Fractions are compared by multiplying them out.
  if (aNeedy) return a.running * a.ofSlots * b.minShare <= b.running * b.ofSlots * a.minShare;
  return a.running * b.weight <= b.running * a.weight;
}

TaskPtr ReadyQueue::takeFrom(Pool& pool) {
  StageTasks* best = nullptr;
  for (auto& [key, stage] : pool.stages) {  // in the order of jobs and stages
    if (stage.ready.empty()) continue;
    if (!best || (pool.fair && stage.running < best->running)) best = &stage;
    if (!pool.fair) break;
  }
  TaskPtr task = std::move(best->ready.begin()->second);
  best->ready.erase(best->ready.begin());
  --pool.ready;
  ++pool.running, ++best->running;
  return task;
}

TaskPtr ReadyQueue::take() {
  while (!fifo_.empty()) {
    TaskPtr task = std::move(fifo_.begin()->second);
    fifo_.erase(fifo_.begin());
    if (wanted(task)) return task;
  }
  for (;;) {
    auto best = pools_.end();
    for (auto it = pools_.begin(); it != pools_.end(); ++it) {
      if (it->second.ready != 0 && (best == pools_.end() || !before(best->second, it->second))) best = it;
    }
    if (best == pools_.end()) return nullptr;
    TaskPtr task = takeFrom(best->second);
    if (wanted(task)) return task;
    ended(*task->launch, task->stage);
  }
}

void ReadyQueue::ended(const proto::Launch& launch, std::uint32_t stage) {
  if (!launch.has_pool()) return;
  StageKey key{launch.order(), stage};
  Pool& pool = pools_[launch.pool().name()];
  --pool.running, --pool.stages[key].running;
  forget(launch.pool().name(), key);
}

void ReadyQueue::forget(const std::string& name, const StageKey& key) {
  Pool& pool = pools_[name];
  auto stage = pool.stages.find(key);
  if (stage != pool.stages.end() && stage->second.ready.empty() && stage->second.running == 0) pool.stages.erase(stage);
  if (pool.stages.empty()) pools_.erase(name);
}

}  // namespace sluice::executor
