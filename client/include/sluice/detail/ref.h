// A counted pointer to the erased classes behind the public handles; their reference counts live in libsluice.
#pragma once
#include <utility>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// retain(T*) and release(T*) are found beside T. The handle is as thread-safe as a plain pointer, the count is atomic.
template <class T> class Ref {
 public:
  Ref() = default;
  explicit Ref(T* to) : to_(to) {
    if (to_) retain(to_);
  }
  // Takes over a reference that somebody holds already.
  static Ref adopt(T* to) {
    Ref ref;
    ref.to_ = to;
    return ref;
  }
  Ref(const Ref& other) : Ref(other.to_) {}
  Ref(Ref&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~Ref() {
    if (to_) release(to_);
  }

  T* get() const { return to_; }
  T* operator->() const { return to_; }
  T& operator*() const { return *to_; }
  explicit operator bool() const { return to_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.to_ == b.to_; }

 private:
  T* to_ = nullptr;
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
