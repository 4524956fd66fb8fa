// The table of all combiners: from keys to values of type C, in the order in which the keys came.
//
// Open addressing with the values in the slots. A key is compared by its canonical bytes: up to 16 of them lie in the slot as two words,
// longer ones in an arena; integers are themselves. Where a key lies in here is nobody else's business, so short keys have a hash that
// costs one multiplication.
// Owned by one operator, used by one thread. References to values are valid until the next insertion.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/abi.h"
#include "sluice/codec.h"
#include "sluice/hash.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Bytes that stay where they are until clear().
class SLUICE_HIDDEN Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { clear(); }
  const char* add(const char* bytes, std::size_t size) {
    if (size > std::size_t(end_ - at_)) grow(size);
    std::memcpy(at_, bytes, size);
    return std::exchange(at_, at_ + size);
  }
  std::size_t memory() const { return memory_; }
  void clear() {
    for (char* block : blocks_) delete[] block;
    blocks_.clear();
    at_ = end_ = nullptr;
    memory_ = 0;
  }

 private:
  [[gnu::noinline]] void grow(std::size_t size) {
    std::size_t block = memory_ < 4096 ? 4096 : memory_ > (1u << 20) ? 1u << 20 : memory_;
    if (block < size) block = size;
    blocks_.reserve(blocks_.size() + 1);
    blocks_.push_back(new char[block]);
    at_ = blocks_.back(), end_ = at_ + block, memory_ += block;
  }
  std::vector<char*> blocks_;
  char* at_ = nullptr;
  char* end_ = nullptr;
  std::size_t memory_ = 0;
};

template <class K> constexpr bool kNumberKey = std::is_integral_v<K> || std::is_enum_v<K>;

SLUICE_HIDDEN inline constexpr std::uint64_t kKeep[17][2] = {
    {0, 0}, {0xff, 0}, {0xffff, 0}, {0xffffff, 0}, {0xffffffff, 0}, {0xffffffffff, 0}, {0xffffffffffff, 0}, {0xffffffffffffff, 0},
    {~0ull, 0}, {~0ull, 0xff}, {~0ull, 0xffff}, {~0ull, 0xffffff}, {~0ull, 0xffffffff}, {~0ull, 0xffffffffff}, {~0ull, 0xffffffffffff},
    {~0ull, 0xffffffffffffff}, {~0ull, ~0ull}};

// The first 16 bytes at `at`, zero from `size` on. Reads past the end of the key, but not past the end of its page.
inline ShortKey paddedKey(const char* at, std::size_t size) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (((reinterpret_cast<std::uintptr_t>(at) - 1) & 4095) < 4080) [[likely]]  // not so for a null pointer
    return {load64(at) & kKeep[size][0], load64(at + 8) & kKeep[size][1]};
#endif
  ShortKey key{0, 0};
  if (size != 0) std::memcpy(&key, at, size);
  return key;
}

inline std::uint64_t mixKey(std::uint64_t a, std::uint64_t b) {
  auto product = static_cast<uint128>(a ^ 0x9fb21c651e98df25ull) * (b ^ 0xc2b2ae3d27d4eb4full);
  return std::uint64_t(product) ^ std::uint64_t(product >> 64);
}

// A key as a slot holds it.
struct NumberSlotKey {
  std::uint64_t number;
  std::uint32_t tag = 0;  // 0: the slot is empty
};
struct BytesSlotKey {
  std::uint64_t a, b;     // of a short key its two words; of a long one its address and its hash
  std::uint32_t tag = 0;  // 0: the slot is empty; else the size + 1
};

}  // namespace detail

