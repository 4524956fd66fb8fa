#include "sluice/chunk_memory.h"

#include <new>

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

constexpr std::size_t kBlock = 16 * 1024;  // as large as chunkRecords() makes any chunk of more than one record
constexpr std::size_t kSmall = 1024;       // what malloc keeps by thread itself
constexpr int kMost = 8;

thread_local bool ends = false;  // of the thread: what it kept has gone (no destructor, so it may be asked to the last)
struct Kept {
  void* at[kMost];
  int count = 0;
  ~Kept() {
    ends = true;
    while (count > 0) ::operator delete(at[--count]);
  }
};
thread_local Kept kept;

bool isKept(std::size_t bytes, std::size_t alignment) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;  // they are to see who touches what has gone
#else
  return bytes > kSmall && bytes <= kBlock && alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
#endif
}

}  // namespace

void* takeChunkMemory(std::size_t bytes, std::size_t alignment) {
  if (!isKept(bytes, alignment)) return ::operator new(bytes, std::align_val_t(alignment));
  if (!ends && kept.count > 0) return kept.at[--kept.count];
  return ::operator new(kBlock);
}

void giveChunkMemory(void* at, std::size_t bytes, std::size_t alignment) noexcept {
  if (!at) return;
  if (!isKept(bytes, alignment)) return ::operator delete(at, std::align_val_t(alignment));
  if (ends || kept.count == kMost) return ::operator delete(at);
  kept.at[kept.count++] = at;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
