// The pieces that transformations of RDDs and DStreams are made of.
#pragma once
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "sluice/detail/graph.h"
#include "sluice/ops/combine.h"
#include "sluice/ops/combine_values.h"
#include "sluice/ops/functors.h"
#include "sluice/ops/group.h"
#include "sluice/ops/join.h"
#include "sluice/ops/map.h"
#include "sluice/ops/place.h"
#include "sluice/partitioner.h"
#include "sluice/typed.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Records that follow an error which was reported already: what is wrong with them is not worth a word.
template <class... T> constexpr bool kAnyBroken = (std::is_same_v<std::remove_cvref_t<T>, Broken> || ...);

// Whether F can travel, and take A… . Says what is wrong once, at compile time; the method then goes on with Broken records.
template <class F, class... A> constexpr bool usable() {
  if constexpr (kAnyBroken<A...>) return false;
  else {
    static_assert(kShippable<F>,
                  "sluice: this function captures something that cannot travel to the executors as bytes (a string, a container, a pointer, an RDD or "
                  "DStream); pass values with sluice::with(f, value, ...), which reach f after the record, or make it a functor with SLUICE_FIELDS");
    static_assert(!kShippable<F> || kCallable<F, A...>,
                  "sluice: this function cannot be called with the records at hand; let it take T, const T& or auto (not T&), with std::string_view where "
                  "the records are views");
    return kShippable<F> && kCallable<F, A...>;
  }
}

// Whether K can be a key, and K and the values can be shuffled.
template <class K, class... V> constexpr bool shuffles() {
  if constexpr (kAnyBroken<K, V...>) return false;
  else {
    static_assert(kEncodable<owned_t<K>> && (kEncodable<owned_t<V>> && ...),
                  "sluice: this type cannot be shuffled; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct");
    static_assert(!kEncodable<owned_t<K>> || kKeyable<owned_t<K>>,
                  "sluice: this type cannot be a key: unordered containers and long double have no one order; use std::map, std::set, a sorted vector or double");
    static_assert(kOwnable<K> && (kOwnable<V> && ...),
                  "sluice: a struct with a std::string_view field cannot be shuffled; make it a template over its text type");
    return kKeyable<owned_t<K>> && kOwnable<K> && (kEncodable<owned_t<V>> && ...) && (kOwnable<V> && ...);
  }
}
// Whether records can be stored, or brought to the driver.
template <class T> constexpr bool stores() {
  if constexpr (kAnyBroken<T>) return false;
  else {
    static_assert(kEncodable<owned_t<T>>, "sluice: this type cannot be stored or sent; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct");
    static_assert(kOwnable<T>, "sluice: a struct with a std::string_view field cannot leave its task; make it a template over its text type");
    return kEncodable<owned_t<T>> && kOwnable<T>;
  }
}

// What the method of a handle says of each node that it makes.
struct Method {
  const char* name;
  CallSite site;
  bool stream;
  std::uint64_t call = newCall();
  NodeFacts facts(const TypeDesc* type, Layout layout = Layout::kUnknown, std::uint32_t partitions = 0) const {
    NodeFacts facts{name, site, type};
    facts.layout = layout, facts.partitions = partitions, facts.stream = stream, facts.call = call;
    return facts;
  }
  // Records that lie by key.
  NodeFacts keyed(const TypeDesc* type, const Placement& placement) const {
    NodeFacts facts = this->facts(type, Layout::kByKey, placement.partitions);
    facts.placer = placement.placer;
    return facts;
  }
};

template <class Out> NodeRef step(const NodeRef& in, const OpRef& op, const Method& method, Layout layout = Layout::kUnknown) {
  return addStep(in, op, method.facts(typeDesc<Out>(), layout));
}
// A step that reads everything in one partition.
template <class Read, class Out> NodeRef gathered(const NodeRef& in, const OpRef& op, const Method& method) {
  return addPull({NodeInput{in, Exchange::kGather, typeDesc<Read>()}}, op, method.facts(typeDesc<Out>()));
}

template <class K> Placement placementOf(std::initializer_list<NodeRef> inputs, const Partitioner<K>& by, const Method& method) {
  return shufflePlacement(inputs, by.numPartitions(), by.placer(), method.name);
}

template <class T> struct ToOwned {
  owned_t<T> operator()(T&& record) const { return toRecord<owned_t<T>>(std::move(record)); }
};
// Lends the key to operators that read keys as views.
struct LendKey {
  template <class K, class V> std::pair<view_t<K>, V> operator()(std::pair<K, V>&& record) const { return {record.first, std::move(record.second)}; }
};

