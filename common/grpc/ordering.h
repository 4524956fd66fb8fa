// gRPC orders what one thread does before it starts an operation before what another does after its end.
// ThreadSanitizer cannot see that, because the packaged gRPC is not instrumented; so it is told.
#pragma once

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace sluice {

inline void handedToGrpc([[maybe_unused]] void* what) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(what);
#endif
}
inline void takenFromGrpc([[maybe_unused]] void* what) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(what);
#endif
}

}  // namespace sluice
