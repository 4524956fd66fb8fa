#include "worker/executor/state_session.h"

#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kChunkEntries = 512;
}  // namespace

StateSession::StateSession(Runtime& runtime, std::uint32_t node, std::uint32_t partition, RowsPtr before, std::int64_t beforeMs, std::int64_t whenMs)
    : runtime_(runtime), node_(node), partition_(partition), beforeMs_(beforeMs), whenMs_(whenMs),
      table_(runtime.states().take(node, partition, before)) {
  if (!table_) table_ = runtime.newState(std::move(before));
  table_->begin();
}

StateSession::~StateSession() {
  if (table_) runtime_.states().give(node_, partition_, committed_ ? whenMs_ : beforeMs_, std::move(table_));
}

RowsPtr StateSession::commit() {
  committed_ = true;
  return table_->commit(changes_.view());
}

StateCursor::StateCursor(RowsPtr version, Store& store)
    : store_(store), version_(std::move(version)), entries_(std::make_unique<StateEntry[]>(kChunkEntries)) {
  if (!version_ || version_->unique) return;
  log_ = std::make_unique<StateLog>(store);
  log_->load(version_);
}

bool StateCursor::nextOfPieces(StateEntry& found) {
  if (row_ == end_) return false;
  StateRow row = StateRow::read(row_, end_);
  found = {row.key, row.value, row.timeMs};
  return true;
}

bool StateCursor::next(Chunk& out) {
  std::size_t n = 0;
  if (log_) {
    while (n < kChunkEntries && log_->next(at_, entries_[n])) ++n;
  } else if (version_) {
    // A chunk lies in one piece: the next one takes the place of its bytes.
    while (row_ == end_ && piece_ < version_->pieces.size()) {
      if (!store_.pin(version_->pieces[piece_++].object, pin_)) throwError(ErrorKind::kLost, "a piece of a state was dropped");
      row_ = pin_.view().data(), end_ = row_ + pin_.view().size();
    }
    while (n < kChunkEntries && nextOfPieces(entries_[n])) ++n;
  }
  out = {entries_.get(), n};
  return n != 0;
}

}  // namespace sluice::executor
