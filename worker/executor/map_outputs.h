// What map tasks of jobs that are over have made, for later jobs that read the same: their map tasks need not run again. Thread-safe.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "common/map_output_id.h"
#include "common/mutex.h"
#include "worker/executor/store.h"

namespace sluice::executor {

class SLUICE_INTERNAL MapOutputs {
 public:
  using Segments = std::shared_ptr<const std::vector<Rows>>;  // by reducer

  // What is there under this name is replaced: it is the same.
  void keep(MapOutputId id, std::uint32_t map, Segments segments);
  // Null: not here.
  Segments find(MapOutputId id, std::uint32_t map);
  void forget(const std::vector<std::uint64_t>& nodes);
  void forgetAllBut(const std::vector<std::uint64_t>& nodes);
  // False: there was nothing.
  bool forgetAll();
  bool empty();

 private:
  using Kept = std::map<std::pair<MapOutputId, std::uint32_t>, Segments>;
  template <class Goes> bool forgetIf(Goes goes);
  Mutex mutex_;
  Kept kept_ GUARDED_BY(mutex_);
};

}  // namespace sluice::executor