template <class K, class C> class SLUICE_HIDDEN KeyTable {
  static_assert(kKeyable<K>, "sluice: this type cannot be a key; keys are numbers, enums, text, and pairs, tuples, vectors, ordered containers and "
                             "structs with SLUICE_FIELDS of them");
  static_assert(std::is_nothrow_move_constructible_v<C> || std::is_copy_constructible_v<C>);
  static constexpr bool kNumber = detail::kNumberKey<K>;
  static constexpr std::uint32_t kLongest = 16;
  using SlotKey = std::conditional_t<kNumber, detail::NumberSlotKey, detail::BytesSlotKey>;

  struct Slot {
    SlotKey key;
    union { C value; };
    Slot() {}
    ~Slot() {}
  };

 public:
  KeyTable() = default;
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;
  ~KeyTable() { drop(); }

  std::size_t size() const { return order_.size(); }
  bool empty() const { return order_.empty(); }
  // Bytes held, without what values hold themselves.
  std::size_t memory() const { return (limit_ ? (mask_ + 1) * sizeof(Slot) : 0) + order_.capacity() * sizeof(std::uint32_t) + arena_.memory(); }

  // found(value) if the key is there, else puts in what fresh() returns. Q is K or its view.
  template <class Q, class Fresh, class Found> [[gnu::always_inline]] inline void upsert(const Q& key, Fresh&& fresh, Found&& found) {
    if constexpr (kNumber) {
      upsertAt(locateNumber(key), fresh, found);
    } else {
      withKeyBytes(key, [&](const char* bytes, std::size_t size) __attribute__((always_inline)) {
        upsertAt(size <= kLongest ? locateShort(bytes, size) : locateLong(bytes, size), fresh, found);
      });
    }
  }
  // The value of the key, made by C() if it is new.
  template <class Q> C& operator[](const Q& key) {
    C* value = nullptr;
    upsert(key, [] { return C(); }, [&](C& there) { value = &there; });
    return value ? *value : slots_[order_.back()].value;
  }

  // Null: not there. Valid until the next insertion.
  template <class Q> C* find(const Q& key) {
    C* value = nullptr;
    auto look = [&](const Place& place) {
      if (place.slot->key.tag != 0) value = &place.slot->value;
    };
    if constexpr (kNumber) {
      look(locateNumber(key));
    } else {
      withKeyBytes(key, [&](const char* bytes, std::size_t size) { look(size <= kLongest ? locateShort(bytes, size) : locateLong(bytes, size)); });
    }
    return value;
  }
  template <class Q> bool contains(const Q& key) {
    if constexpr (kNumber) {
      return locateNumber(key).slot->key.tag != 0;
    } else {
      return withKeyBytes(key, [&](const char* bytes, std::size_t size) {
        return (size <= kLongest ? locateShort(bytes, size) : locateLong(bytes, size)).slot->key.tag != 0;
      });
    }
  }

  // By order of insertion.
  C& value(std::size_t i) { return slots_[order_[i]].value; }
  // Owned, decoded from what the slot holds.
  K key(std::size_t i) const {
    const SlotKey& key = slots_[order_[i]].key;
    if constexpr (kNumber) {
      return K(key.number);
    } else {
      std::string_view bytes = bytesOf(key);
      if constexpr (std::is_same_v<K, std::string>) return K(bytes);
      else return decoded<K>(bytes);
    }
  }

  void clear() {
    drop();
    slots_ = none(), mask_ = 0, limit_ = 0;
    order_.clear();
    arena_.clear();
  }

 private:
  // Where a key is, or (an empty slot) where it would go.
  struct Place {
    Slot* slot;
    SlotKey key;  // of a long key: the caller's bytes, not yet the arena's
    std::uint64_t hash;
  };

  template <class Fresh, class Found> [[gnu::always_inline]] inline void upsertAt(const Place& place, Fresh& fresh, Found& found) {
    if (place.slot->key.tag != 0) [[likely]] found(place.slot->value);
    else insert(place.slot, place.key, place.hash, fresh());
  }

  static std::uint64_t hashNumber(std::uint64_t number) { return detail::mixKey(number, 0); }

  [[gnu::always_inline]] inline Place locateNumber(K key) const {
    std::uint64_t number = 0;
    std::memcpy(&number, &key, sizeof key);
    std::uint64_t hash = hashNumber(number);
    std::size_t i = hash & mask_;
    while (slots_[i].key.number != number && slots_[i].key.tag != 0) i = (i + 1) & mask_;
    return {&slots_[i], {number, 1}, hash};
  }

  [[gnu::always_inline]] inline Place locateShort(const char* bytes, std::size_t size) const {
    detail::ShortKey words = detail::paddedKey(bytes, size);
    std::uint32_t tag = std::uint32_t(size) + 1;
    std::uint64_t hash = detail::mixKey(words.a, words.b + tag);
    std::size_t i = hash & mask_;
    for (;; i = (i + 1) & mask_) {
      const SlotKey& key = slots_[i].key;
      if (((key.a ^ words.a) | (key.b ^ words.b) | (key.tag ^ tag)) == 0) [[likely]] break;
      if (key.tag == 0) break;
    }
    return {&slots_[i], {words.a, words.b, tag}, hash};
  }

  [[gnu::noinline]] Place locateLong(const char* bytes, std::size_t size) const {
    if (size > UINT32_MAX - 1) throwError(ErrorKind::kInvalidArgument, "a key of 4 GiB or more; use a shorter key");
    std::uint64_t hash = hashLong(bytes, size);
    std::uint32_t tag = std::uint32_t(size) + 1;
    std::size_t i = hash & mask_;
    for (;; i = (i + 1) & mask_) {
      const SlotKey& key = slots_[i].key;
      if (key.tag == 0) break;
      if (key.b == hash && key.tag == tag && std::memcmp(reinterpret_cast<const char*>(key.a), bytes, size) == 0) break;
    }
    return {&slots_[i], {reinterpret_cast<std::uint64_t>(bytes), hash, tag}, hash};
  }

  [[gnu::noinline]] void insert(Slot* slot, SlotKey key, std::uint64_t hash, C&& value) {
    if (order_.size() == limit_) {
      grow();
      std::size_t i = hash & mask_;
      while (slots_[i].key.tag != 0) i = (i + 1) & mask_;
      slot = &slots_[i];
    }
    if constexpr (!kNumber)
      if (key.tag > kLongest + 1) key.a = reinterpret_cast<std::uint64_t>(arena_.add(reinterpret_cast<const char*>(key.a), key.tag - 1));
    new (&slot->value) C(std::move(value));
    slot->key = key;
    order_.push_back(std::uint32_t(slot - slots_));  // has room since grow()
  }

  static std::uint64_t hashOf(const SlotKey& key) {
    if constexpr (kNumber) return hashNumber(key.number);
    else return key.tag > kLongest + 1 ? key.b : detail::mixKey(key.a, key.b + key.tag);
  }

  static std::string_view bytesOf(const detail::BytesSlotKey& key) {
    std::size_t size = key.tag - 1;
    return {size > kLongest ? reinterpret_cast<const char*>(key.a) : reinterpret_cast<const char*>(&key), size};
  }

  [[gnu::noinline]] void grow() {
    std::size_t capacity = limit_ == 0 ? 32 : (mask_ + 1) * 2;
    if (capacity > (std::size_t(1) << 32)) throwError(ErrorKind::kInvalidArgument, "more than 2^31 different keys in one partition; use more partitions");
    std::size_t limit = capacity / 8 * 5;
    order_.reserve(limit);
    Slot* slots = allocate(capacity);
    for (std::uint32_t& at : order_) {
      Slot& from = slots_[at];
      std::size_t i = hashOf(from.key) & (capacity - 1);
      while (slots[i].key.tag != 0) i = (i + 1) & (capacity - 1);
      new (&slots[i].value) C(std::move(from.value));
      slots[i].key = from.key;
      from.value.~C();
      at = std::uint32_t(i);
    }
    release(slots_);
    slots_ = slots, mask_ = capacity - 1, limit_ = limit;
  }

  static Slot* allocate(std::size_t n) {
    void* memory;
    if constexpr (alignof(Slot) <= alignof(std::max_align_t)) {
      memory = std::calloc(n, sizeof(Slot));
    } else {
      memory = std::aligned_alloc(alignof(Slot), n * sizeof(Slot));
      if (memory) std::memset(memory, 0, n * sizeof(Slot));
    }
    if (!memory) throw std::bad_alloc();
    return static_cast<Slot*>(memory);
  }
  static void release(Slot* slots) {
    if (slots != none()) std::free(slots);
  }
  void drop() {
    if constexpr (!std::is_trivially_destructible_v<C>)
      for (std::uint32_t at : order_) slots_[at].value.~C();
    release(slots_);
  }

  // What an empty table has: one empty slot.
  static Slot* none() {
    alignas(Slot) static constexpr unsigned char kNone[sizeof(Slot)] = {};
    return reinterpret_cast<Slot*>(const_cast<unsigned char*>(kNone));
  }

  Slot* slots_ = none();
  std::size_t mask_ = 0, limit_ = 0;  // limit_: keys that these slots take
  std::vector<std::uint32_t> order_;
  detail::Arena arena_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
