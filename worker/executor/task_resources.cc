#include "worker/executor/task_resources.h"

namespace sluice::executor {

TaskResources::TaskResources(const ResourceMap& here, const ResourceAmounts& perTask) {
  for (const auto& [name, amount] : perTask) {
    auto has = here.find(name);
    if (has == here.end()) continue;
    Pool pool{name, shareOf(amount), has->second.addresses, {}};
    pool.free.assign(pool.addresses.size(), pool.share.tasksOfAddress);
    if (pool.addresses.size() < pool.share.addresses) continue;  // no task would ever get it
    pools_.push_back(std::move(pool));
  }
  none_ = pools_.empty();
}

bool TaskResources::take(const Pool& pool, ResourceMap& taken) const {
  ResourceInformation& mine = taken[pool.name];
  mine.name = pool.name;
  for (std::size_t i = 0; i < pool.addresses.size() && mine.addresses.size() < pool.share.addresses; ++i) {
    if (pool.free[i] > 0) mine.addresses.push_back(pool.addresses[i]);
  }
  return mine.addresses.size() == pool.share.addresses;
}

void TaskResources::count(const ResourceMap& taken, int tasks) {
  for (Pool& pool : pools_) {
    auto has = taken.find(pool.name);
    if (has == taken.end()) continue;
    for (const auto& address : has->second.addresses) {
      for (std::size_t i = 0; i < pool.addresses.size(); ++i) {
        if (pool.addresses[i] == address) pool.free[i] += std::uint32_t(tasks);
      }
    }
  }
}

ResourceMap TaskResources::take() {
  ResourceMap taken;
  if (none_) return taken;
  MutexLock lock(mutex_);
  for (;;) {
    bool all = true;
    for (const Pool& pool : pools_) all = all && take(pool, taken);
    if (all) break;
    taken.clear();
    given_.wait(mutex_);
  }
  count(taken, -1);
  return taken;
}

void TaskResources::give(const ResourceMap& taken) {
  if (taken.empty()) return;
  MutexLock lock(mutex_);
  count(taken, 1);
  given_.notifyAll();
}

}  // namespace sluice::executor
