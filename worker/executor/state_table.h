// What stands for one version of a stateful node's partition, fast to ask and to change.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "sluice/state_store.h"
#include "worker/executor/store.h"

namespace sluice::executor {

// One entry as rows of a state hold it: a header, the key's bytes, the value's. A removed key has no value and says so.
struct SLUICE_INTERNAL StateRow {
  std::string_view key, value;
  std::int64_t timeMs = 0;
  bool removed = false;

  std::size_t size() const { return kHeader + key.size() + value.size(); }
  void append(Buffer& out) const;
  // Reads the row at `at`, and moves `at` behind it. Throws Error(kLost) if the bytes are no row.
  static StateRow read(const char*& at, const char* end);

 private:
  static constexpr std::size_t kHeader = 16;  // u32 key bytes, u32 value bytes + 1 (0: removed), i64 time
};

// Owned by one task at a time. Views are valid until the next call.
class StateTable {
 public:
  virtual ~StateTable() = default;
  // What it stands for; null: the empty state before the first batch.
  virtual const RowsPtr& version() const = 0;
  // Before the calls of a task.
  virtual void begin() = 0;
  virtual bool empty() const = 0;
  virtual bool find(std::string_view key, StateEntry& found) = 0;
  // As StateStore's.
  virtual bool nextIdle(std::int64_t timeMs, StateEntry& found) = 0;
  virtual bool nextDue(std::int64_t timeMs, StateEntry& found) = 0;
  // The version after these rows, each of another key; the table stands for it then.
  virtual RowsPtr commit(std::string_view changes) = 0;
};

}  // namespace sluice::executor
