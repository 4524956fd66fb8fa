// Memory for the records that operators make. A thread keeps some of it for the operators of its next task: pieces of this size, taken and given
// back by a tiny one, would have the system's allocator consolidate its free lists each time.
#pragma once
#include <cstddef>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Throws std::bad_alloc.
SLUICE_EXPORT void* takeChunkMemory(std::size_t bytes, std::size_t alignment);
// With the sizes that it was taken with; null: nothing.
SLUICE_EXPORT void giveChunkMemory(void* at, std::size_t bytes, std::size_t alignment) noexcept;

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
