// The result of an action that runs in the background: RDD::countAsync and its like.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

class AsyncAction;
SLUICE_EXPORT void retain(AsyncAction*) noexcept;
SLUICE_EXPORT void release(AsyncAction*) noexcept;
using AsyncRef = Ref<AsyncAction>;

// What the action does, once, on a thread of the engine's.
class SLUICE_EXPORT AsyncBody {
 public:
  AsyncBody() = default;
  AsyncBody(const AsyncBody&) = delete;
  AsyncBody& operator=(const AsyncBody&) = delete;
  virtual ~AsyncBody();
  virtual void run() = 0;
};
// Takes ownership of the body.
SLUICE_EXPORT AsyncRef startAsync(ContextCore& context, AsyncBody* body, const char* name, CallSite site);
// False: the time is up. atMost null: without end. Throws nothing of the action's.
SLUICE_EXPORT bool wait(AsyncAction& action, const Duration* atMost);
// The body once it has run; throws what the action threw, or Error(kUnavailable) when the time is up.
SLUICE_EXPORT AsyncBody& result(AsyncAction& action, const Duration* atMost);
SLUICE_EXPORT void cancel(AsyncAction& action, CallSite site);
SLUICE_EXPORT bool isCompleted(const AsyncAction& action);
SLUICE_EXPORT bool isCancelled(const AsyncAction& action);
SLUICE_EXPORT std::vector<std::int64_t> jobIds(const AsyncAction& action);
// Runs the body (owned) when the action is over; at once if it is.
SLUICE_EXPORT void onComplete(AsyncAction& action, AsyncBody* then);

template <class R> class AsyncResult : public AsyncBody {
 public:
  std::optional<R> value;
};
template <> class AsyncResult<void> : public AsyncBody {};

template <class R, class F> class AsyncBodyOf final : public AsyncResult<R> {
 public:
  explicit AsyncBodyOf(F f) : f_(std::move(f)) {}
  void run() override {
    if constexpr (std::is_void_v<R>) f_();
    else this->value.emplace(f_());
  }

 private:
  F f_;
};

}  // namespace detail

// Copies stand for the same action. Any thread may use one; the action goes on when nobody holds it any more. It ends with its Context.
template <class R> class FutureAction {
 public:
  explicit FutureAction(detail::AsyncRef action) : action_(std::move(action)) {}

  // Waits for the result, which lives as long as a handle does; throws what the action failed of, Error(kCancelled) if it was cancelled.
  decltype(auto) get() const& { return of(detail::result(*action_, nullptr)); }
  R get() && { return of(detail::result(*action_, nullptr)); }
  // As get(), for so long at most: then Error(kUnavailable), and the action goes on.
  decltype(auto) get(Duration atMost) const& { return of(detail::result(*action_, &atMost)); }
  R get(Duration atMost) && { return of(detail::result(*action_, &atMost)); }
  // Whether it is over, after so long at most, however it ended.
  bool wait(Duration atMost) const { return detail::wait(*action_, &atMost); }

  bool isCompleted() const { return detail::isCompleted(*action_); }
  // Whether cancel() was called before it was over.
  bool isCancelled() const { return detail::isCancelled(*action_); }
  // Ends its jobs, as Context::cancelJob does. Returns at once.
  void cancel(CallSite at = CallSite::here()) const { detail::cancel(*action_, at); }
  // The jobs that it has begun so far: takeAsync runs several, one after the other.
  std::vector<std::int64_t> jobIds() const { return detail::jobIds(*action_); }
  // Calls f(const FutureAction<R>&) once the action is over, on its thread, or at once on this one. What f throws is logged.
  template <class F> void onComplete(F f) const {
    auto call = [f = std::move(f), self = *this]() mutable { f(std::as_const(self)); };
    detail::onComplete(*action_, new detail::AsyncBodyOf<void, decltype(call)>(std::move(call)));
  }
  const detail::AsyncRef& core() const { return action_; }

 private:
  static std::add_lvalue_reference_t<const R> of([[maybe_unused]] detail::AsyncBody& body) {
    if constexpr (!std::is_void_v<R>) return *static_cast<detail::AsyncResult<R>&>(body).value;
  }
  detail::AsyncRef action_;
};

namespace detail {

template <class R, class F> FutureAction<R> async(ContextCore& context, const char* name, CallSite site, F body) {
  return FutureAction<R>(startAsync(context, new AsyncBodyOf<R, F>(std::move(body)), name, site));
}

}  // namespace detail

}  // inline namespace SLUICE_ABI
}  // namespace sluice
