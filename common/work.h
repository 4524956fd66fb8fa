// A move-only callable without arguments; up to 56 bytes of captures need no allocation.
#pragma once
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace sluice {

class Work {
 public:
  Work() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Work> && std::is_invocable_v<std::decay_t<F>&>)
  Work(F&& f) {  // NOLINT: as std::function, made from any callable
    using Body = std::decay_t<F>;
    if constexpr (sizeof(Body) <= kInline && alignof(Body) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Body>) {
      new (static_cast<void*>(place_)) Body(std::forward<F>(f));
      ops_ = &kInPlace<Body>;
    } else {
      new (static_cast<void*>(place_)) Body*(new Body(std::forward<F>(f)));
      ops_ = &kOnHeap<Body>;
    }
  }
  Work(Work&& other) noexcept : ops_(std::exchange(other.ops_, nullptr)) {
    if (ops_) ops_->move(other.place_, place_);
  }
  Work& operator=(Work&& other) noexcept {
    if (this == &other) return *this;
    reset();
    if ((ops_ = std::exchange(other.ops_, nullptr))) ops_->move(other.place_, place_);
    return *this;
  }
  ~Work() { reset(); }

  explicit operator bool() const { return ops_ != nullptr; }
  void operator()() { ops_->call(place_); }

 private:
  static constexpr std::size_t kInline = 56;
  struct Ops {
    void (*call)(void*);
    void (*move)(void* from, void* to);  // leaves `from` destroyed
    void (*destroy)(void*);
  };
  template <class Body>
  static constexpr Ops kInPlace{[](void* p) { (*static_cast<Body*>(p))(); },
                                [](void* from, void* to) {
                                  new (to) Body(std::move(*static_cast<Body*>(from)));
                                  static_cast<Body*>(from)->~Body();
                                },
                                [](void* p) { static_cast<Body*>(p)->~Body(); }};
  template <class Body>
  static constexpr Ops kOnHeap{[](void* p) { (**static_cast<Body**>(p))(); },
                               [](void* from, void* to) { new (to) Body*(*static_cast<Body**>(from)); },
                               [](void* p) { delete *static_cast<Body**>(p); }};

  void reset() {
    if (ops_) std::exchange(ops_, nullptr)->destroy(place_);
  }

  alignas(std::max_align_t) std::byte place_[kInline];
  const Ops* ops_ = nullptr;
};

}  // namespace sluice
