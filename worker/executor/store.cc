#include "worker/executor/store.h"

#include <malloc.h>

#include <algorithm>

#include "sluice/error.h"
#include "worker/executor/rows_format.h"
#include "worker/executor/spill_file.h"

namespace sluice::executor {

namespace {
constexpr std::uint64_t kSpillFileBytes = 64 << 20;
constexpr std::uint64_t kTrimAfterBytes = 24 << 20, kTrimAfterAtLeast = 4 << 20;
constexpr std::uint64_t kWriteBatchBytes = 1 << 20;
}  // namespace

Object::~Object() {
  if (store_) store_->forget(*this);
}

Pin::~Pin() {
  if (object_) object_->store_->unpin(*this);
}

Store::Store(std::uint64_t budgetBytes, std::string directory)
    : budget_(std::int64_t(budgetBytes)), directory_(std::move(directory)) {}

Store::~Store() = default;

void Store::link(Object& object) {
  List& list = lists_[std::size_t(object.kind_)];
  object.older_ = list.newest, object.newer_ = nullptr;
  (list.newest ? list.newest->newer_ : list.oldest) = &object;
  list.newest = &object;
  object.listed_ = true;
}

void Store::unlink(Object& object) {
  List& list = lists_[std::size_t(object.kind_)];
  (object.older_ ? object.older_->newer_ : list.oldest) = object.newer_;
  (object.newer_ ? object.newer_->older_ : list.newest) = object.older_;
  object.older_ = object.newer_ = nullptr;
  object.listed_ = false;
}

ObjectPtr Store::put(ObjectKind kind, Bytes rows, std::uint64_t count, bool droppable) {
  auto object = std::make_shared<Object>();
  object->rows_ = count, object->bytes_ = rows.size(), object->kind_ = kind, object->droppable_ = droppable;
  object->memory_ = std::move(rows);
  object->store_ = this;
  charge(std::int64_t(object->bytes_));
  MutexLock lock(mutex_);
  link(*object);
  return object;
}

ObjectPtr Store::putElsewhere(ObjectKind kind, std::uint64_t count, std::uint64_t bytes, std::function<Bytes()> read) {
  auto object = std::make_shared<Object>();
  object->rows_ = count, object->bytes_ = bytes, object->kind_ = kind, object->read_ = std::move(read);
  object->store_ = this;
  return object;
}

void Store::forget(Object& object) {
  MutexLock lock(mutex_);
  if (object.listed_) unlink(object);
  if (object.memory_.owner()) free(object.bytes_);
}

bool Store::pinInMemory(const ObjectPtr& object, Pin& pin) {
  Pin fresh;
  MutexLock lock(mutex_);
  if (object->gone_ || (!object->memory_.owner() && object->bytes_ != 0)) return false;
  fresh.bytes_ = object->memory_;
  fresh.object_ = object;
  ++object->pins_;
  lock.unlock();
  pin = std::move(fresh);
  return true;
}

bool Store::pin(const ObjectPtr& object, Pin& pin) {
  if (pinInMemory(object, pin)) return true;
  {
    MutexLock lock(mutex_);
    if (object->gone_) return false;
    ++object->pins_;
  }
  Pin fresh;
  fresh.object_ = object;
  fresh.bytes_ = readBack(*object);
  fresh.charged_ = object->bytes_;
  charge(std::int64_t(fresh.charged_));
  pin = std::move(fresh);
  return true;
}

void Store::unpin(Pin& pin) {
  if (pin.charged_ != 0) free(pin.charged_);
  MutexLock lock(mutex_);
  --pin.object_->pins_;
}

bool Store::present(const Rows& rows) {
  if (rows.state && !present(*rows.state)) return false;
  MutexLock lock(mutex_);
  return std::none_of(rows.pieces.begin(), rows.pieces.end(), [](const Piece& piece) { return piece.object->gone_; });
}

void Store::measure(const Rows& rows, std::uint64_t& memory, std::uint64_t& disk) {
  MutexLock lock(mutex_);
  for (const Piece& piece : rows.pieces) {
    const Object& object = *piece.object;
    if (object.memory_.owner()) memory += object.bytes_;
    else if (object.file_) disk += object.stored_;
  }
}

// Once its file is set an object never moves again, so it is read without the lock.
Bytes Store::readBack(const Object& object) {
  if (object.read_) {
    Bytes rows = object.read_();
    if (rows.size() != object.bytes_) throwError(ErrorKind::kLost, "a piece of a state on disk is not what was written");
    return rows;
  }
  Buffer frame, rows;
  frame.reserve(object.stored_);
  object.file_->read(object.offset_, frame.data(), object.stored_);
  frame.advance(object.stored_);
  std::uint64_t count = 0;
  absl::Status status = readFrame(frame.view(), rows, count);
  if (status.ok() && (count != object.rows_ || rows.size() != object.bytes_)) {
    status = absl::DataLossError("spilled rows are not those that were written");
  }
  if (!status.ok()) {
    throwError(ErrorKind::kLost, std::string(status.message()) + " (spill directory " + directory_ + ")");
  }
  return Bytes::of(std::move(rows));
}

// Takes some of the oldest objects off their lists. Those that may be computed again are just forgotten.
bool Store::collectVictims(std::vector<ObjectPtr>& victims) {
  MutexLock lock(mutex_);
  std::int64_t need = used_.load(std::memory_order_relaxed) - budget_, found = 0;
  for (List& list : lists_) {
    for (Object* object = list.oldest; object && found < need && std::uint64_t(found) < kWriteBatchBytes;) {
      Object* next = object->newer_;
      ObjectPtr held;
      if (object->pins_ == 0) held = object->weak_from_this().lock();
      if (held) {
        unlink(*object);
        if (object->droppable_ && object->bytes_ != 0) {
          object->gone_ = true;
          object->memory_ = {};
          charge(-std::int64_t(object->bytes_));
          freed_.fetch_add(object->bytes_, std::memory_order_relaxed);
          need -= std::int64_t(object->bytes_);
        } else {
          found += std::int64_t(object->bytes_);
        }
        victims.push_back(std::move(held));  // its last reference must go outside the lock
      }
      object = next;
    }
  }
  return !victims.empty();
}

void Store::writeOut(std::vector<ObjectPtr>& victims) {
  Buffer frames;
  std::vector<std::uint64_t> starts;
  for (const ObjectPtr& object : victims) {
    starts.push_back(frames.size());
    appendFrame(object->memory_.view(), object->rows_, frames);
  }
  std::shared_ptr<SpillFile> file;
  std::uint64_t base = 0;
  {
    MutexLock lock(fileMutex_);
    if (!file_ || file_->size() > kSpillFileBytes) file_ = std::make_shared<SpillFile>(directory_);
    file = file_;
    base = file->append(frames.view());
  }
  spilled_.fetch_add(frames.size(), std::memory_order_relaxed);
  std::vector<Bytes> release;
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < victims.size(); ++i) {
    Object& object = *victims[i];
    object.file_ = file, object.offset_ = base + starts[i];
    object.stored_ = (i + 1 < starts.size() ? starts[i + 1] : frames.size()) - starts[i];
    release.push_back(std::exchange(object.memory_, {}));
    free(object.bytes_);
  }
}

