#include "master/map_outputs.h"

#include <algorithm>

namespace sluice::master {

const MapOutputs::Where* MapOutputs::find(MapOutputId id, const Run& run) const {
  auto it = id.node == 0 ? where_.end() : where_.find(id);
  bool fits = it != where_.end() && it->second.at.size() == run.parts.size() && it->second.reducers == run.reducers->size();
  return fits ? &it->second : nullptr;
}

bool MapOutputs::anyOf(std::uint64_t node) const {
  auto it = where_.lower_bound({node, 0, 0});
  return it != where_.end() && it->first.node == node;
}

void MapOutputs::note(MapOutputId id, const Run& run) {
  if (!knows(id.node)) return;
  Where& where = where_[id];
  where.reducers = run.reducers->size();
  where.at.clear();
  for (const Part& part : run.parts) where.at.push_back(part.at);
}

std::uint32_t MapOutputs::at(MapOutputId id, std::uint32_t map, const Run& run) const {
  const Where* where = find(id, run);
  return where ? where->at[map] : kNowhere;
}

void MapOutputs::lose(MapOutputId id, std::uint32_t executor) {
  auto it = where_.find(id);
  if (it == where_.end()) return;
  std::replace(it->second.at.begin(), it->second.at.end(), executor, kNowhere);
}

void MapOutputs::loseAll(std::uint32_t executor) {
  for (auto& [id, where] : where_) std::replace(where.at.begin(), where.at.end(), executor, kNowhere);
}

bool MapOutputs::forget(std::uint64_t node) {
  where_.erase(where_.lower_bound({node, 0, 0}), where_.upper_bound({node, ~0u, ~0u}));
  return known_.erase(node) != 0;
}

}  // namespace sluice::master
