#include "worker/executor/state_log.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "sluice/error.h"
#include "sluice/hash.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kFanOut = 8;                    // runs of one size that are merged
constexpr std::uint64_t kSmallestRun = 8 << 10;       // smaller ones are of one size
constexpr std::uint64_t kLargeRun = kPieceBytes / 2;  // never merged for its size
constexpr std::uint64_t kGarbageAllowed = 256 << 10;
constexpr std::uint64_t kCleanAtLeast = 64 << 10;

int sizeClass(std::uint64_t bytes) {
  int size = 0;
  for (std::uint64_t limit = kSmallestRun; bytes >= limit && limit < kLargeRun; limit *= kFanOut) ++size;
  return bytes >= kLargeRun ? -1 : size;
}

}  // namespace

StateLog::~StateLog() { store_.charge(-std::int64_t(charged_)); }

// ---- entries ----

std::string_view StateLog::bytesOf(std::uint32_t run) {
  Run& r = runs_[run];
  if (r.pin.bytes().size() == 0 && !store_.pin(r.object, r.pin)) throwError(ErrorKind::kLost, "a piece of a state was dropped");
  return r.pin.view();
}

StateRow StateLog::rowAt(std::uint32_t run, std::uint32_t offset) {
  std::string_view bytes = bytesOf(run);
  const char* at = bytes.data() + offset;
  return StateRow::read(at, bytes.data() + bytes.size());
}

std::size_t StateLog::slotOf(std::uint64_t hash, std::string_view key) {
  std::size_t mask = slots_.size() - 1;
  auto tag = std::uint32_t(hash >> 32);
  std::size_t gone = slots_.size();
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.run == kFree) return gone != slots_.size() ? gone : i;
    if (slot.run == kGone) {
      if (gone == slots_.size()) gone = i;
    } else if (slot.tag == tag && rowAt(slot.run, slot.offset).key == key) {
      return i;
    }
  }
}

void StateLog::grow() {
  // Half of what is used or more may be gone: then the same size will do.
  std::size_t wanted = slots_.empty() ? 64 : entries_ * 2 > used_ ? slots_.size() * 2 : slots_.size();
  std::vector<Slot> old(wanted);
  old.swap(slots_);
  used_ = entries_;
  for (const Slot& slot : old) {
    if (slot.run >= kGone) continue;
    std::string_view key = rowAt(slot.run, slot.offset).key;
    std::size_t mask = slots_.size() - 1, i = hashBytes(key.data(), key.size()) & mask;
    while (slots_[i].run != kFree) i = (i + 1) & mask;
    slots_[i] = slot;
  }
  std::uint64_t now = slots_.size() * sizeof(Slot);
  store_.charge(std::int64_t(now) - std::int64_t(charged_));
  charged_ = now;
}

bool StateLog::find(std::string_view key, StateEntry& found) {
  if (entries_ == 0) return false;
  const Slot& slot = slots_[slotOf(hashBytes(key.data(), key.size()), key)];
  if (slot.run >= kGone) return false;
  StateRow row = rowAt(slot.run, slot.offset);
  found = {row.key, row.value, row.timeMs};
  return true;
}

// ---- runs ----

std::uint32_t StateLog::newRun(ObjectPtr object) {
  bytes_ += object->bytes();
  if (free_.empty()) {
    runs_.emplace_back();
    free_.push_back(std::uint32_t(runs_.size() - 1));
  }
  std::uint32_t run = free_.back();
  free_.pop_back();
  runs_[run].object = std::move(object);
  return run;
}

void StateLog::dropRun(std::uint32_t run) {
  Run& r = runs_[run];
  bytes_ -= r.object->bytes(), dead_ -= r.dead, removed_ -= r.removed;
  r = Run{};
  free_.push_back(run);
}

void StateLog::enter(std::uint32_t run) {
  std::string_view bytes = bytesOf(run);
  const char *at = bytes.data(), *end = at + bytes.size();
  while (at != end) {
    if ((used_ + 1) * 8 > slots_.size() * 5) grow();
    auto offset = std::uint32_t(at - bytes.data());
    StateRow row = StateRow::read(at, end);
    std::uint64_t hash = hashBytes(row.key.data(), row.key.size());
    Slot& slot = slots_[slotOf(hash, row.key)];
    bool known = slot.run < kGone;
    if (known) {
      std::uint64_t size = rowAt(slot.run, slot.offset).size();
      runs_[slot.run].dead += size, dead_ += size;
    }
    if (row.removed) {
      runs_[run].removed += row.size(), removed_ += row.size();
      if (known) slot.run = kGone, --entries_;
    } else {
      if (slot.run == kFree) ++used_;
      if (!known) ++entries_;
      slot = {std::uint32_t(hash >> 32), run, offset};
      if (timesWanted_) times_[row.timeMs].push_back(hash);
    }
  }
}

