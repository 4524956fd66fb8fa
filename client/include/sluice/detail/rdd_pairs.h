// Transformations and actions of pairs that streams have not.
#pragma once
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "sluice/detail/rdd_sets.h"
#include "sluice/hyper_log_log.h"
#include "sluice/ops/lookup.h"
#include "sluice/ops/sort.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// A sketch of the values of a key.
struct SketchValue {
  int p, sparse;
  template <class V> HyperLogLog operator()(const V& value) const {
    HyperLogLog sketch(p, sparse);
    sketch.add(value);
    return sketch;
  }
};
struct AddToSketch {
  template <class V> HyperLogLog operator()(HyperLogLog sketch, const V& value) const {
    sketch.add(value);
    return sketch;
  }
};
struct MergeSketches {
  HyperLogLog operator()(HyperLogLog a, const HyperLogLog& b) const {
    a.merge(b);
    return a;
  }
};
struct EstimateOf {
  template <class K> std::pair<K, std::int64_t> operator()(std::pair<K, HyperLogLog>&& record) const { return {std::move(record.first), record.second.estimate()}; }
};

template <class T> class RddPairs : public RddSets<T> {
  using Base = RddSets<T>;
  using Own = owned_t<T>;
  using K = owned_t<typename Base::Key>;
  using V = owned_t<typename Base::Value>;

 public:
  using typename Base::Nothing;
  using typename Base::By;
  using typename Base::Key;
  using typename Base::Value;

  // The pairs whose key the other has not.
  template <class U> auto subtractByKey(const RDD<U>& other, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || std::is_same_v<U, Broken>) return Nothing();
    else if constexpr (!kPairs || !is_pair<U>::value) { SLUICE_RDD_NEEDS_PAIRS("subtractByKey"); return Nothing(); }
    else if constexpr (!Base::template joins<U>()) return Nothing();
    else return RDD<std::pair<K, V>>(subtracted<T, U>(node_, other.node(), partitions, method("subtractByKey", at)));
  }

  using Base::cogroup;
  // Of three and four: pair<K, tuple<vector<V>, vector<V1>, vector<V2>[, vector<V3>]>>.
  template <class U, class W>
  auto cogroup(const RDD<U>& second, const RDD<W>& third, const By& partitions = 0, CallSite at = CallSite::here()) const {
    return cogroupedWith<U, W>(partitions, method("cogroup", at), second.node(), third.node());
  }
  template <class U, class W, class X>
  auto cogroup(const RDD<U>& second, const RDD<W>& third, const RDD<X>& fourth, const By& partitions = 0, CallSite at = CallSite::here()) const {
    return cogroupedWith<U, W, X>(partitions, method("cogroup", at), second.node(), third.node(), fourth.node());
  }
  // Other names for cogroup.
  template <class U> auto groupWith(const RDD<U>& other, CallSite at = CallSite::here()) const { return this->cogroup(other, 0, at); }
  template <class U, class W> auto groupWith(const RDD<U>& second, const RDD<W>& third, CallSite at = CallSite::here()) const {
    return cogroup(second, third, 0, at);
  }
  template <class U, class W, class X>
  auto groupWith(const RDD<U>& second, const RDD<W>& third, const RDD<X>& fourth, CallSite at = CallSite::here()) const {
    return cogroup(second, third, fourth, 0, at);
  }

  // By key as the partitioner says, and in order of keys within each partition: cheaper than sorting after partitionBy.
  auto repartitionAndSortWithinPartitions(const By& by, bool ascending = true, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) { SLUICE_RDD_NEEDS_PAIRS("repartitionAndSortWithinPartitions"); return Nothing(); }
    else if constexpr (!shuffles<Key, Value>() || !kSortable<K>()) return Nothing();
    else {
      Method m = method("repartitionAndSortWithinPartitions", at);
      return RDD<std::pair<K, V>>(ascending ? sortedWithin<true>(by, m) : sortedWithin<false>(by, m));
    }
  }
  // The pairs whose key is from `lower` to `upper`, both included. Of what lies by ranges (sortByKey, RangePartitioner) only the partitions
  // that can have such keys are computed.
  auto filterByRange(const K& lower, const K& upper, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) { SLUICE_RDD_NEEDS_PAIRS("filterByRange"); return Nothing(); }
    else if constexpr (!kSortable<K>()) return Nothing();
    else {
      using Between = ops::KeyBetween<K>;
      Method m = method("filterByRange", at);
      NodeRef from = node_;
      Layout layout = Layout::kSame;
      if constexpr (kKeyable<K>) {
        if (liesByRange(node_)) {
          std::uint32_t first = partitionOfKey(node_, &lower, 0), last = partitionOfKey(node_, &upper, 0);
          if (first > last) std::swap(first, last);
          std::vector<std::uint32_t> picked;
          for (std::uint32_t p = first; p <= last; ++p) picked.push_back(p);
          from = addPick(node_, picked.data(), picked.size(), m.facts(typeDesc<T>()));
          layout = Layout::kUnknown;
        }
      }
      return RDD<T>(step<T>(from, ops::Filter<T, Between>::of(Between{lower, upper}), m, layout));
    }
  }

  // The values of a key. Where it is known how the keys lie, only the one partition is computed that can hold it.
  std::vector<V> lookup(const K& key, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return {};
    else if constexpr (!kPairs) { SLUICE_RDD_NEEDS_PAIRS("lookup"); return {}; }
    else if constexpr (!shuffles<Key, Value>()) return {};
    else {
      auto values = step<Value>(node_, ops::ValuesOfKey<T>::of(key), method("lookup", at));
      Placement placement;
      if (!layoutOf(node_, placement)) return decodeAll<V>(runJob(values, "lookup", at));
      std::uint32_t one = partitionOfKey(node_, &key, keyHash(key));
      return decodeAll<V>(runJobOn(values, &one, 1, "lookup", at));
    }
  }
  // reduceByKey whose result comes to the driver; merged there, without an exchange.
  template <class F> std::map<K, V> reduceByKeyLocally(F f, CallSite at = CallSite::here()) const {
    std::map<K, V> all;
    if constexpr (kBroken) return all;
    else if constexpr (!kPairs) { SLUICE_RDD_NEEDS_PAIRS("reduceByKeyLocally"); return all; }
    else if constexpr (!shuffles<Key, Value>() || !usable<F, V, V>()) return all;
    else {
      using Op = ops::Combine<Key, Value, V, ops::AsValue<V>, F>;
      for (auto& [key, value] : partial<std::pair<K, V>>(node_, Op::of({}, f), method("reduceByKeyLocally", at))) {
        auto [it, fresh] = all.try_emplace(std::move(key), std::move(value));
        if (!fresh) it->second = ops::mergeInto<V>(f, it->second, value);
      }
      return all;
    }
  }
  // About how many different values each key has: see countApproxDistinct.
  auto countApproxDistinctByKey(double relativeSD = 0.05, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) { SLUICE_RDD_NEEDS_PAIRS("countApproxDistinctByKey"); return Nothing(); }
    else if constexpr (!shuffles<Key, Value>() || !shuffles<Value>()) return Nothing();
    else {
      Method m = method("countApproxDistinctByKey", at);
      SketchValue create{HyperLogLog::precisionFor(relativeSD, m.name), 25};
      auto sketches = combined<Key, Value, HyperLogLog>(node_, create, AddToSketch(), MergeSketches(), partitions, m);
      using In = std::pair<K, HyperLogLog>;
      using Out = std::pair<K, std::int64_t>;
      return RDD<Out>(step<Out>(sketches, ops::Map<In, Out, EstimateOf>::of({}), m, Layout::kSame));
    }
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::kPairs;
  using Base::method;
  using Base::node_;

 private:
  template <class... U, class... Node> auto cogroupedWith(const By& partitions, const Method& m, const Node&... others) const {
    if constexpr (kBroken || kAnyBroken<U...>) return Nothing();
    else if constexpr (!kPairs || !(is_pair<U>::value && ...)) { SLUICE_RDD_NEEDS_PAIRS("cogroup"); return Nothing(); }
    else if constexpr (!(Base::template joins<U>() && ...)) return Nothing();
    else {
      using Out = std::pair<K, std::tuple<std::vector<V>, std::vector<owned_t<typename U::second_type>>...>>;
      return RDD<Out>(cogrouped<K, T, U...>(partitions, m, node_, others...));
    }
  }
  template <bool ascending> NodeRef sortedWithin(const By& by, const Method& m) const {
    using Sort = ops::Sort<std::pair<K, V>, FirstOf, ascending>;
    Placement to = placementOf({}, by, m);
    NodeInput in{node_};
    if (!liesByKey(node_, to)) in = exchanged<T>(node_, typeDesc<std::pair<K, V>>(), to, m);
    else if constexpr (!std::is_same_v<T, Own>) in = {step<Own>(node_, ops::Map<T, Own, ToOwned<T>>::of({}), m, Layout::kSame)};
    return addPull({in}, Sort::of({}), m.keyed(typeDesc<std::pair<K, V>>(), to));
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
