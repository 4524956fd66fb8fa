// The state of mapWithState in memory: a log of immutable pieces, and an index of each key's newest entry.
//
// A version of the state is a list of pieces, oldest first; the next version shares all of them and adds the batch's changes, so that a
// batch costs what it changes. Entries that were overtaken, and marks of removed keys, go by merging: small neighbours as they pile up, and
// everything in turn once it is more than what lives. The order of the log is the order in which entries were last written.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "worker/executor/state_table.h"

namespace sluice::executor {

class SLUICE_INTERNAL StateLog final : public StateTable {
 public:
  explicit StateLog(Store& store) : store_(store) {}
  ~StateLog() override;
  StateLog(const StateLog&) = delete;

  // Reads all of the version's pieces; null: an empty state. Throws Error(kLost).
  void load(RowsPtr version);
  const RowsPtr& version() const override { return version_; }
  void begin() override;
  bool empty() const override { return entries_ == 0; }
  std::size_t size() const { return entries_; }
  std::uint64_t bytes() const { return bytes_; }              // of the log
  std::uint64_t garbage() const { return dead_ + removed_; }  // of it

  bool find(std::string_view key, StateEntry& found) override;
  bool nextIdle(std::int64_t timeMs, StateEntry& found) override;
  bool nextDue(std::int64_t timeMs, StateEntry& found) override;
  RowsPtr commit(std::string_view changes) override;

  // Goes over the log from its oldest entry on.
  struct Position {
    std::size_t run = 0;  // in order
    std::size_t offset = 0;
  };
  // The next live entry at or after `at`, which moves behind it; false at the end. Valid until the next call of anything.
  bool next(Position& at, StateEntry& found);

 private:
  struct Run {
    ObjectPtr object;
    Pin pin;  // held while there is memory enough
    std::uint64_t dead = 0, removed = 0;  // bytes
  };
  struct Slot {
    std::uint32_t tag = 0, run = kFree, offset = 0;  // run: number
  };
  static constexpr std::uint32_t kFree = ~0u, kGone = ~0u - 1;

  std::string_view bytesOf(std::uint32_t run);
  StateRow rowAt(std::uint32_t run, std::uint32_t offset);
  std::size_t slotOf(std::uint64_t hash, std::string_view key);  // of the key, or a free one
  void grow();
  void indexTimes();
  // Entries whose time is at or before timeMs, in order of time and key.
  std::vector<StateEntry> due(std::int64_t timeMs);
  std::uint32_t newRun(ObjectPtr object);
  void dropRun(std::uint32_t run);
  // Enters the run's rows, all of them the newest of their keys.
  void enter(std::uint32_t run);
  void addRuns(std::string_view rows);
  // Puts what still counts of neighbouring runs in their place: order_[from, to). How many runs that is now.
  std::size_t rewrite(std::size_t from, std::size_t to);
  void mergeSmall();
  void clean(std::uint64_t budget);
  bool cleanBefore(std::size_t position) const;
  void letGoOfMemory();
  RowsPtr versionOfRuns();

  Store& store_;
  RowsPtr version_;
  std::vector<Run> runs_;            // by number
  std::vector<std::uint32_t> free_;  // numbers
  std::vector<std::uint32_t> order_;
  std::vector<Slot> slots_;
  std::size_t entries_ = 0, used_ = 0;  // used: slots that are not free
  std::uint64_t bytes_ = 0, dead_ = 0, removed_ = 0, charged_ = 0;
  std::size_t cleaning_ = 0;  // position in order_
  Position oldest_;  // everything before is dead
  Position idle_;    // of the task
  std::vector<StateEntry> due_;
  std::size_t nextDue_ = 0;
  bool dueAsked_ = false;
  // Hashes of keys by the time of an entry of theirs, which may have been overtaken; made when due() is first asked for.
  bool timesWanted_ = false;
  std::map<std::int64_t, std::vector<std::uint64_t>> times_;
};

}  // namespace sluice::executor
