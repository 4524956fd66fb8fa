// Datasets beside each other: unions, sets, products, zips, groups of equal records.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/detail/rdd_actions.h"
#include "sluice/ops/cartesian.h"
#include "sluice/ops/subtract.h"
#include "sluice/ops/zip.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// x -> (x, mark)
template <std::uint8_t mark> struct Marked {
  template <class T> std::pair<T, std::uint8_t> operator()(T&& record) const { return {std::move(record), mark}; }
};
struct BothMarks {
  std::uint8_t operator()(std::uint8_t a, std::uint8_t b) const { return a | b; }
};
// The key of what was seen on both sides.
struct KeyOfBoth {
  template <class K> std::optional<K> operator()(std::pair<K, std::uint8_t>&& record) const {
    return record.second == 3 ? std::optional<K>(std::move(record.first)) : std::nullopt;
  }
};
struct DropValue {
  template <class K, class V> std::pair<K, Unit> operator()(std::pair<K, V>&& record) const { return {std::move(record.first), {}}; }
};

// The records of each side once, with its mark, ready to be merged by the record.
template <class T, std::uint8_t mark> NodeRef markedSide(const NodeRef& in, const Method& m) {
  using Op = ops::Combine<T, std::uint8_t, std::uint8_t, ops::AsValue<std::uint8_t>, BothMarks>;
  auto marked = step<std::pair<T, std::uint8_t>>(in, ops::Map<T, std::pair<T, std::uint8_t>, Marked<mark>>::of({}), m);
  return step<typename Op::Record>(marked, Op::of({}, {}), m);
}

// The pairs L of `left` whose key is none of those of `right`, whose records are the pairs R.
template <class L, class R> NodeRef subtracted(const NodeRef& left, const NodeRef& right, const Partitioner<owned_t<typename L::first_type>>& by, const Method& m) {
  using K = owned_t<typename L::first_type>;
  using V = owned_t<typename L::second_type>;
  using Key = std::pair<typename R::first_type, Unit>;
  using Once = ops::Combine<typename R::first_type, Unit, Unit, ops::AsValue<Unit>, ops::KeepFirst>;
  using Op = ops::SubtractByKey<K, V>;
  auto keys = step<Key>(right, ops::Map<R, Key, DropValue>::of({}), m, Layout::kSame);
  auto once = step<std::pair<K, Unit>>(keys, Once::of({}, {}), m, Layout::kSame);
  Placement to = placementOf({left, right}, by, m);
  return addPull({keyedInput<L, std::pair<K, V>, typename Op::Left>(left, to, m), keyedInput<std::pair<K, Unit>, std::pair<K, Unit>, typename Op::Right>(once, to, m)},
                 Op::of(), m.keyed(typeDesc<typename Op::Record>(), to));
}

