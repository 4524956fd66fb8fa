// The transformations that RDD<T> and DStream<T> share: H is RDD or DStream, and each method adds nodes to the lineage graph.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/detail/build.h"
#include "sluice/ops/filter.h"
#include "sluice/ops/flat_map.h"
#include "sluice/ops/map_partitions.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// K and V of a pair; Broken ones otherwise, so that naming them is never an error.
template <class T> struct PairOf { using Key = Broken; using Value = Broken; };
template <class K, class V> struct PairOf<std::pair<K, V>> { using Key = K; using Value = V; };

#define SLUICE_NEEDS_PAIRS(method) \
  static_assert(never<H<T>>, "sluice: " method " needs records that are std::pair<K, V>; make them with map or keyBy first")

template <template <class> class H, class T> class Transforms {
 public:
  using Record = T;
  using Key = typename PairOf<T>::Key;
  using Value = typename PairOf<T>::Value;
  using By = Partitioner<owned_t<Key>>;  // a number is one, by hash

  // ---- Of any records ----
  template <class F> auto map(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!usable<F, T>()) return H<Broken>();
    else if constexpr (std::is_void_v<result_t<F, T>>) {
      static_assert(never<F>, "sluice: map needs a function that returns the new record; use foreach for effects alone");
      return H<Broken>();
    } else {
      using Out = record_t<T, result_t<F, T>>;
      return H<Out>(step<Out>(node_, ops::Map<T, Out, F>::of(std::move(f)), method("map", at)));
    }
  }
  template <class F> auto filter(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kShippable<F>) return usable<F, T>(), H<Broken>();
    else if constexpr (!std::is_invocable_r_v<bool, F&, const T&>) {
      static_assert(never<F>, "sluice: filter needs a function that takes const T&, T or auto and returns bool");
      return H<Broken>();
    } else return H<T>(step<T>(node_, ops::Filter<T, F>::of(std::move(f)), method("filter", at), Layout::kSame));
  }
  // f returns any range (a vector, split(…)) or a std::optional.
  template <class F> auto flatMap(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!usable<F, T>()) return H<Broken>();
    else if constexpr (!kFlatMappable<result_t<F, T>>) {
      static_assert(never<F>, "sluice: flatMap needs a function that returns a range (a vector, sluice::split(...), ...) or a std::optional");
      return H<Broken>();
    } else {
      using Out = record_t<T, range_value_t<result_t<F, T>>>;
      return H<Out>(step<Out>(node_, ops::FlatMap<T, Out, F>::of(std::move(f)), method("flatMap", at)));
    }
  }
  // f(sluice::Iterator<T>&) returns a range. preservesPartitioning: f leaves the keys as they are.
  template <class F> auto mapPartitions(F f, bool preservesPartitioning = false, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kShippable<F>) return usable<F, Iterator<T>>(), H<Broken>();
    else if constexpr (!std::is_invocable_v<F&, Iterator<T>&>) {
      static_assert(never<F>, "sluice: mapPartitions needs a function that takes sluice::Iterator<T>& and returns a range");
      return H<Broken>();
    } else {
      using Out = record_t<T, range_value_t<std::invoke_result_t<F&, Iterator<T>&>>>;
      return H<Out>(step<Out>(node_, ops::MapPartitions<T, Out, F>::of(std::move(f)), method("mapPartitions", at),
                              preservesPartitioning ? Layout::kSame : Layout::kUnknown));
    }
  }
  // f(int partition, sluice::Iterator<T>&) returns a range.
  template <class F> auto mapPartitionsWithIndex(F f, bool preservesPartitioning = false, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kShippable<F>) return usable<F, Iterator<T>>(), H<Broken>();
    else if constexpr (!std::is_invocable_v<F&, int, Iterator<T>&>) {
      static_assert(never<F>, "sluice: mapPartitionsWithIndex needs a function that takes (int, sluice::Iterator<T>&) and returns a range");
      return H<Broken>();
    } else {
      using Out = record_t<T, range_value_t<std::invoke_result_t<F&, int, Iterator<T>&>>>;
      return H<Out>(step<Out>(node_, ops::MapPartitionsWithIndex<T, Out, F>::of(std::move(f)), method("mapPartitionsWithIndex", at),
                                        preservesPartitioning ? Layout::kSame : Layout::kUnknown));
    }
  }
  // Each partition as one vector, also an empty one.
  auto glom(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else return H<std::vector<T>>(step<std::vector<T>>(node_, ops::Glom<T>::of(), method("glom", at)));
  }
  // Exactly n partitions, evenly filled, by an exchange.
  auto repartition(int partitions, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!stores<T>()) return H<Broken>();
    else {
      using Own = owned_t<T>;
      Method m = method("repartition", at);
      std::uint32_t n = atLeastOne(partitions, m);
      return H<Own>(placed<Own>(ops::RoundRobin<T>::of(n), n, m));
    }
  }
  H<T> union_(const H<T>& other, CallSite at = CallSite::here()) const {
    NodeRef both[] = {node_, other.node()};
    return H<T>(addUnion(both, 2, method("union", at).facts(typeDesc<T>())));
  }

  // ---- Of pairs ----
  template <class F> auto mapValues(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("mapValues"); return H<Broken>(); }
    else if constexpr (!usable<F, Value>()) return H<Broken>();
    else {
      using Out = record_t<T, std::pair<Key, result_t<F, Value>>>;
      return H<Out>(step<Out>(node_, ops::MapValues<T, Out, F>::of(std::move(f)), method("mapValues", at), Layout::kSame));
    }
  }
  template <class F> auto flatMapValues(F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("flatMapValues"); return H<Broken>(); }
    else if constexpr (!usable<F, Value>()) return H<Broken>();
    else {
      using Out = record_t<T, std::pair<Key, range_value_t<result_t<F, Value>>>>;
      return H<Out>(step<Out>(node_, ops::FlatMapValues<T, Out, F>::of(std::move(f)), method("flatMapValues", at), Layout::kSame));
    }
  }
  auto keys(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("keys"); return H<Broken>(); }
    else return H<Key>(step<Key>(node_, ops::Keys<T>::of(), method("keys", at)));
  }
  auto values(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("values"); return H<Broken>(); }
    else return H<Value>(step<Value>(node_, ops::Values<T>::of(), method("values", at)));
  }
  auto swap(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("swap"); return H<Broken>(); }
    else return H<std::pair<Value, Key>>(step<std::pair<Value, Key>>(node_, ops::Swap<T>::of(), method("swap", at)));
  }
  // One value of each key, by f(V, V) -> V, which is associative and commutative.
  template <class F> auto reduceByKey(F f, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("reduceByKey"); return H<Broken>(); }
    else if constexpr (!shuffles<Key, Value>()) return H<Broken>();
    else if constexpr (!usable<F, owned_t<Value>, owned_t<Value>>()) return H<Broken>();
    else {
      using C = owned_t<Value>;
      return H<std::pair<owned_t<Key>, C>>(combined<Key, Value, C>(node_, ops::AsValue<C>(), f, f, partitions, method("reduceByKey", at)));
    }
  }
  auto groupByKey(const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("groupByKey"); return H<Broken>(); }
    else if constexpr (!shuffles<Key, Value>()) return H<Broken>();
    else return H<std::pair<owned_t<Key>, std::vector<owned_t<Value>>>>(grouped<Key, Value>(node_, partitions, method("groupByKey", at)));
  }
  // create(V) -> C, mergeValue(C, V) -> C, mergeCombiners(C, C) -> C. Without mapSideCombine every value travels to its reducer, which is
  // better where combining makes nothing smaller; mergeCombiners is not called then.
  template <class Create, class MergeV, class MergeC>
  auto combineByKey(Create create, MergeV mergeValue, MergeC mergeCombiners, const By& partitions = 0, bool mapSideCombine = true,
                    CallSite at = CallSite::here()) const {
    Method m = method("combineByKey", at);
    if constexpr (!kBroken && kPairs) {
      if (!mapSideCombine) return combinedByKey<false>(std::move(create), std::move(mergeValue), std::move(mergeCombiners), partitions, m);
    }
    return combinedByKey<true>(std::move(create), std::move(mergeValue), std::move(mergeCombiners), partitions, m);
  }
  // Pairs by their key. A dataset that lies that way already is given back as it is.
  auto partitionBy(const By& by, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("partitionBy"); return H<Broken>(); }
    else if constexpr (!shuffles<Key, Value>()) return H<Broken>();
    else {
      using Own = owned_t<T>;
      Method m = method("partitionBy", at);
      Placement to{atLeastOne(by.numPartitions(), m), by.placer()};
      if (liesByKey(node_, to)) {
        if constexpr (std::is_same_v<Own, T>) return H<Own>(node_);
      }
      return H<Own>(addPull({exchanged<T>(node_, typeDesc<Own>(), to, m)}, ops::Map<Own, Own, Same>::of({}), m.keyed(typeDesc<Own>(), to)));
    }
  }
  // By a function of the application: f(key) names the partition, 0 up to partitions - 1.
  template <class F> requires(!std::is_convertible_v<F, CallSite>) auto partitionBy(int partitions, F f, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("partitionBy"); return H<Broken>(); }
    else return partitionBy(By(partitions, std::move(f)), at);
  }

  // ---- Of two: the key with what both sides have of it ----
  template <class W> auto cogroup(const H<W>& other, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || std::is_same_v<W, Broken>) return H<Broken>();
    else if constexpr (!kPairs || !is_pair<W>::value) { SLUICE_NEEDS_PAIRS("cogroup"); return H<Broken>(); }
    else if constexpr (!joins<W>()) return H<Broken>();
    else {
      using V = owned_t<Value>;
      using X = owned_t<typename W::second_type>;
      using In = std::pair<owned_t<Key>, std::tuple<std::vector<V>, std::vector<X>>>;
      using Out = std::pair<owned_t<Key>, std::pair<std::vector<V>, std::vector<X>>>;
      Method m = method("cogroup", at);
      return H<Out>(step<Out>(cogrouped<owned_t<Key>, T, W>(partitions, m, node_, other.node()), ops::Map<In, Out, AsPair>::of({}), m, Layout::kSame));
    }
  }
  template <class W> auto join(const H<W>& other, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken && (!kPairs || !is_pair<W>::value) && !std::is_same_v<W, Broken>) { SLUICE_NEEDS_PAIRS("join"); return H<Broken>(); }
    else return crossed<false, false>(other, partitions, method("join", at));
  }
  template <class W> auto leftOuterJoin(const H<W>& other, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken && (!kPairs || !is_pair<W>::value) && !std::is_same_v<W, Broken>) { SLUICE_NEEDS_PAIRS("leftOuterJoin"); return H<Broken>(); }
    else return crossed<false, true>(other, partitions, method("leftOuterJoin", at));
  }
  template <class W> auto rightOuterJoin(const H<W>& other, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken && (!kPairs || !is_pair<W>::value) && !std::is_same_v<W, Broken>) { SLUICE_NEEDS_PAIRS("rightOuterJoin"); return H<Broken>(); }
    else return crossed<true, false>(other, partitions, method("rightOuterJoin", at));
  }
  template <class W> auto fullOuterJoin(const H<W>& other, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken && (!kPairs || !is_pair<W>::value) && !std::is_same_v<W, Broken>) { SLUICE_NEEDS_PAIRS("fullOuterJoin"); return H<Broken>(); }
    else return crossed<true, true>(other, partitions, method("fullOuterJoin", at));
  }

  // ---- Facts ----
  // Names the node for checkpoints and state, so that they are found again after the program changed.
  H<T> uid(std::string_view uid) const {
    setUid(node_, uid);
    return H<T>(node_);
  }
  H<T> setName(std::string_view name) const {
    detail::setName(node_, name);
    return H<T>(node_);
  }
  // Keeps the partitions once they are computed.
  H<T> persist(StorageLevel level = StorageLevel::MEMORY_ONLY) const {
    if constexpr (!kBroken) {
      if constexpr (stores<T>()) keep(node_, level, H<T>::kStream);
    }
    return H<T>(node_);
  }
  H<T> cache() const { return persist(); }
  StorageLevel getStorageLevel() const { return storageLevel(node_); }
  int id() const { return int(idOf(node_)); }
  // As given by setName, else the method that made it.
  std::string name() const { return nameOf(node_); }
  std::vector<Dependency> dependencies() const { return dependenciesOf(node_); }
  // The node and its ancestors, one a line.
  std::string toDebugString() const { return describe(node_); }

  const NodeRef& node() const { return node_; }
  explicit operator bool() const { return bool(node_); }

 protected:
  static constexpr bool kBroken = std::is_same_v<T, Broken>;
  static constexpr bool kPairs = is_pair<T>::value;

  Transforms() = default;
  explicit Transforms(NodeRef node) : node_(std::move(node)) {}
  static Method method(const char* name, CallSite at) { return {name, at, H<T>::kStream}; }
  static std::uint32_t atLeastOne(int partitions, const Method& m) {
    if (partitions < 1) throwError(ErrorKind::kInvalidArgument, std::string(m.name) + ": the number of partitions is " + std::to_string(partitions) + "; it must be above 0");
    return std::uint32_t(partitions);
  }

  template <bool mapSide, class Create, class MergeV, class MergeC>
  auto combinedByKey(Create create, MergeV mergeValue, MergeC mergeCombiners, const By& partitions, const Method& m) const {
    if constexpr (kBroken) return H<Broken>();
    else if constexpr (!kPairs) { SLUICE_NEEDS_PAIRS("combineByKey"); return H<Broken>(); }
    else if constexpr (!usable<Create, owned_t<Value>>()) return H<Broken>();
    else {
      using C = owned_t<result_t<Create, owned_t<Value>>>;
      using Out = std::pair<owned_t<Key>, C>;
      if constexpr (!usable<MergeV, C, owned_t<Value>>() || !usable<MergeC, C, C>() || !shuffles<Key, C>()) return H<Broken>();
      else if constexpr (mapSide) {
        return H<Out>(combined<Key, Value, C>(node_, std::move(create), std::move(mergeValue), std::move(mergeCombiners), partitions, m));
      } else {
        return H<Out>(combinedAtTheReducer<Key, Value, C>(node_, std::move(create), std::move(mergeValue), partitions, m));
      }
    }
  }

  // `place` gives pair<partition, T>; the exchange takes each record there.
  template <class Own> NodeRef placed(const OpRef& place, std::uint32_t partitions, const Method& m) const {
    using Placed = std::pair<std::uint32_t, T>;
    using Read = std::pair<std::uint32_t, Own>;
    NodeRef named = step<Placed>(node_, place, m);
    return addPull({NodeInput{named, Exchange::kDirect, typeDesc<Read>()}}, ops::DropIndex<Own>::of(), m.facts(typeDesc<Own>(), Layout::kUnknown, partitions));
  }

  template <class W> static constexpr bool joins() {
    static_assert(std::is_same_v<owned_t<Key>, owned_t<typename W::first_type>>, "sluice: both sides of a join or cogroup need keys of the same type");
    return std::is_same_v<owned_t<Key>, owned_t<typename W::first_type>> && shuffles<Key, Value, typename W::second_type>();
  }

  template <bool leftOptional, bool rightOptional, class W> auto crossed(const H<W>& other, const By& partitions, const Method& m) const {
    if constexpr (kBroken || std::is_same_v<W, Broken>) return H<Broken>();
    else if constexpr (!joins<W>()) return H<Broken>();
    else {
      using Op = ops::Join<owned_t<Key>, owned_t<Value>, owned_t<typename W::second_type>, leftOptional, rightOptional>;
      return H<typename Op::Record>(joined<Op, owned_t<Key>, T, W>(partitions, m, node_, other.node()));
    }
  }

  NodeRef node_;
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