// An edge on which the records T of a key come to one partition, read as `read`.
template <class T> NodeInput exchanged(const NodeRef& in, const TypeDesc* read, const Placement& to, const Method& method) {
  using Key = typename KeyOf<T>::type;
  using Own = owned_t<Key>;
  NodeRef from = in;
  constexpr bool owned = std::is_same_v<Key, Own>;
  if constexpr (!owned && !std::is_same_v<Key, view_t<Own>>) {
    if (to.placer) from = step<owned_t<T>>(in, ops::Map<T, owned_t<T>, ToOwned<T>>::of({}), method, Layout::kSame);
    return {from, Exchange::kHash, read, {}, 0, {}, false, placerFor(from, to.placer, false, method.site)};
  } else {
    return {from, Exchange::kHash, read, {}, 0, {}, false, placerFor(from, to.placer, !owned, method.site)};
  }
}

// The input of a keyed operator: T is the record of `in`, Own the owned one, Read the one that the operator reads.
template <class T, class Own, class Read> NodeInput keyedInput(const NodeRef& in, const Placement& to, const Method& method) {
  if (!liesByKey(in, to)) return exchanged<T>(in, typeDesc<Read>(), to, method);
  if constexpr (std::is_same_v<Own, Read>) return {in};
  else return {step<Read>(in, ops::Map<Own, Read, LendKey>::of({}), method, Layout::kSame)};
}

template <class K, class V, class C, class Create, class MergeV, class MergeC>
NodeRef combined(const NodeRef& in, Create create, MergeV mergeValue, MergeC merge, const Partitioner<owned_t<K>>& by, const Method& method) {
  using Key = owned_t<K>;
  using Made = std::pair<Key, C>;
  using Merge = ops::Merge<Key, C, MergeC>;
  Placement to = placementOf({in}, by, method);
  NodeRef mapSide = step<Made>(in, ops::Combine<K, V, C, Create, MergeV>::of(std::move(create), std::move(mergeValue)), method, Layout::kSame);
  return addPull({keyedInput<Made, Made, typename Merge::Input>(mapSide, to, method)}, Merge::of(std::move(merge)),
                 method.keyed(typeDesc<Made>(), to));
}

// Without a map side: every value travels.
template <class K, class V, class C, class Create, class MergeV>
NodeRef combinedAtTheReducer(const NodeRef& in, Create create, MergeV mergeValue, const Partitioner<owned_t<K>>& by, const Method& method) {
  using Op = ops::CombineValues<owned_t<K>, owned_t<V>, C, Create, MergeV>;
  Placement to = placementOf({in}, by, method);
  return addPull({keyedInput<std::pair<K, V>, std::pair<owned_t<K>, owned_t<V>>, typename Op::Input>(in, to, method)},
                 Op::of(std::move(create), std::move(mergeValue)), method.keyed(typeDesc<typename Op::Record>(), to));
}

template <class K, class V> NodeRef grouped(const NodeRef& in, const Partitioner<owned_t<K>>& by, const Method& method) {
  using Op = ops::Group<owned_t<K>, owned_t<V>>;
  Placement to = placementOf({in}, by, method);
  return addPull({keyedInput<std::pair<K, V>, std::pair<owned_t<K>, owned_t<V>>, typename Op::Input>(in, to, method)}, Op::of(),
                 method.keyed(typeDesc<typename Op::Record>(), to));
}

// pair<Key, tuple<vector<V>…>> of inputs whose records T are pairs.
template <class Key, class... T, class... Node> NodeRef cogrouped(const Partitioner<Key>& by, const Method& method, const Node&... in) {
  using Op = ops::Cogroup<Key, owned_t<typename T::second_type>...>;
  Placement to = placementOf({in...}, by, method);
  return addPull({keyedInput<T, owned_t<T>, std::pair<view_t<Key>, owned_t<typename T::second_type>>>(in, to, method)...}, Op::of(),
                 method.keyed(typeDesc<typename Op::Record>(), to));
}

// pair<Key, pair<V, W>> of two inputs whose records T and U are pairs, as Op joins them.
template <class Op, class Key, class T, class U> NodeRef joined(const Partitioner<Key>& by, const Method& method, const NodeRef& left, const NodeRef& right) {
  Placement to = placementOf({left, right}, by, method);
  return addPull({keyedInput<T, owned_t<T>, std::pair<view_t<Key>, owned_t<typename T::second_type>>>(left, to, method),
                  keyedInput<U, owned_t<U>, std::pair<view_t<Key>, owned_t<typename U::second_type>>>(right, to, method)},
                 Op::of(), method.keyed(typeDesc<typename Op::Record>(), to));
}
struct AsPair {
  template <class K, class V, class W>
  std::pair<K, std::pair<V, W>> operator()(std::pair<K, std::tuple<V, W>>&& record) const {
    return {std::move(record.first), {std::move(std::get<0>(record.second)), std::move(std::get<1>(record.second))}};
  }
};
struct Same {
  template <class T> T operator()(T&& record) const { return std::move(record); }
};
// Puts later values behind earlier ones.
struct Append {
  template <class V> std::vector<V> operator()(std::vector<V> all, std::vector<V> more) const {
    if (all.empty()) return more;
    all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    return all;
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
