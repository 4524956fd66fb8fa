// Sorting, ranges of keys, and the first records by an order.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/detail/rdd_jobs.h"
#include "sluice/detail/rdd_transforms.h"
#include "sluice/ops/sort.h"
#include "sluice/ops/stable_sort.h"
#include "sluice/ops/take.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

struct FirstOf {
  template <class K, class V> const K& operator()(const std::pair<K, V>& record) const { return record.first; }
};

// Bounds between `parts` ranges of about equal weight; equal keys fall into one range, so there may be fewer.
template <class Key> std::vector<Key> rangeBounds(std::vector<std::pair<Key, std::int64_t>> sample, std::uint32_t parts) {
  ops::stableSort(sample, [](const auto& a, const auto& b) { return ops::keyLess(a.first, b.first); });
  double total = 0, seen = 0;
  for (const auto& [key, weight] : sample) total += double(weight);
  std::vector<Key> bounds;
  for (auto& [key, weight] : sample) {
    seen += double(weight);
    if (bounds.size() + 1 >= parts) break;
    if (seen >= total * double(bounds.size() + 1) / parts && (bounds.empty() || ops::keyLess(bounds.back(), key))) bounds.push_back(std::move(key));
  }
  return bounds;
}

// The bounds of that many ranges of f(record), by a sample of the node's records T: a job of its own.
template <class T, class F> std::vector<ops::key_t<F, T>> sampledBounds(const NodeRef& node, const F& f, std::uint32_t parts, const Method& m) {
  std::uint64_t inputs = partitionsOf(node);
  std::uint64_t each = inputs == 0 || 60ull * parts / inputs < 20 ? 20 : 60ull * parts / inputs;
  auto sample = partial<std::pair<ops::key_t<F, T>, std::int64_t>>(node, ops::SampleKeys<T, F>::of(f, each), m);
  return rangeBounds(std::move(sample), parts);
}
template <class K> Partitioner<K> byRange(std::vector<K> bounds, bool ascending) {
  auto ranges = int(bounds.size()) + 1;
  return Partitioner<K>(ranges, placerOf<K>(ops::InRange<K>{std::move(bounds), ascending}, ranges, "range"));
}

