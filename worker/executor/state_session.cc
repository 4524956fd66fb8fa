#include "worker/executor/state_session.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kChunkEntries = 512;
}  // namespace

StateSession::StateSession(Runtime& runtime, std::uint32_t node, std::uint32_t partition, RowsPtr before, std::int64_t beforeMs, std::int64_t whenMs)
    : runtime_(runtime), node_(node), partition_(partition), beforeMs_(beforeMs), whenMs_(whenMs),
      table_(runtime.states().take(node, partition, before)) {
  if (!table_) {
    table_ = std::make_unique<StateTable>(runtime.store());
    table_->load(std::move(before));
  }
  idle_ = table_->oldest();
}

StateSession::~StateSession() {
  if (table_) runtime_.states().give(node_, partition_, committed_ ? whenMs_ : beforeMs_, std::move(table_));
}

bool StateSession::nextDue(std::int64_t timeMs, StateEntry& found) {
  if (!std::exchange(dueAsked_, true)) due_ = table_->due(timeMs);
  if (nextDue_ == due_.size()) return false;
  found = due_[nextDue_++];
  return true;
}

RowsPtr StateSession::commit() {
  committed_ = true;
  return table_->commit(changes_.view());
}

StateCursor::StateCursor(RowsPtr version, Store& store) : table_(store), entries_(std::make_unique<StateEntry[]>(kChunkEntries)) {
  table_.load(std::move(version));
}

bool StateCursor::next(Chunk& out) {
  std::size_t n = 0;
  while (n < kChunkEntries && table_.next(at_, entries_[n])) ++n;
  out = {entries_.get(), n};
  return n != 0;
}

}  // namespace sluice::executor
