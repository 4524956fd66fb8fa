// The table of all combiners: from keys to values of type C, in the order in which the keys came.
//
// Open addressing with the values in the slots. A key is compared by its canonical bytes: up to 16 of them lie in the slot as two words,
// longer ones in an arena; integers are themselves. The hash is the frozen one (its low bits; the high ones place keys in partitions).
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
  std::size_t memory() const { return capacity_ * sizeof(Slot) + order_.capacity() * sizeof(std::uint32_t) + arena_.memory(); }

  // found(value) if the key is there, else puts in what fresh() returns. Q is K or its view.
  template <class Q, class Fresh, class Found> void upsert(const Q& key, Fresh&& fresh, Found&& found) {
    if constexpr (kNumber) {
      upsertNumber(key, fresh, found);
    } else {
      withKeyBytes(key, [&](const char* bytes, std::size_t size) {
        if (size <= kLongest) [[likely]] upsertShort(bytes, size, fresh, found);
        else upsertLong(bytes, size, fresh, found);
      });
    }
  }
  // The value of the key, made by C() if it is new.
  template <class Q> C& operator[](const Q& key) {
    C* value = nullptr;
    upsert(key, [] { return C(); }, [&](C& there) { value = &there; });
    return value ? *value : slots_[order_.back()].value;
  }

  // By order of insertion.
  C& value(std::size_t i) { return slots_[order_[i]].value; }
  // Owned, decoded from what the slot holds.
  K key(std::size_t i) const {
    const SlotKey& key = slots_[order_[i]].key;
    if constexpr (kNumber) {
      return K(key.number);
    } else {
      char buffer[kLongest];
      std::string_view bytes = bytesOf(key, buffer);
      if constexpr (std::is_same_v<K, std::string>) return K(bytes);
      else return decoded<K>(bytes);
    }
  }

  void clear() {
    drop();
    slots_ = nullptr, capacity_ = 0, limit_ = 0;
    order_.clear();
    arena_.clear();
  }

 private:
  static std::uint64_t hashNumber(std::uint64_t number) {
    if constexpr (sizeof(K) >= 4) return detail::hash4to8(std::uint32_t(number), std::uint32_t(number >> (8 * (sizeof(K) - 4))), sizeof(K));
    else return hashBytes(reinterpret_cast<const char*>(&number), sizeof(K));
  }
  static std::uint64_t numberOf(K key) {
    std::uint64_t number = 0;
    std::memcpy(&number, &key, sizeof key);
    return number;
  }

  template <class Fresh, class Found> void upsertNumber(K key, Fresh& fresh, Found& found) {
    if (capacity_ == 0) [[unlikely]] grow();
    std::uint64_t number = numberOf(key), hash = hashNumber(number);
    for (std::size_t i = hash & (capacity_ - 1);; i = (i + 1) & (capacity_ - 1)) {
      Slot& slot = slots_[i];
      if (slot.key.tag == 0) return insert(i, SlotKey{number, 1}, hash, fresh);
      if (slot.key.number == number) return found(slot.value);
    }
  }

  template <class Fresh, class Found> void upsertShort(const char* bytes, std::size_t size, Fresh& fresh, Found& found) {
    if (capacity_ == 0) [[unlikely]] grow();
    detail::ShortKey words;
    std::uint64_t hash;
    if (size > 8) {
      words = {detail::load64(bytes), detail::load64(bytes + size - 8)};
      hash = detail::hash9to16(words.a, words.b, size);
    } else if (size >= 4) {
      words = {detail::load32(bytes), detail::load32(bytes + size - 4)};
      hash = detail::hash4to8(std::uint32_t(words.a), std::uint32_t(words.b), size);
    } else {
      words = detail::shortKey(bytes, size);
      hash = detail::hashShort(words, size);
    }
    std::uint32_t tag = std::uint32_t(size) + 1;
    for (std::size_t i = hash & (capacity_ - 1);; i = (i + 1) & (capacity_ - 1)) {
      Slot& slot = slots_[i];
      if (((slot.key.a ^ words.a) | (slot.key.b ^ words.b) | (slot.key.tag ^ tag)) == 0) return found(slot.value);
      if (slot.key.tag == 0) return insert(i, SlotKey{words.a, words.b, tag}, hash, fresh);
    }
  }

  template <class Fresh, class Found> [[gnu::noinline]] void upsertLong(const char* bytes, std::size_t size, Fresh& fresh, Found& found) {
    if (capacity_ == 0) grow();
    if (size > UINT32_MAX - 1) throwError(ErrorKind::kInvalidArgument, "a key of 4 GiB or more; use a shorter key");
    std::uint64_t hash = hashLong(bytes, size);
    std::uint32_t tag = std::uint32_t(size) + 1;
    for (std::size_t i = hash & (capacity_ - 1);; i = (i + 1) & (capacity_ - 1)) {
      Slot& slot = slots_[i];
      if (slot.key.b == hash && slot.key.tag == tag && std::memcmp(reinterpret_cast<const char*>(slot.key.a), bytes, size) == 0)
        return found(slot.value);
      if (slot.key.tag == 0) {
        auto kept = reinterpret_cast<std::uint64_t>(arena_.add(bytes, size));
        return insert(i, SlotKey{kept, hash, tag}, hash, fresh);
      }
    }
  }

  template <class Fresh> [[gnu::noinline]] void insert(std::size_t i, SlotKey key, std::uint64_t hash, Fresh& fresh) {
    if (order_.size() == limit_) {
      grow();
      i = hash & (capacity_ - 1);
      while (slots_[i].key.tag != 0) i = (i + 1) & (capacity_ - 1);
    }
    new (&slots_[i].value) C(fresh());
    slots_[i].key = key;
    order_.push_back(std::uint32_t(i));  // has room since grow()
  }

  static std::uint64_t hashOf(const SlotKey& key) {
    if constexpr (kNumber) return hashNumber(key.number);
    else return key.tag > kLongest + 1 ? key.b : detail::hashShort({key.a, key.b}, key.tag - 1);
  }

  static std::string_view bytesOf(const detail::BytesSlotKey& key, char* buffer) {
    std::size_t size = key.tag - 1;
    if (size > kLongest) return {reinterpret_cast<const char*>(key.a), size};
    if (size > 8) {
      std::memcpy(buffer, &key.a, 8), std::memcpy(buffer + size - 8, &key.b, 8);
    } else if (size >= 4) {
      std::memcpy(buffer, &key.a, 4), std::memcpy(buffer + size - 4, &key.b, 4);
    } else if (size > 0) {
      buffer[0] = char(key.a >> 16), buffer[size >> 1] = char(key.a >> 24), buffer[size - 1] = char(key.a);
    }
    return {buffer, size};
  }

  [[gnu::noinline]] void grow() {
    std::size_t capacity = capacity_ == 0 ? 32 : capacity_ * 2;
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
    slots_ = slots, capacity_ = capacity, limit_ = limit;
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
  static void release(Slot* slots) { std::free(slots); }
  void drop() {
    if constexpr (!std::is_trivially_destructible_v<C>)
      for (std::uint32_t at : order_) slots_[at].value.~C();
    release(slots_);
  }

  Slot* slots_ = nullptr;
  std::size_t capacity_ = 0, limit_ = 0;
  std::vector<std::uint32_t> order_;
  detail::Arena arena_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
