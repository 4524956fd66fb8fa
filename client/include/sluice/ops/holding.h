// What an operator holds and cannot spill, as the task counts it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/codec.h"
#include "sluice/error.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class C>
concept KnowsItsMemory = requires(const C& c) { c.memory(); };

// What a value holds outside of its slot, roughly.
template <class V> std::size_t heldBytes(const V& value) {
  if constexpr (KnowsItsMemory<V>) return value.memory();
  else if constexpr (std::is_trivially_destructible_v<V>) return 0;
  else if constexpr (kEncodable<V>) return sizeof(V) + Codec<V>::bound(value);
  else return sizeof(V);
}

// Gives it back at the operator's end, which the task outlives.
class Holding {
 public:
  Holding() = default;
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;
  ~Holding() {
    if (task_) task_->hold(-held_);
  }
  // False: the executor has not so much. Changes of a few kilobytes are not told.
  bool now(TaskContext& task, std::size_t bytes) {
    std::int64_t more = std::int64_t(bytes) - held_;
    if (more < kTold && more > -kTold) return true;
    task_ = &task, held_ += more;
    return task.hold(more);
  }

 private:
  static constexpr std::int64_t kTold = 64 << 10;
  TaskContext* task_ = nullptr;
  std::int64_t held_ = 0;
};

[[noreturn]] SLUICE_EXPORT void throwKeysTooLarge();    // of a partition, in a table
[[noreturn]] SLUICE_EXPORT void throwValuesTooLarge();  // of one key
[[noreturn]] SLUICE_EXPORT void throwPartitionTooLarge();

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
