#include "sluice/stack_views.h"

#include <pthread.h>

#include <cstdint>

namespace sluice {
inline namespace SLUICE_ABI {
namespace {

struct Bounds {
  std::uintptr_t low = 0, high = 0;
  Bounds() {
    pthread_attr_t attributes;
    void* address = nullptr;
    std::size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    if (pthread_attr_getstack(&attributes, &address, &size) == 0) low = reinterpret_cast<std::uintptr_t>(address), high = low + size;
    pthread_attr_destroy(&attributes);
  }
};

}  // namespace

bool onThisStack(const void* address) noexcept {
  // Not found out with pthread_getattr_np unless it lies near: that reads /proc on the main thread.
  char here;
  auto at = reinterpret_cast<std::uintptr_t>(address), now = reinterpret_cast<std::uintptr_t>(&here);
  constexpr std::uintptr_t kNear = std::uintptr_t(64) << 20;
  if (at + kNear < now || at > now + kNear) return false;
  thread_local const Bounds bounds;
  return at >= bounds.low && at < bounds.high;
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
