// Where map outputs lie that jobs left behind, so that later jobs skip the stages that made them. Hints, and nothing more: an executor that
// has them no longer says so, and they are made again.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "common/map_output_id.h"
#include "master/values.h"

namespace sluice::master {

class SLUICE_INTERNAL MapOutputs {
 public:
  // A job reads what this node names; until forget() outputs may lie at executors.
  void know(std::uint64_t node) { known_.insert(node); }
  bool knows(std::uint64_t node) const { return known_.contains(node); }
  // All parts of the run are there.
  void note(MapOutputId id, const Run& run);
  // Whether there are hints for these parts at all.
  bool any(MapOutputId id, const Run& run) const { return find(id, run) != nullptr; }
  bool anyOf(std::uint64_t node) const;
  // kNowhere: unknown.
  std::uint32_t at(MapOutputId id, std::uint32_t map, const Run& run) const;
  void lose(MapOutputId id, std::uint32_t executor);
  void loseAll(std::uint32_t executor);
  void lose(MapOutputId id) { where_.erase(id); }
  // False: it was not known.
  bool forget(std::uint64_t node);
  const std::set<std::uint64_t>& known() const { return known_; }

 private:
  struct Where {
    std::size_t reducers = 0;
    std::vector<std::uint32_t> at;  // executors, by map partition
  };
  const Where* find(MapOutputId id, const Run& run) const;
  std::map<MapOutputId, Where> where_;
  std::set<std::uint64_t> known_;
};

}  // namespace sluice::master
