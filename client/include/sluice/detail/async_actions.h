// Actions of RDD that run in the background. Self is RDD<T>.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/detail/build.h"
#include "sluice/future_action.h"
#include "sluice/ops/foreach.h"
#include "sluice/ops/map_partitions.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

template <class Self, class T> class AsyncActions {
 public:
  FutureAction<std::int64_t> countAsync(CallSite at = CallSite::here()) const {
    return begin<std::int64_t>("countAsync", at, [rdd = self(), at] { return rdd.count(at); });
  }
  FutureAction<std::vector<owned_t<T>>> collectAsync(CallSite at = CallSite::here()) const {
    return begin<std::vector<owned_t<T>>>("collectAsync", at, [rdd = self(), at] { return rdd.collect(at); });
  }
  // The first n records. Runs more partitions as long as there are too few.
  FutureAction<std::vector<owned_t<T>>> takeAsync(std::int64_t n, CallSite at = CallSite::here()) const {
    return begin<std::vector<owned_t<T>>>("takeAsync", at, [rdd = self(), n, at] { return rdd.take(n, at); });
  }
  template <class F> FutureAction<void> foreachAsync(F f, CallSite at = CallSite::here()) const {
    if constexpr (!usable<F, T>()) return FutureAction<void>({});
    else return effects<ops::Foreach<T, F>>(std::move(f), "foreachAsync", at);
  }
  // f(sluice::Iterator<T>&), once for each partition.
  template <class F> FutureAction<void> foreachPartitionAsync(F f, CallSite at = CallSite::here()) const {
    if constexpr (!kShippable<F>) return usable<F, Iterator<T>>(), FutureAction<void>({});
    else if constexpr (!std::is_invocable_v<F&, Iterator<T>&>) {
      static_assert(never<F>, "sluice: foreachPartitionAsync needs a function that takes sluice::Iterator<T>&");
      return FutureAction<void>({});
    } else return effects<ops::ForeachPartition<T, F>>(std::move(f), "foreachPartitionAsync", at);
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
  template <class R, class F> FutureAction<R> begin(const char* name, CallSite at, F body) const {
    return async<R>(*contextOf(self().node()), name, at, std::move(body));
  }
  template <class Op, class F> FutureAction<void> effects(F f, const char* name, CallSite at) const {
    auto node = step<T>(self().node(), Op::of(std::move(f)), Method{name, at, false});
    return begin<void>(name, at, [node, name, at] { runForEffects(node, name, at); });
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
