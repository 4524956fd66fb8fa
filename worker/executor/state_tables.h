// The tables that stand for the newest versions of states made in this executor, between one batch's task and the next. A table is only a
// faster form of a version: it may be missing, and is then made of the version's pieces again.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"
#include "worker/executor/state_table.h"

namespace sluice::executor {

// Thread-safe.
class SLUICE_INTERNAL StateTables {
 public:
  // The table that stands for this version of the node's partition, handed over; null: none is here.
  std::unique_ptr<StateTable> take(std::uint32_t node, std::uint32_t partition, const RowsPtr& version);
  // `whenMs`: of the version that it stands for now. The newest stays.
  void give(std::uint32_t node, std::uint32_t partition, std::int64_t whenMs, std::unique_ptr<StateTable> table);
  // Nobody will ask for versions below.
  void releaseBelow(std::uint32_t node, std::int64_t belowMs);

 private:
  struct Entry {
    std::int64_t whenMs = 0;
    std::unique_ptr<StateTable> table;
  };
  Mutex mutex_;
  absl::flat_hash_map<std::pair<std::uint32_t, std::uint32_t>, Entry> tables_ GUARDED_BY(mutex_);
};

}  // namespace sluice::executor