// Cut into pieces between two rows, as the newest runs.
void StateLog::addRuns(std::string_view rows) {
  const char *at = rows.data(), *end = at + rows.size();
  while (at != end) {
    const char* from = at;
    std::uint64_t count = 0;
    while (at != end && (count == 0 || std::size_t(at - from) < kPieceBytes)) StateRow::read(at, end), ++count;
    Buffer piece;
    piece.append(std::string_view(from, std::size_t(at - from)));
    order_.push_back(newRun(store_.put(ObjectKind::kState, Bytes::of(std::move(piece)), count)));
  }
}

void StateLog::load(RowsPtr version) {
  runs_.clear(), free_.clear(), order_.clear(), slots_.clear();
  entries_ = used_ = 0, bytes_ = dead_ = removed_ = 0, cleaning_ = 0, oldest_ = {}, timesWanted_ = false, times_.clear();
  version_ = std::move(version);
  if (version_) {
    for (const Piece& piece : version_->pieces) {
      order_.push_back(newRun(piece.object));
      enter(order_.back());
    }
  }
  letGoOfMemory();
}

// While memory is short, what was read is not held: the store may move it to disk.
void StateLog::letGoOfMemory() {
  if (!store_.over()) return;
  for (std::uint32_t run : order_) runs_[run].pin = Pin();
}

RowsPtr StateLog::versionOfRuns() {
  auto rows = std::make_shared<Rows>();
  for (std::uint32_t run : order_) rows->add({runs_[run].object});
  return rows;
}

RowsPtr StateLog::commit(std::string_view changes) {
  if (changes.empty() && version_) return version_;
  std::size_t first = order_.size();
  addRuns(changes);
  for (std::size_t i = first; i < order_.size(); ++i) enter(order_[i]);
  mergeSmall();
  if (garbage() > bytes_ - garbage() + kGarbageAllowed) clean(4 * changes.size() + kCleanAtLeast);
  version_ = versionOfRuns();
  letGoOfMemory();
  if (store_.over()) store_.makeRoom();
  return version_;
}

// ---- merging ----

// Whether no overtaken entry lies before: then a removed key needs no mark any more.
bool StateLog::cleanBefore(std::size_t position) const {
  return std::none_of(order_.begin(), order_.begin() + std::ptrdiff_t(position), [&](std::uint32_t run) { return runs_[run].dead != 0; });
}

std::size_t StateLog::rewrite(std::size_t from, std::size_t to) {
  bool forget = cleanBefore(from);
  Buffer kept;
  for (std::size_t i = from; i < to; ++i) {
    std::string_view bytes = bytesOf(order_[i]);
    const char *at = bytes.data(), *end = at + bytes.size();
    while (at != end) {
      auto offset = std::uint32_t(at - bytes.data());
      const char* begin = at;
      StateRow row = StateRow::read(at, end);
      const Slot& slot = slots_[slotOf(hashBytes(row.key.data(), row.key.size()), row.key)];
      bool counts = row.removed ? !forget && slot.run >= kGone : slot.run == order_[i] && slot.offset == offset;
      if (counts) kept.append(std::string_view(begin, std::size_t(at - begin)));
    }
  }
  // The new runs take the place of the old ones; their rows count instead.
  std::vector<std::uint32_t> after(order_.begin() + std::ptrdiff_t(to), order_.end());
  std::vector<std::uint32_t> old(order_.begin() + std::ptrdiff_t(from), order_.begin() + std::ptrdiff_t(to));
  order_.resize(from);
  addRuns(kept.view());
  std::size_t made = order_.size() - from;
  for (std::size_t i = from; i < order_.size(); ++i) {
    std::uint32_t run = order_[i];
    std::string_view bytes = bytesOf(run);
    const char *at = bytes.data(), *end = at + bytes.size();
    while (at != end) {
      auto offset = std::uint32_t(at - bytes.data());
      StateRow row = StateRow::read(at, end);
      if (row.removed) {
        runs_[run].removed += row.size(), removed_ += row.size();
        continue;
      }
      Slot& slot = slots_[slotOf(hashBytes(row.key.data(), row.key.size()), row.key)];
      slot.run = run, slot.offset = offset;
    }
  }
  for (std::uint32_t run : old) dropRun(run);
  order_.insert(order_.end(), after.begin(), after.end());
  if (oldest_.run >= to) oldest_.run += made - (to - from);
  else if (oldest_.run >= from) oldest_ = {from, 0};
  return made;
}

void StateLog::mergeSmall() {
  for (;;) {
    std::size_t from = order_.size();
    int newest = from == 0 ? -1 : sizeClass(runs_[order_.back()].object->bytes());
    while (from > 0) {
      int size = sizeClass(runs_[order_[from - 1]].object->bytes());
      if (size < 0 || size > newest) break;
      --from;
    }
    if (order_.size() - from < kFanOut) return;
    rewrite(from, order_.size());
  }
}