template <class T> class RddSets : public RddActions<T> {
  using Base = RddActions<T>;
  using Own = owned_t<T>;

 public:
  using typename Base::Nothing;
  using typename Base::By;
  using typename Base::Key;
  using typename Base::Value;

  // The right side of a + b, with the place of the sum.
  struct Right {
    Right(const RDD<T>& rdd, CallSite at = CallSite::here()) : rdd(rdd), at(at) {}  // NOLINT: an RDD is one
    const RDD<T>& rdd;
    CallSite at;
  };
  // All partitions of both (Spark's ++).
  friend RDD<T> operator+(const RDD<T>& left, const Right& right) { return left.union_(right.rdd, right.at); }

  // The records that both have, once each.
  template <class U> auto intersection(const RDD<U>& other, const Partitioner<Own>& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || std::is_same_v<U, Broken>) return Nothing();
    else if constexpr (!alike<U>() || !shuffles<T>()) return Nothing();
    else {
      using Made = std::pair<Own, std::uint8_t>;
      using Merge = ops::Merge<Own, std::uint8_t, BothMarks>;
      Method m = method("intersection", at);
      Placement to = placementOf({}, partitions, m);
      NodeRef sides[] = {markedSide<T, 1>(node_, m), markedSide<U, 2>(other.node(), m)};
      auto all = addUnion(sides, 2, m.facts(typeDesc<Made>()));
      auto merged = addPull({exchanged<Made>(all, typeDesc<typename Merge::Input>(), to, m)}, Merge::of({}), m.keyed(typeDesc<Made>(), to));
      return RDD<Own>(step<Own>(merged, ops::FlatMap<Made, Own, KeyOfBoth>::of({}), m));
    }
  }
  // The records that the other has not, as often as they are here.
  template <class U> auto subtract(const RDD<U>& other, const Partitioner<Own>& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || std::is_same_v<U, Broken>) return Nothing();
    else if constexpr (!alike<U>() || !shuffles<T>()) return Nothing();
    else {
      using L = std::pair<T, Unit>;
      using R = std::pair<U, Unit>;
      using Left = std::pair<Own, Unit>;
      Method m = method("subtract", at);
      auto left = step<L>(node_, ops::PairWithUnit<T>::of(), m);
      auto right = step<R>(other.node(), ops::PairWithUnit<U>::of(), m);
      return RDD<Own>(step<Own>(subtracted<L, R>(left, right, partitions, m), ops::Keys<Left>::of(), m));
    }
  }
  // (a, b) for every a here and every b there; as many partitions as the product of theirs. A partition of `other` is held by each task,
  // on the disk if it is large.
  template <class U> auto cartesian(const RDD<U>& other, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || std::is_same_v<U, Broken>) return Nothing();
    else {
      using Out = std::pair<T, U>;
      return RDD<Out>(addCartesian(node_, other.node(), ops::Cartesian<T, U>::of(), method("cartesian", at).facts(typeDesc<Out>())));
    }
  }

  // The i-th record here with the i-th there. Both must have the same number of partitions (Error(kInvalidArgument)) and, in each, of
  // records (the job fails).
  template <class U> auto zip(const RDD<U>& other, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || std::is_same_v<U, Broken>) return Nothing();
    else {
      using Out = std::pair<T, U>;
      NodeFacts facts = method("zip", at).facts(typeDesc<Out>());
      facts.equalPartitions = true;
      return RDD<Out>(addPull({NodeInput{node_}, NodeInput{other.node()}}, ops::Zip<T, U>::of(), facts));
    }
  }
  // f(sluice::Iterator<T>&, sluice::Iterator<U>&, ...) returns a range; of two to four RDDs with the same number of partitions.
  template <class U, class F> auto zipPartitions(const RDD<U>& other, F f, bool preservesPartitioning = false, CallSite at = CallSite::here()) const {
    return zipped<U>(std::move(f), preservesPartitioning, at, other.node());
  }
  template <class U, class V, class F>
  auto zipPartitions(const RDD<U>& second, const RDD<V>& third, F f, bool preservesPartitioning = false, CallSite at = CallSite::here()) const {
    return zipped<U, V>(std::move(f), preservesPartitioning, at, second.node(), third.node());
  }
  template <class U, class V, class W, class F>
  auto zipPartitions(const RDD<U>& second, const RDD<V>& third, const RDD<W>& fourth, F f, bool preservesPartitioning = false,
                     CallSite at = CallSite::here()) const {
    return zipped<U, V, W>(std::move(f), preservesPartitioning, at, second.node(), third.node(), fourth.node());
  }
  // Each record with its number, in order of partitions. Where the partitions begin is asked by a job of its own, at the call, if there are
  // several.
  auto zipWithIndex(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else {
      Method m = method("zipWithIndex", at);
      std::vector<std::int64_t> starts{0};
      std::vector<std::uint32_t> counted;
      for (std::uint32_t p = 0, n = partitionsOf(node_); p + 1 < n; ++p) counted.push_back(p);
      if (!counted.empty()) {
        auto counts = step<std::int64_t>(node_, ops::Count<T>::of(), m);
        for (std::int64_t n : decodeAll<std::int64_t>(runJobOn(counts, counted.data(), counted.size(), m.name, at))) starts.push_back(starts.back() + n);
      }
      return indexed(starts, m);
    }
  }
  // Each record with a number of its own, without a job: p, p + n, p + 2n, ... in partition p of n.
  auto zipWithUniqueId(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else return indexed({}, method("zipWithUniqueId", at));
  }

  // The records of each f(record), in a vector: see groupByKey.
  template <class F> auto groupBy(F f, CallSite at = CallSite::here()) const { return groupedBy(std::move(f), 0, at); }
  template <class F, class P> requires(!std::is_same_v<P, CallSite>) auto groupBy(F f, const P& partitions, CallSite at = CallSite::here()) const {
    return groupedBy(std::move(f), partitions, at);
  }

  using Base::collect;
  // The values of those records for which f(record) -> std::optional<U> has one (Spark's collect of a partial function): an RDD<U>.
  template <class F> requires(!std::is_convertible_v<F, CallSite>) auto collect(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!usable<F, T>()) return Nothing();
    else if constexpr (!kOptional<result_t<F, T>>) {
      static_assert(never<F>, "sluice: collect(f) needs a function that returns a std::optional; collect() without one brings the records to the driver");
      return Nothing();
    } else {
      using Out = record_t<T, range_value_t<result_t<F, T>>>;
      return RDD<Out>(step<Out>(node_, ops::FlatMap<T, Out, F>::of(std::move(f)), method("collect", at)));
    }
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::kPairs;
  using Base::method;
  using Base::node_;

 private:
  template <class U> static constexpr bool alike() {
    static_assert(std::is_same_v<Own, owned_t<U>>, "sluice: intersection and subtract need two RDDs with the same type of records");
    return std::is_same_v<Own, owned_t<U>>;
  }
  auto indexed(const std::vector<std::int64_t>& starts, const Method& m) const {
    return RDD<std::pair<T, std::int64_t>>(step<std::pair<T, std::int64_t>>(node_, ops::AddIndex<T>::of(starts), m));
  }
  template <class... U, class F, class... Node> auto zipped(F f, bool preservesPartitioning, CallSite at, const Node&... others) const {
    if constexpr (kBroken || kAnyBroken<U...>) return Nothing();
    else if constexpr (!kShippable<F>) return usable<F, Iterator<T>>(), Nothing();
    else if constexpr (!std::is_invocable_v<F&, Iterator<T>&, Iterator<U>&...>) {
      static_assert(never<F>, "sluice: zipPartitions needs a function that takes (sluice::Iterator<T>&, sluice::Iterator<U>&, ...) and returns a range");
      return Nothing();
    } else {
      using Made = range_value_t<std::invoke_result_t<F&, Iterator<T>&, Iterator<U>&...>>;
      using Out = std::conditional_t<(kAllViews<T> && ... && kAllViews<U>), no_cstr_t<plain_t<Made>>, owned_t<plain_t<Made>>>;
      NodeFacts facts = method("zipPartitions", at).facts(typeDesc<Out>(), preservesPartitioning ? Layout::kSame : Layout::kUnknown);
      facts.equalPartitions = true;
      return RDD<Out>(addPull({NodeInput{node_}, NodeInput{others}...}, ops::ZipPartitions<Out, F, T, U...>::of(std::move(f)), facts));
    }
  }
  template <class F, class P> auto groupedBy(F f, const P& partitions, CallSite at) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!usable<F, const T>()) return Nothing();
    else {
      using Out = record_t<T, std::pair<result_t<F, const T>, T>>;
      using K = owned_t<typename Out::first_type>;
      if constexpr (!shuffles<typename Out::first_type, T>()) return Nothing();
      else {
        Method m = method("groupBy", at);
        auto keyed = step<Out>(node_, ops::KeyBy<T, Out, F>::of(std::move(f)), m);
        return RDD<std::pair<K, std::vector<Own>>>(grouped<typename Out::first_type, typename Out::second_type>(keyed, Partitioner<K>(partitions), m));
      }
    }
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
