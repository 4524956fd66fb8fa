// Actions: each runs a job, blocks, and throws what the job failed of.
#pragma once
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sluice/detail/rdd_order.h"
#include "sluice/ops/foreach.h"
#include "sluice/ops/reduce.h"
#include "sluice/ops/take.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

struct Largest {
  template <class T> T operator()(T a, const T& b) const { return a < b ? b : a; }
};
struct Smallest {
  template <class T> T operator()(T a, const T& b) const { return b < a ? b : a; }
};

template <class Less> struct LargestBy {
  using SluiceInner = Less;
  Less f;
  template <class A, class B> A operator()(A a, const B& b) { return f(std::as_const(a), b) ? A(b) : std::move(a); }
};
template <class Less> struct SmallestBy {
  using SluiceInner = Less;
  Less f;
  template <class A, class B> A operator()(A a, const B& b) { return f(b, std::as_const(a)) ? A(b) : std::move(a); }
};

template <class T> class RddActions : public RddOrder<T> {
  using Base = RddOrder<T>;
  using Own = owned_t<T>;

 public:
  using typename Base::By;
  using typename Base::Nothing;
  using typename Base::Key;
  using typename Base::Value;

  std::vector<Own> collect(CallSite at = CallSite::here()) const {
    if constexpr (!stores<T>()) return {};
    else return decodeAll<Own>(runJob(node_, "collect", at));
  }
  std::int64_t count(CallSite at = CallSite::here()) const {
    std::int64_t sum = 0;
    auto counted = step<std::int64_t>(node_, ops::Count<T>::of(), method("count", at));
    for (auto n : decodeAll<std::int64_t>(runJob(counted, "count", at))) sum += n;
    return sum;
  }
  // f(T, T) -> T, associative and commutative. Error(kInvalidArgument) if there are no records.
  template <class F> Own reduce(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !stores<T>() || !usable<F, Own, T>()) return Own{};
    else {
      auto parts = partial<Own>(node_, ops::Reduce<T, F>::of(f), method("reduce", at));
      if (parts.empty()) throwError(ErrorKind::kInvalidArgument, "reduce: the RDD is empty; use fold, which has a value to begin with");
      Own all = std::move(parts[0]);
      for (std::size_t i = 1; i < parts.size(); ++i) all = ops::mergeInto<Own>(f, all, parts[i]);
      return all;
    }
  }
  // As reduce, beginning from `zero` in each partition and between them.
  template <class F> Own fold(const Own& zero, F f, CallSite at = CallSite::here()) const { return aggregate(zero, f, f, at); }
  // f(A, T) -> A in each partition, combine(A, A) -> A between them.
  template <class A, class SeqF, class CombF> owned_t<A> aggregate(const A& zero, SeqF f, CombF combine, CallSite at = CallSite::here()) const {
    using Sum = owned_t<A>;
    if constexpr (kBroken || !stores<A>() || !usable<SeqF, Sum, T>()) return Sum{};
    else {
      Sum all(zero);
      for (auto& part : partial<Sum>(node_, ops::Aggregate<T, Sum, SeqF>::of(all, std::move(f)), method("aggregate", at))) {
        all = ops::mergeInto<Sum>(combine, all, part);
      }
      return all;
    }
  }
  // The first n records, in order of partitions; computes no more of them than it must.
  std::vector<Own> take(std::int64_t n, CallSite at = CallSite::here()) const {
    std::vector<Own> taken;
    if constexpr (stores<T>()) {
      if (n <= 0) return taken;
      auto first = step<T>(node_, ops::Take<T>::of(std::uint64_t(n)), method("take", at));
      // What lies behind an exchange is all computed for the first partition already.
      bool whole = readsExchange(node_);
      std::uint32_t all = ~0u, done = 0, next = 1;
      while (done < all && taken.size() < std::size_t(n)) {
        std::vector<std::uint32_t> wanted;
        for (; wanted.size() < next && done < all; ++done) wanted.push_back(done);
        auto rows = whole ? runJob(first, "take", at) : runJobOn(first, wanted.data(), wanted.size(), "take", at);
        all = whole ? done : rows.partitions();
        for (std::size_t i = 0; i < rows.size() && taken.size() < std::size_t(n); ++i) decodeInto(rows.part(i), taken);
        next *= 4;
      }
      if (taken.size() > std::size_t(n)) taken.erase(taken.begin() + n, taken.end());
    }
    return taken;
  }
  Own first(CallSite at = CallSite::here()) const {
    auto taken = take(1, at);
    if (taken.empty()) throwError(ErrorKind::kInvalidArgument, "first: the RDD is empty");
    return std::move(taken[0]);
  }
  bool isEmpty(CallSite at = CallSite::here()) const { return take(1, at).empty(); }
  // The first of the largest records, by < or by less(a, b), which runs in the executors. Error(kInvalidArgument) if there are none.
  Own max(CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !kSortable<Own>()) return Own{};
    else return reduce(Largest(), at);
  }
  Own min(CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !kSortable<Own>()) return Own{};
    else return reduce(Smallest(), at);
  }
  template <class Less> requires(!std::is_convertible_v<Less, CallSite>) Own max(Less less, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !orders<Less>()) return Own{};
    else return reduce(LargestBy<Less>{std::move(less)}, at);
  }
  template <class Less> requires(!std::is_convertible_v<Less, CallSite>) Own min(Less less, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !orders<Less>()) return Own{};
    else return reduce(SmallestBy<Less>{std::move(less)}, at);
  }
  auto countByValue(CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !shuffles<T>()) return std::map<Own, std::int64_t>();
    else {
      Method m = method("countByValue", at);
      auto ones = step<std::pair<T, std::int64_t>>(node_, ops::CountOnes<T>::of(), m);
      return countsOf<T>(ones, m);
    }
  }
  auto countByKey(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return std::map<int, std::int64_t>();
    else if constexpr (!kPairs) {
      static_assert(never<RDD<T>>, "sluice: countByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return std::map<int, std::int64_t>();
    } else {
      using K = Key;
      Method m = method("countByKey", at);
      auto keys = step<K>(node_, ops::Keys<T>::of(), m);
      return countsOf<K>(step<std::pair<K, std::int64_t>>(keys, ops::CountOnes<K>::of(), m), m);
    }
  }
  // The last value of each key.
  auto collectAsMap(CallSite at = CallSite::here()) const {
    if constexpr (!kPairs) {
      static_assert(kBroken || never<RDD<T>>, "sluice: collectAsMap needs records that are std::pair<K, V>; make them with map or keyBy first");
      return std::map<int, int>();
    } else {
      std::map<owned_t<Key>, owned_t<Value>> all;
      for (auto& [key, value] : collect(at)) all.insert_or_assign(std::move(key), std::move(value));
      return all;
    }
  }
  template <class F> void foreach (F f, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      if constexpr (usable<F, T>()) runForEffects(step<T>(node_, ops::Foreach<T, F>::of(std::move(f)), method("foreach", at)), "foreach", at);
    }
  }
  // f(sluice::Iterator<T>&), once for each partition.
  template <class F> void foreachPartition(F f, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      runForEffects(step<T>(node_, ops::ForeachPartition<T, F>::of(std::move(f)), method("foreachPartition", at)), "foreachPartition", at);
    }
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::kPairs;
  using Base::method;
  using Base::node_;

  template <class K> static std::map<owned_t<K>, std::int64_t> countsOf(const NodeRef& ones, const Method& m) {
    auto sums = combined<K, std::int64_t, std::int64_t>(ones, ops::AsValue<std::int64_t>(), ops::AddUp(), ops::AddUp(), 0, m);
    std::map<owned_t<K>, std::int64_t> all;
    for (auto& [key, n] : decodeAll<std::pair<owned_t<K>, std::int64_t>>(runJob(sums, m.name, m.site))) all.emplace(std::move(key), n);
    return all;
  }

 private:
  template <class Less> static constexpr bool orders() {
    static_assert(std::is_invocable_r_v<bool, Less&, const Own&, const Own&>, "sluice: max and min take a function less(const T&, const T&) that returns bool");
    return std::is_invocable_r_v<bool, Less&, const Own&, const Own&>;
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