template <class T> class RddOrder : public RddTransforms<T> {
  using Base = RddTransforms<T>;
  using Own = owned_t<T>;

 public:
  using typename Base::By;
  using typename Base::Nothing;
  using typename Base::Key;
  using typename Base::Value;

  // In order of f(record), over all partitions. Where the bounds of the ranges lie is asked by a job of its own, at the call; inside
  // transform, where there is no data to ask, everything is sorted in one partition.
  template <class F> auto sortBy(F f, bool ascending = true, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!stores<T>() || !kShippable<F>) return usable<F, const T>(), Nothing();
    else if constexpr (!std::is_invocable_v<F&, const T&> || !std::is_invocable_v<F&, const Own&>) {
      static_assert(never<F>, "sluice: sortBy needs a function that takes const T& and returns the key; text may come as std::string or std::string_view, so let it take the latter or auto");
      return Nothing();
    } else if constexpr (!kSortable<ops::key_t<F, T>>()) {
      return Nothing();
    } else return sorted(std::move(f), ascending, partitions, method("sortBy", at));
  }
  auto sortByKey(bool ascending = true, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) {
      static_assert(never<RDD<T>>, "sluice: sortByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return Nothing();
    } else if constexpr (!stores<T>() || !kSortable<owned_t<Key>>()) return Nothing();
    else if (ascending) return sortedByKey<true>(partitions, method("sortByKey", at));
    else return sortedByKey<false>(partitions, method("sortByKey", at));
  }

  // The n largest records, largest first.
  std::vector<Own> top(std::int64_t n, CallSite at = CallSite::here()) const { return best(n, ops::Greater(), "top", at); }
  template <class Before> requires(!std::is_convertible_v<Before, CallSite>)
  std::vector<Own> top(std::int64_t n, Before largerFirst, CallSite at = CallSite::here()) const { return best(n, std::move(largerFirst), "top", at); }
  // The n smallest records, or those that come first by before(a, b), in order.
  std::vector<Own> takeOrdered(std::int64_t n, CallSite at = CallSite::here()) const { return best(n, ops::Less(), "takeOrdered", at); }
  template <class Before> requires(!std::is_convertible_v<Before, CallSite>)
  std::vector<Own> takeOrdered(std::int64_t n, Before before, CallSite at = CallSite::here()) const { return best(n, std::move(before), "takeOrdered", at); }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::kPairs;
  using Base::method;
  using Base::node_;

 private:
  template <class Before> std::vector<Own> best(std::int64_t n, Before before, const char* name, CallSite at) const {
    std::vector<Own> all;
    if constexpr (kBroken || !stores<T>()) {
    } else if constexpr ((std::is_same_v<Before, ops::Less> || std::is_same_v<Before, ops::Greater>) && !kSortable<Own>()) {
    } else {
      if (n <= 0) return all;
      all = partial<Own>(node_, ops::TopN<T, Before>::of(std::uint64_t(n), before), method(name, at));
      ops::stableSort(all, [&](const Own& a, const Own& b) { return bool(before(a, b)); });
      if (all.size() > std::size_t(n)) all.erase(all.begin() + n, all.end());
    }
    return all;
  }

  template <class F> RDD<Own> sorted(F f, bool ascending, int partitions, const Method& m) const {
    if (ascending) return sortedAs<true>(std::move(f), partitions, m);
    return sortedAs<false>(std::move(f), partitions, m);
  }
  template <bool ascending, class F> RDD<Own> sortedAs(F f, int partitions, const Method& m) const {
    using Sort = ops::Sort<Own, F, ascending>;
    using Assign = ops::RangeAssign<T, F>;
    std::uint32_t parts = partitions != 0 ? this->atLeastOne(partitions, m) : partitionsOf(node_);
    if (parts <= 1 || isSymbolic(node_)) return RDD<Own>(gathered<Own, Own>(node_, Sort::of(std::move(f)), m));
    auto bounds = sampledBounds<T>(node_, f, parts, m);
    auto ranges = std::uint32_t(bounds.size()) + 1;
    auto placed = this->template placed<Own>(Assign::of(f, bounds, ascending), ranges, m);
    return RDD<Own>(step<Own>(placed, Sort::of(std::move(f)), m));
  }

  // The result lies by ranges of the key, so that a join with what lies the same way needs no exchange.
  template <bool ascending> RDD<Own> sortedByKey(int partitions, const Method& m) const {
    using Sort = ops::Sort<Own, FirstOf, ascending>;
    std::uint32_t parts = partitions != 0 ? this->atLeastOne(partitions, m) : partitionsOf(node_);
    if constexpr (!kKeyable<owned_t<Key>>) {
      return sortedAs<ascending>(FirstOf(), partitions, m);
    } else {
      if (parts <= 1 || isSymbolic(node_)) return RDD<Own>(gathered<Own, Own>(node_, Sort::of({}), m));
      auto by = byRange<owned_t<Key>>(sampledBounds<T>(node_, FirstOf(), parts, m), ascending);
      Placement to = placementOf({}, by, m);
      return RDD<Own>(addPull({exchanged<T>(node_, typeDesc<Own>(), to, m)}, Sort::of({}), m.keyed(typeDesc<Own>(), to)));
    }
  }
};

}  // namespace detail

// Ranges of about equal numbers of records, by a sample of an RDD's keys, for which a job is run at once. There are fewer ranges than asked
// for where many records have one key.
template <class K> class RangePartitioner : public Partitioner<K> {
 public:
  template <class Key, class V> requires std::is_same_v<owned_t<Key>, K>
  RangePartitioner(int partitions, const RDD<std::pair<Key, V>>& rdd, bool ascending = true, CallSite at = CallSite::here())
      : Partitioner<K>(made(partitions, rdd, ascending, {"RangePartitioner", at, false})) {}

 private:
  template <class Key, class V>
  static Partitioner<K> made(int partitions, const RDD<std::pair<Key, V>>& rdd, bool ascending, const detail::Method& m) {
    if (partitions < 1) throwError(ErrorKind::kInvalidArgument, "RangePartitioner: the number of partitions is " + std::to_string(partitions) + "; it must be above 0");
    return detail::byRange<K>(detail::sampledBounds<std::pair<Key, V>>(rdd.node(), detail::FirstOf(), std::uint32_t(partitions), m), ascending);
  }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
