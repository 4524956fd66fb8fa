// Transformations that RDDs have and streams have not.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sluice/detail/transforms.h"

namespace sluice {
inline namespace SLUICE_ABI {

template <class T> class RDD;

namespace detail {

#define SLUICE_RDD_NEEDS_PAIRS(method) \
  static_assert(never<RDD<T>>, "sluice: " method " needs records that are std::pair<K, V>; make them with map or keyBy first")

// Whether the keys have an order.
template <class K> constexpr bool kSortable() {
  constexpr bool ordered = requires(const K& a, const K& b) { bool(a < b); };
  static_assert(ordered, "sluice: sorting and ranges need keys with operator<; give the key's type one, or sort by a function of it");
  return ordered;
}

// create of an aggregation that begins from a value: f(zero, v).
template <class F> struct FromZero {
  using SluiceInner = F;
  F f;
  template <class V, class A> auto operator()(V&& value, const A& zero) {
    A start(zero);
    return ops::mergeInto<A>(f, start, value);
  }
};

// RDD<Broken>, told to depend on T: RDD is not complete yet where these classes are read.
template <class T> struct BrokenBy { using type = Broken; };

template <class T> class RddTransforms : public Transforms<RDD, T> {
  using Base = Transforms<RDD, T>;
  using Own = owned_t<T>;

 public:
  using Nothing = RDD<typename BrokenBy<T>::type>;
  using typename Base::By;
  using typename Base::Key;
  using typename Base::Value;

  // ---- Transformations that streams do not have ----
  template <class F> auto keyBy(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!usable<F, const T>()) return Nothing();
    else {
      using Out = record_t<T, std::pair<result_t<F, const T>, T>>;
      return RDD<Out>(step<Out>(node_, ops::KeyBy<T, Out, F>::of(std::move(f)), method("keyBy", at)));
    }
  }
  auto distinct(const Partitioner<Own>& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!shuffles<T>()) return Nothing();
    else {
      using Marked = std::pair<Own, Unit>;
      Method m = method("distinct", at);
      auto marked = step<std::pair<T, Unit>>(node_, ops::PairWithUnit<T>::of(), m);
      auto one = combined<T, Unit, Unit>(marked, ops::AsValue<Unit>(), ops::KeepFirst(), ops::KeepFirst(), partitions, m);
      return RDD<Own>(step<Own>(one, ops::Keys<Marked>::of(), m));
    }
  }
  // f(A, V) -> A from `zero` in each partition, combine(A, A) -> A between them.
  template <class A, class SeqF, class CombF>
  auto aggregateByKey(const A& zero, SeqF f, CombF combine, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) {
      static_assert(never<A>, "sluice: aggregateByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return Nothing();
    } else {
      return this->template combinedByKey<true>(with(FromZero<SeqF>{f}, zero), f, std::move(combine), partitions, method("aggregateByKey", at));
    }
  }
  template <class F> auto foldByKey(const owned_t<Value>& zero, F f, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) {
      static_assert(never<F>, "sluice: foldByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return Nothing();
    } else {
      return this->template combinedByKey<true>(with(FromZero<F>{f}, zero), f, f, partitions, method("foldByKey", at));
    }
  }
  // Fewer partitions, of neighbours, without an exchange. With shuffle: exactly so many, up or down, evenly filled, by an exchange; text
  // that was views stays views (of what the exchange brought, which stays in memory for as long as the task): repartition gives owned text.
  auto coalesce(int partitions, bool shuffle = false, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else {
      Method m = method("coalesce", at);
      std::uint32_t n = this->atLeastOne(partitions, m);
      if constexpr (stores<T>()) {
        if (shuffle) return RDD<T>(this->template placed<T>(ops::RoundRobin<T>::of(n), n, m));
      }
      return RDD<T>(addCoalesce(node_, m.facts(typeDesc<T>(), Layout::kUnknown, n)));
    }
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::kPairs;
  using Base::method;
  using Base::node_;
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
