#include "worker/executor/state_disk.h"

#include <cstring>

#include "sluice/error.h"
#include "sluice/hash.h"

namespace sluice::executor {

namespace {

// Keys of the map, after the table's number (4, big-endian): 'e', bucket, key -> time (8, little-endian), value;
// 't', time (8, big-endian, the sign flipped), key -> nothing.
constexpr char kEntry = 'e', kTime = 't';
constexpr std::size_t kPrefix = 4, kEntryHeader = kPrefix + 2, kTimeHeader = kPrefix + 9;
constexpr std::size_t kWriteAtOnce = 4096;

std::uint8_t bucketOf(std::string_view key) { return std::uint8_t(hashBytes(key.data(), key.size()) >> 40); }

std::string bigEndian(std::uint64_t value, int bytes) {
  std::string out;
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += char(value >> shift);
  return out;
}

std::int64_t timeOf(std::string_view value) {
  std::int64_t timeMs = 0;
  if (value.size() < sizeof timeMs) throwError(ErrorKind::kLost, "an entry of a state on disk is damaged");
  std::memcpy(&timeMs, value.data(), sizeof timeMs);
  return timeMs;
}

std::string_view afterTime(std::string_view value) { return value.substr(sizeof(std::int64_t)); }

}  // namespace

void StateDisk::entryKey(std::string_view key, std::string& out) const {
  out = prefix_;
  out += kEntry;
  out += char(bucketOf(key));
  out += key;
}

std::string StateDisk::timeKey(std::int64_t timeMs, std::string_view key) const {
  return prefix_ + kTime + bigEndian(std::uint64_t(timeMs) ^ (1ull << 63), 8) + std::string(key);
}

StateDisk::StateDisk(std::shared_ptr<StateDb> db, std::uint32_t number, Store& store, RowsPtr version)
    : db_(std::move(db)), prefix_(bigEndian(number, kPrefix)), store_(store) {
  if (version) load(*version);
  version_ = std::move(version);
}

// Versions that are still held read what they show all the same.
StateDisk::~StateDisk() {
  try {
    db_->removeRange(prefix_, prefix_ + char(kTime + 1));
  } catch (const Error&) {  // the map goes with the process
  }
}

// From the oldest piece on, so that what was overtaken is.
void StateDisk::load(const Rows& version) {
  std::vector<StateDb::Change> changes;
  for (const Piece& piece : version.pieces) {
    Pin pin;
    if (!store_.pin(piece.object, pin)) throwError(ErrorKind::kLost, "a piece of a state was dropped");
    const char *at = pin.view().data(), *end = at + pin.view().size();
    while (at != end) {
      enter(StateRow::read(at, end), changes);
      // An entry may be overtaken in the next row already: it has to be found there.
      if (changes.size() >= kWriteAtOnce || !version.unique) db_->write(changes), changes.clear();
    }
  }
  db_->write(changes);
}

void StateDisk::enter(const StateRow& row, std::vector<StateDb::Change>& changes) {
  entryKey(row.key, key_);
  Size& size = sizes_[std::uint8_t(key_[kEntryHeader - 1])];
  if (db_->get(key_, old_)) {
    std::int64_t oldMs = timeOf(old_);
    --size.rows, --entries_;
    size.bytes -= StateRow{row.key, afterTime(old_), oldMs, false}.size();
    if (row.removed || oldMs != row.timeMs) changes.push_back({timeKey(oldMs, row.key), {}, true});
  }
  if (row.removed) {
    changes.push_back({key_, {}, true});
    return;
  }
  ++size.rows, ++entries_;
  size.bytes += row.size();
  std::string value(reinterpret_cast<const char*>(&row.timeMs), sizeof row.timeMs);
  value += row.value;
  changes.push_back({key_, std::move(value), false});
  changes.push_back({timeKey(row.timeMs, row.key), {}, false});
}

bool StateDisk::find(std::string_view key, StateEntry& found) {
  entryKey(key, key_);
  if (!db_->get(key_, value_)) return false;
  found = {std::string_view(key_).substr(kEntryHeader), afterTime(value_), timeOf(value_)};
  return true;
}

bool StateDisk::nextByTime(std::string& after, std::int64_t timeMs, StateEntry& found) {
  if (entries_ == 0) return false;
  std::string from = after.empty() ? prefix_ + kTime : after + '\0';
  std::string to = timeMs == INT64_MAX ? prefix_ + char(kTime + 1) : timeKey(timeMs + 1, {});
  bool any = false;
  db_->view()->scan(from, to, [&](std::string_view key, std::string_view) {
    after = key;
    return !(any = true);
  });
  return any && find(std::string_view(after).substr(kTimeHeader), found);
}

RowsPtr StateDisk::commit(std::string_view rows) {
  if (rows.empty() && version_) return version_;
  std::vector<StateDb::Change> changes;
  const char *at = rows.data(), *end = at + rows.size();
  while (at != end) enter(StateRow::read(at, end), changes);
  db_->write(changes);
  version_ = versionOfView();
  return version_;
}

RowsPtr StateDisk::versionOfView() {
  auto version = std::make_shared<Rows>();
  std::shared_ptr<const StateDbView> view = db_->view();
  version->unique = true;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (sizes_[bucket].rows == 0) continue;
    auto read = [view, bucket, prefix = prefix_ + kEntry] {
      std::string from = prefix + char(bucket), to = prefix + char(bucket + 1);
      if (bucket + 1 == kBuckets) to = from.substr(0, kPrefix) + char(kEntry + 1);
      Buffer rows;
      view->scan(from, to, [&](std::string_view key, std::string_view value) {
        StateRow{key.substr(kEntryHeader), afterTime(value), timeOf(value), false}.append(rows);
        return true;
      });
      return Bytes::of(std::move(rows));
    };
    version->add({store_.putElsewhere(ObjectKind::kState, sizes_[bucket].rows, sizes_[bucket].bytes, std::move(read))});
  }
  return version;
}

}  // namespace sluice::executor
