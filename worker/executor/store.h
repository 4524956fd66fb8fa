// The executor's objects: encoded rows that tasks, peers and the driver may ask for. They lie in memory until the budget
// is used up, then the oldest move to disk. One accountant counts everything that may grow.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "common/envelope.h"
#include "common/mutex.h"
#include "sluice/buffer.h"
#include "sluice/error.h"

namespace sluice::executor {

// In the order in which they leave memory. kLeft: segments that only later jobs may want.
enum class ObjectKind : std::uint8_t { kLeft, kBlock, kKept, kSegment, kState };
inline constexpr std::size_t kObjectKinds = 5;

class Store;
class SpillFile;

// A run of encoded rows, whole and unchanging. Any thread may hold one; it goes when nobody does.
class SLUICE_INTERNAL Object : public std::enable_shared_from_this<Object> {
 public:
  ~Object();
  std::uint64_t rows() const { return rows_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  friend class Store;
  friend class Pin;
  Store* store_ = nullptr;
  std::uint64_t rows_ = 0, bytes_ = 0;
  ObjectKind kind_ = ObjectKind::kSegment;
  std::function<Bytes()> read_;  // lies elsewhere: brings the rows
  bool droppable_ = false;  // leaves memory by being forgotten (a cache that may be computed again)
  // Guarded by the store's mutex.
  bool listed_ = false, gone_ = false;
  std::uint32_t pins_ = 0;
  Bytes memory_;
  std::shared_ptr<SpillFile> file_;
  std::uint64_t offset_ = 0, stored_ = 0;
  Object *older_ = nullptr, *newer_ = nullptr;
};
using ObjectPtr = std::shared_ptr<Object>;

// Keeps an object's rows in memory while they are read.
class SLUICE_INTERNAL Pin {
 public:
  Pin() = default;
  Pin(Pin&& other) noexcept { *this = std::move(other); }
  Pin& operator=(Pin&& other) noexcept {
    std::swap(object_, other.object_), std::swap(bytes_, other.bytes_), std::swap(charged_, other.charged_);
    return *this;
  }
  ~Pin();
  const Bytes& bytes() const { return bytes_; }
  std::string_view view() const { return bytes_.view(); }

 private:
  friend class Store;
  ObjectPtr object_;
  Bytes bytes_;
  std::uint64_t charged_ = 0;  // read from disk for this pin alone
};

// Part of an object list. Rows of keys whose bucket (0..63, by hash bits below those of the group) is in [low, high).
struct Piece {
  ObjectPtr object;
  std::uint8_t low = 0, high = 64;
  bool whole() const { return low == 0 && high == 64; }
};

// Rows in order, in pieces that end between two rows: a block, a segment, a kept partition, a result.
struct Rows {
  absl::InlinedVector<Piece, 1> pieces;
  std::uint64_t rows = 0, bytes = 0;
  std::shared_ptr<const Rows> state;  // beside the rows of a stateful node: the version of its state
  bool unique = false;  // of a state: no entry overtakes another
  std::uint64_t allBytes() const { return bytes + (state ? state->bytes : 0); }
  void add(Piece piece) { rows += piece.object->rows(), bytes += piece.object->bytes(), pieces.push_back(std::move(piece)); }
};
using RowsPtr = std::shared_ptr<const Rows>;

// A piece is cut when it has reached this size; nothing larger is read, sent or spilled at once (but for single chunks).
inline constexpr std::size_t kPieceBytes = 1 << 20;

class SLUICE_INTERNAL Store {
 public:
  // `directory` exists; spill files in it have no name, so nothing is left behind.
  Store(std::uint64_t budgetBytes, std::string directory);
  ~Store();  // all objects must be gone
  Store(const Store&) = delete;

  ObjectPtr put(ObjectKind kind, Bytes rows, std::uint64_t count, bool droppable = false);
  // Rows that lie elsewhere and are read when they are pinned: they take no memory until then.
  ObjectPtr putElsewhere(ObjectKind kind, std::uint64_t count, std::uint64_t bytes, std::function<Bytes()> read);
  // False: the object was forgotten to make room. Throws Error(kLost) if its file is damaged.
  bool pin(const ObjectPtr& object, Pin& pin);
  // The same without waiting for a disk: false if the rows would have to be read from one.
  bool pinInMemory(const ObjectPtr& object, Pin& pin);
  // Whether it still can be read.
  bool present(const Rows& rows);
  // They leave memory before all others from now on.
  void demote(const Rows& rows);
  // What is asked when the disk is full, by any thread and with no lock held but one of its own: whether it has let go of something that
  // can be done without.
  void onFull(std::function<bool()> letGo) { letGo_ = std::move(letGo); }
  // Writes to the disk, and again as often as something was let go meanwhile. What the last try throws is thrown.
  template <class Write> auto onDisk(Write write) {
    for (;;) {
      const std::uint64_t before = letGoes_.load();
      try {
        return write();
      } catch (const Error&) {
        if (!letGo(before)) throw;
      }
    }
  }
  // Adds the bytes that it takes in memory and on disk.
  void measure(const Rows& rows, std::uint64_t& memory, std::uint64_t& disk);

  // Bytes that are no object yet: open blocks, segments being written, operators' tables.
  void charge(std::int64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  // Of these, so many are free again. trim() gives them back to the system.
  void free(std::uint64_t bytes) {
    charge(-std::int64_t(bytes));
    freed_.fetch_add(bytes, std::memory_order_relaxed);
  }
  bool over() const { return used_.load(std::memory_order_relaxed) > budget_; }
  // Far above: whoever adds now must wait for the disk.
  bool wayOver() const { return used_.load(std::memory_order_relaxed) > budget_ + (32ll << 20); }
  // Moves these to disk now. Throws Error(kUnavailable) if the disk is full.
  void moveOut(const Rows& rows);
  // Moves the oldest objects to disk until the budget is met again. Throws Error(kUnavailable) if the disk is full.
  void makeRoom();
  std::int64_t budgetBytes() const { return budget_; }
  std::int64_t usedBytes() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t spilledBytes() const { return spilled_.load(std::memory_order_relaxed); }
  const std::string& directory() const { return directory_; }
  // Gives freed memory back to the system after much of it was freed. Takes a millisecond when it does something.
  void trim();

 private:
  friend class Object;
  friend class Pin;
  struct List {
    Object *oldest = nullptr, *newest = nullptr;
  };
  void link(Object& object) REQUIRES(mutex_);
  void unlink(Object& object) REQUIRES(mutex_);
  void forget(Object& object);
  void unpin(Pin& pin);
  bool collectVictims(std::vector<ObjectPtr>& victims);
  void writeOut(std::vector<ObjectPtr>& victims);
  void writeOutOrLink(std::vector<ObjectPtr>& victims);
  bool letGo(std::uint64_t before);
  Bytes readBack(const Object& object);

  const std::int64_t budget_;
  const std::string directory_;
  std::function<bool()> letGo_;
  Mutex letGoMutex_;  // before all others: who comes while somebody lets go waits for it
  std::atomic<std::uint64_t> letGoes_{0};
  std::atomic<std::int64_t> used_{0};
  std::atomic<std::uint64_t> spilled_{0}, freed_{0};
  Mutex mutex_;
  std::array<List, kObjectKinds> lists_ GUARDED_BY(mutex_);
  Mutex fileMutex_;
  std::shared_ptr<SpillFile> file_ GUARDED_BY(fileMutex_);
};

}  // namespace sluice::executor
