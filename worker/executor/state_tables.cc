#include "worker/executor/state_tables.h"

#include <vector>

namespace sluice::executor {

std::unique_ptr<StateTable> StateTables::take(std::uint32_t node, std::uint32_t partition, const RowsPtr& version) {
  MutexLock lock(mutex_);
  auto it = tables_.find({node, partition});
  if (it == tables_.end() || !version || it->second.table->version() != version) return nullptr;
  std::unique_ptr<StateTable> table = std::move(it->second.table);
  tables_.erase(it);
  return table;
}

void StateTables::give(std::uint32_t node, std::uint32_t partition, std::int64_t whenMs, std::unique_ptr<StateTable> table) {
  std::unique_ptr<StateTable> old;  // destroyed outside the lock
  MutexLock lock(mutex_);
  Entry& entry = tables_[{node, partition}];
  if (entry.table && entry.whenMs > whenMs) {
    old = std::move(table);
  } else {
    old = std::exchange(entry.table, std::move(table));
    entry.whenMs = whenMs;
  }
  lock.unlock();
}

void StateTables::releaseBelow(std::uint32_t node, std::int64_t belowMs) {
  std::vector<std::unique_ptr<StateTable>> gone;
  MutexLock lock(mutex_);
  for (auto it = tables_.begin(); it != tables_.end();) {
    auto at = it++;
    if (at->first.first != node || at->second.whenMs >= belowMs) continue;
    gone.push_back(std::move(at->second.table));
    tables_.erase(at);
  }
  lock.unlock();
}

}  // namespace sluice::executor
