// What one task sees of a state: the version before it, and the changes that it makes.
#pragma once
#include <cstdint>
#include <memory>

#include "sluice/buffer.h"
#include "worker/executor/runtime.h"
#include "worker/executor/state_log.h"
#include "worker/executor/state_tables.h"

namespace sluice::executor {

class SLUICE_INTERNAL StateSession final : public StateStore {
 public:
  // `before`: the version of the batch before; null: there is none yet. `beforeMs`, `whenMs`: its time, and the task's.
  StateSession(Runtime& runtime, std::uint32_t node, std::uint32_t partition, RowsPtr before, std::int64_t beforeMs, std::int64_t whenMs);
  ~StateSession() override;  // without a commit the state is as it was
  StateSession(const StateSession&) = delete;

  bool empty() const override { return table_->empty(); }
  bool find(std::string_view key, StateEntry& found) override { return table_->find(key, found); }
  void put(std::string_view key, std::string_view value, std::int64_t timeMs) override { StateRow{key, value, timeMs, false}.append(changes_); }
  void remove(std::string_view key) override { StateRow{key, {}, whenMs_, true}.append(changes_); }
  bool nextIdle(std::int64_t timeMs, StateEntry& found) override { return table_->nextIdle(timeMs, found); }

  bool nextDue(std::int64_t timeMs, StateEntry& found) override { return table_->nextDue(timeMs, found); }

  RowsPtr commit();

 private:
  Runtime& runtime_;
  const std::uint32_t node_, partition_;
  const std::int64_t beforeMs_, whenMs_;
  std::unique_ptr<StateTable> table_;
  Buffer changes_;
  bool committed_ = false;
};

// The entries of a version, as chunks of StateEntry.
class SLUICE_INTERNAL StateCursor final : public Cursor {
 public:
  StateCursor(RowsPtr version, Store& store);
  bool next(Chunk& out) override;

 private:
  bool nextOfPieces(StateEntry& found);
  Store& store_;
  const RowsPtr version_;
  std::unique_ptr<StateLog> log_;  // where entries overtake others; else the pieces are read one after the other
  StateLog::Position at_;
  Pin pin_;
  std::size_t piece_ = 0;
  const char *row_ = nullptr, *end_ = nullptr;
  std::unique_ptr<StateEntry[]> entries_;
};

}  // namespace sluice::executor
