// Where kept partitions live (Spark's StorageLevel). Everything kept is encoded, so Spark's _SER levels mean the same as the plain ones, and
// there is no OFF_HEAP, since nothing lies on a heap. The standard level of persist() and cache() is MEMORY_ONLY.
#pragma once
#include <cstdint>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

struct StorageLevel {
  bool memory = false;  // stays in memory while the executor's budget allows
  bool disk = false;  // goes to disk when memory is short; else it is dropped and recomputed
  std::uint32_t copies = 1;  // on different executors; what is lost with all of them is recomputed
  friend constexpr bool operator==(StorageLevel, StorageLevel) = default;
  // False for NONE only.
  constexpr bool isKept() const { return memory || disk; }

  static const StorageLevel NONE, DISK_ONLY, DISK_ONLY_2, DISK_ONLY_3, MEMORY_ONLY, MEMORY_ONLY_2, MEMORY_ONLY_SER, MEMORY_ONLY_SER_2, MEMORY_AND_DISK,
      MEMORY_AND_DISK_2, MEMORY_AND_DISK_SER, MEMORY_AND_DISK_SER_2;
};

inline constexpr StorageLevel StorageLevel::NONE{};
inline constexpr StorageLevel StorageLevel::DISK_ONLY{false, true, 1};
inline constexpr StorageLevel StorageLevel::DISK_ONLY_2{false, true, 2};
inline constexpr StorageLevel StorageLevel::DISK_ONLY_3{false, true, 3};
inline constexpr StorageLevel StorageLevel::MEMORY_ONLY{true, false, 1};
inline constexpr StorageLevel StorageLevel::MEMORY_ONLY_2{true, false, 2};
inline constexpr StorageLevel StorageLevel::MEMORY_ONLY_SER{true, false, 1};
inline constexpr StorageLevel StorageLevel::MEMORY_ONLY_SER_2{true, false, 2};
inline constexpr StorageLevel StorageLevel::MEMORY_AND_DISK{true, true, 1};
inline constexpr StorageLevel StorageLevel::MEMORY_AND_DISK_2{true, true, 2};
inline constexpr StorageLevel StorageLevel::MEMORY_AND_DISK_SER{true, true, 1};
inline constexpr StorageLevel StorageLevel::MEMORY_AND_DISK_SER_2{true, true, 2};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