void Store::moveOut(const Rows& rows) {
  std::vector<ObjectPtr> victims;
  {
    MutexLock lock(mutex_);
    for (const Piece& piece : rows.pieces) {
      Object& object = *piece.object;
      if (!object.listed_ || object.pins_ != 0 || object.bytes_ == 0) continue;
      unlink(object);
      victims.push_back(piece.object);
    }
  }
  if (!victims.empty()) writeOutOrLink(victims);
}

// If the disk stays full they are in memory as before.
void Store::writeOutOrLink(std::vector<ObjectPtr>& victims) {
  try {
    onDisk([&] { writeOut(victims); });
  } catch (...) {
    MutexLock lock(mutex_);
    for (const ObjectPtr& object : victims) link(*object);
    throw;
  }
}

bool Store::letGo(std::uint64_t before) {
  MutexLock lock(letGoMutex_);
  if (letGoes_.load() != before) return true;
  if (!letGo_ || !letGo_()) return false;
  ++letGoes_;
  return true;
}

void Store::demote(const Rows& rows) {
  MutexLock lock(mutex_);
  for (const Piece& piece : rows.pieces) {
    Object& object = *piece.object;
    if (object.kind_ == ObjectKind::kLeft) continue;
    const bool listed = object.listed_;
    if (listed) unlink(object);
    object.kind_ = ObjectKind::kLeft;
    if (listed) link(object);
  }
}

void Store::makeRoom() {
  while (over()) {
    std::vector<ObjectPtr> victims;
    if (!collectVictims(victims)) break;  // all that is left is being read
    std::erase_if(victims, [](const ObjectPtr& object) { return object->gone_ || object->bytes_ == 0; });
    if (!victims.empty()) writeOutOrLink(victims);
  }
  trim();
}

void Store::trim() {
  if (freed_.load(std::memory_order_relaxed) < std::clamp(std::uint64_t(budget_) / 8, kTrimAfterAtLeast, kTrimAfterBytes)) return;
  freed_.store(0, std::memory_order_relaxed);
  ::malloc_trim(0);
}

}  // namespace sluice::executor
