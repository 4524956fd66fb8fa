#include "worker/executor/map_outputs.h"

#include <algorithm>

namespace sluice::executor {

void MapOutputs::keep(MapOutputId id, std::uint32_t map, Segments segments) {
  MutexLock lock(mutex_);
  kept_[{id, map}].swap(segments);  // what was there goes with the argument, after the lock
}

MapOutputs::Segments MapOutputs::find(MapOutputId id, std::uint32_t map) {
  MutexLock lock(mutex_);
  auto it = kept_.find({id, map});
  return it == kept_.end() ? nullptr : it->second;
}

template <class Goes> bool MapOutputs::forgetIf(Goes goes) {
  std::vector<Segments> gone;  // the store's lock is taken when they go
  MutexLock lock(mutex_);
  std::erase_if(kept_, [&](auto& entry) {
    if (!goes(entry.first.first.node)) return false;
    gone.push_back(std::move(entry.second));
    return true;
  });
  lock.unlock();
  return !gone.empty();
}

void MapOutputs::forget(const std::vector<std::uint64_t>& nodes) {
  const std::set<std::uint64_t> named(nodes.begin(), nodes.end());
  forgetIf([&](std::uint64_t node) { return named.contains(node); });
}

void MapOutputs::forgetAllBut(const std::vector<std::uint64_t>& nodes) {
  const std::set<std::uint64_t> named(nodes.begin(), nodes.end());
  forgetIf([&](std::uint64_t node) { return !named.contains(node); });
}

bool MapOutputs::forgetAll() {
  return forgetIf([](std::uint64_t) { return true; });
}

bool MapOutputs::empty() {
  MutexLock lock(mutex_);
  return kept_.empty();
}

}  // namespace sluice::executor
