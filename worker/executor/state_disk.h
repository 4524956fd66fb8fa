// The state of mapWithState on disk, for states larger than memory.
//
// Each entry lies under its key, and once more under its time, by which idle and due entries are found; all tables of an executor share one
// map, each with a prefix of its own. A version is a view of the map as it was after its batch; its pieces, which peers and checkpoints ask
// for, are read from the view when somebody wants them.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/state_db.h"
#include "worker/executor/state_table.h"

namespace sluice::executor {

class SLUICE_INTERNAL StateDisk final : public StateTable {
 public:
  // Nobody else has that number. Reads the version into the map; null: an empty state.
  StateDisk(std::shared_ptr<StateDb> db, std::uint32_t number, Store& store, RowsPtr version);
  ~StateDisk() override;

  const RowsPtr& version() const override { return version_; }
  void begin() override { idle_.clear(), due_.clear(); }
  bool empty() const override { return entries_ == 0; }
  bool find(std::string_view key, StateEntry& found) override;
  bool nextIdle(std::int64_t timeMs, StateEntry& found) override { return nextByTime(idle_, timeMs - 1, found); }
  bool nextDue(std::int64_t timeMs, StateEntry& found) override { return nextByTime(due_, timeMs, found); }
  RowsPtr commit(std::string_view changes) override;

 private:
  static constexpr std::size_t kBuckets = 256;  // a version's pieces, by the hash of the key
  struct Size {
    std::uint64_t rows = 0, bytes = 0;
  };

  bool nextByTime(std::string& after, std::int64_t timeMs, StateEntry& found);
  void enter(const StateRow& row, std::vector<StateDb::Change>& changes);
  void load(const Rows& version);
  RowsPtr versionOfView();

  void entryKey(std::string_view key, std::string& out) const;
  std::string timeKey(std::int64_t timeMs, std::string_view key) const;

  std::shared_ptr<StateDb> db_;
  const std::string prefix_;
  Store& store_;
  RowsPtr version_;
  std::array<Size, kBuckets> sizes_{};
  std::uint64_t entries_ = 0;
  std::string idle_, due_;  // the key of the time index that was given last, in this task
  std::string key_, value_, old_;
};

}  // namespace sluice::executor