// Goes on where it stopped, for about so many bytes.
void StateLog::clean(std::uint64_t budget) {
  std::uint64_t done = 0;
  for (std::size_t looked = 0, all = order_.size(); looked < all && done < budget && !order_.empty();) {
    if (cleaning_ >= order_.size()) cleaning_ = 0;
    std::size_t to = cleaning_;
    std::uint64_t live = 0, size = 0;
    bool worth = false;
    while (to < order_.size() && live < kPieceBytes && done + size < budget) {
      const Run& run = runs_[order_[to]];
      bool dirty = run.dead != 0 || (run.removed != 0 && cleanBefore(cleaning_));
      if (!dirty && (!worth || run.object->bytes() >= kLargeRun)) break;
      worth |= dirty;
      size += run.object->bytes(), live += run.object->bytes() - run.dead - run.removed;
      ++to;
    }
    if (!worth) {
      ++cleaning_, ++looked;
      continue;
    }
    looked += to - cleaning_;
    cleaning_ += rewrite(cleaning_, to);
    done += size;
  }
}

// ---- going over all ----

bool StateLog::next(Position& at, StateEntry& found) {
  for (; at.run < order_.size(); ++at.run, at.offset = 0) {
    std::uint32_t run = order_[at.run];
    std::string_view bytes = bytesOf(run);
    while (at.offset < bytes.size()) {
      const char* next = bytes.data() + at.offset;
      auto offset = std::uint32_t(at.offset);
      StateRow row = StateRow::read(next, bytes.data() + bytes.size());
      at.offset = std::size_t(next - bytes.data());
      if (row.removed) continue;
      const Slot& slot = slots_[slotOf(hashBytes(row.key.data(), row.key.size()), row.key)];
      if (slot.run != run || slot.offset != offset) continue;
      found = {row.key, row.value, row.timeMs};
      return true;
    }
  }
  return false;
}

void StateLog::begin() {
  idle_ = oldest_;
  due_.clear(), nextDue_ = 0, dueAsked_ = false;
}

bool StateLog::nextIdle(std::int64_t timeMs, StateEntry& found) {
  Position before = idle_;
  bool first = idle_.run == oldest_.run && idle_.offset == oldest_.offset;
  if (!next(idle_, found)) {
    if (first) oldest_ = idle_;
    return false;
  }
  if (first) {
    // What was passed over is dead for good: next time begins at this entry.
    std::size_t size = StateRow{found.key, found.value, found.timeMs, false}.size();
    oldest_ = {idle_.run, idle_.offset - size};
  }
  if (found.timeMs < timeMs) return true;
  idle_ = before;
  return false;
}

bool StateLog::nextDue(std::int64_t timeMs, StateEntry& found) {
  if (!std::exchange(dueAsked_, true)) due_ = due(timeMs);
  if (nextDue_ == due_.size()) return false;
  found = due_[nextDue_++];
  return true;
}

void StateLog::indexTimes() {
  timesWanted_ = true;
  Position at;
  StateEntry entry;
  while (next(at, entry)) times_[entry.timeMs].push_back(hashBytes(entry.key.data(), entry.key.size()));
}

std::vector<StateEntry> StateLog::due(std::int64_t timeMs) {
  if (!timesWanted_) indexTimes();
  std::vector<StateEntry> found;
  for (auto it = times_.begin(); it != times_.end() && it->first <= timeMs;) {
    std::vector<std::uint64_t> live;
    for (std::uint64_t hash : it->second) {
      std::size_t mask = slots_.size() - 1, before = found.size();
      for (std::size_t i = hash & mask; slots_[i].run != kFree; i = (i + 1) & mask) {
        if (slots_[i].run == kGone || slots_[i].tag != std::uint32_t(hash >> 32)) continue;
        StateRow row = rowAt(slots_[i].run, slots_[i].offset);
        if (row.timeMs == it->first && hashBytes(row.key.data(), row.key.size()) == hash) found.push_back({row.key, row.value, row.timeMs});
      }
      if (found.size() != before) live.push_back(hash);
    }
    it->second = std::move(live);  // what was overtaken is not looked at again
    it = it->second.empty() ? times_.erase(it) : std::next(it);
  }
  auto order = [](const StateEntry& a, const StateEntry& b) { return std::tie(a.timeMs, a.key) < std::tie(b.timeMs, b.key); };
  std::sort(found.begin(), found.end(), order);
  found.erase(std::unique(found.begin(), found.end(), [](const StateEntry& a, const StateEntry& b) { return a.key == b.key; }), found.end());
  return found;
}

}  // namespace sluice::executor
