// Streams whose batches depend on all that came before, by key.
#pragma once
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/detail/stream_files.h"
#include "sluice/detail/stream_graph.h"
#include "sluice/ops/map_with_state.h"
#include "sluice/ops/update_state.h"
#include "sluice/rdd.h"

namespace sluice {
inline namespace SLUICE_ABI {

template <class K, class S, class M> class MapWithStateDStream;

namespace detail {

// The S of a function (values, std::optional<S>) -> std::optional<S>, or of one with Time and key before these.
template <class T> struct InOptional { using type = void; };
template <class S> struct InOptional<std::optional<S>> { using type = S; };
template <class... A> struct LastOptional { using type = typename InOptional<std::remove_cvref_t<typename LastOf<A...>::type>>::type; };
template <class F> struct StateOf { using type = void; };
template <class R, class C, class... A> struct StateOf<R (C::*)(A...) const> : LastOptional<A...> {};
template <class R, class C, class... A> struct StateOf<R (C::*)(A...)> : LastOptional<A...> {};
template <class R, class... A> struct StateOf<R (*)(A...)> : LastOptional<A...> {};
template <class F> requires requires { &F::operator(); } struct StateOf<F> : StateOf<decltype(&F::operator())> {};
// Values that travel with the function come after the state: it is the second parameter then.
template <class F> struct SecondOptional { using type = void; };
template <class R, class C, class Vs, class S, class... More> struct SecondOptional<R (C::*)(Vs, S, More...) const> : InOptional<std::remove_cvref_t<S>> {};
template <class R, class C, class Vs, class S, class... More> struct SecondOptional<R (C::*)(Vs, S, More...)> : InOptional<std::remove_cvref_t<S>> {};
template <class F> requires requires { &F::operator(); } struct SecondOptional<F> : SecondOptional<decltype(&F::operator())> {};
template <class F, class... V> struct StateOf<With<F, V...>> : SecondOptional<F> {};

// Methods of H<T>, a DStream.
template <template <class> class H, class T> class StreamStates : public StreamFiles<H, T> {
  using Base = StreamFiles<H, T>;
  using K = owned_t<typename Base::Key>;
  using V = owned_t<typename Base::Value>;

 protected:
  using typename Base::By;

 public:
  // f(std::vector<V> values, std::optional<S> state) -> std::optional<S>, or f(Time, key, values, state), for every known key in every
  // batch; none forgets the key. Needs a checkpoint directory. S is read from f's signature, or named:
  // updateStateByKey<long>([](auto values, auto state) {...}).
  template <class State = void, class F> auto updateStateByKey(F f, const By& partitions = 0, CallSite at = CallSite::here()) const {
    return updated<State>(std::move(f), partitions, static_cast<const RDD<Broken>*>(nullptr), at);
  }
  // The first batch begins from the pairs of `initial`.
  template <class State = void, class F, class S>
  auto updateStateByKey(F f, const By& partitions, const RDD<std::pair<K, S>>& initial, CallSite at = CallSite::here()) const {
    return updated<State>(std::move(f), partitions, &initial, at);
  }

  // The partition form: f(sluice::Iterator<KeyedUpdate<K, V, S>>&) -> range of std::pair<K, S>, over the known keys and those of the batch;
  // keys that it leaves out are forgotten. rememberPartitioner: it leaves the keys as they are. S is named.
  template <class S, class F>
  auto updateStateByPartition(F f, const By& partitions = 0, bool rememberPartitioner = true, CallSite at = CallSite::here()) const {
    return updatedByPartition<S>(std::move(f), partitions, rememberPartitioner, static_cast<const RDD<Broken>*>(nullptr), at);
  }
  template <class S, class F>
  auto updateStateByPartition(F f, const By& partitions, bool rememberPartitioner, const RDD<std::pair<K, S>>& initial, CallSite at = CallSite::here()) const {
    return updatedByPartition<S>(std::move(f), partitions, rememberPartitioner, &initial, at);
  }
  // The function of the spec over each record and the state of its key; gives what the function returns, and the states as
  // stateSnapshots(). Costs what the batch touches, however many keys are held. Needs a checkpoint directory.
  template <class F, class S, class P, class Initial> auto mapWithState(const StateSpecOf<F, S, P, Initial>& spec, CallSite at = CallSite::here()) const {
    using Call = ops::StateCall<F, K, V, S>;
    if constexpr (Base::kBroken) return H<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: mapWithState needs records that are std::pair<K, V>; make them with map or keyBy first");
      return H<Broken>();
    } else if constexpr (std::is_void_v<S>) {
      static_assert(never<F>, "sluice: mapWithState cannot tell the state's type from this function; name it: StateSpec::function<S>(f)");
      return H<Broken>();
    } else if constexpr (!shuffles<typename Base::Key, typename Base::Value, S>()) {
      return H<Broken>();
    } else if constexpr (!kShippable<F> || !Call::kAny) {
      static_assert(never<F> || kShippable<F>,
                    "sluice: mapWithState's function captures something that cannot travel to the executors as bytes; pass values with "
                    "sluice::with(f, value, ...)");
      static_assert(!kShippable<F>,
                    "sluice: mapWithState needs a function (key, std::optional<V> value, sluice::State<S>& state) that returns the record, or one that "
                    "takes sluice::Time before the key and returns std::optional of it");
      return H<Broken>();
    } else return stateful(spec, method("mapWithState", at));
  }
  template <class F> auto mapWithState(const F&, CallSite = CallSite::here()) const {
    static_assert(never<F>, "sluice: mapWithState takes a StateSpec; write mapWithState(sluice::StateSpec::function(f))");
    return H<Broken>();
  }

 protected:
  using Base::Base;
  using Base::method;
  using Base::node_;

 private:
  template <class F, class S, class P, class Initial> auto stateful(const StateSpecOf<F, S, P, Initial>& spec, const Method& m) const {
    using Call = ops::StateCall<F, K, V, S>;
    using Result = std::remove_cvref_t<typename Call::Result>;
    static_assert(!std::is_void_v<Result>, "sluice: mapWithState needs a function that returns a record");
    static_assert(!Call::kTimed || OptionalLike<Result>, "sluice: mapWithState with a function that takes sluice::Time needs it to return std::optional of the record");
    using Record = typename std::conditional_t<Call::kTimed, InOptional<Result>, std::type_identity<Result>>::type;
    using M = owned_t<plain_t<Record>>;
    if constexpr (!stores<M>()) return H<Broken>();
    else {
      using Op = ops::MapWithState<K, V, S, M, F>;
      Placement to = placementOf({node_}, Partitioner<K>(spec.by), m);
      NodeFacts facts = m.facts(typeDesc<M>(), Layout::kUnknown, to.partitions);
      facts.state = true;
      NodeInput own{{}, Exchange::kNone, typeDesc<std::pair<K, S>>()};
      NodeInput values = keyedInput<T, std::pair<K, V>, typename Op::Input>(node_, to, m);
      OpRef op = Op::of(spec.f, spec.idle.milliseconds());
      NodeRef made;
      if constexpr (std::is_same_v<Initial, Broken>) {
        made = addPull({own, values}, op, facts);
      } else {
        static_assert(std::is_same_v<owned_t<typename Initial::Record>, std::pair<K, S>>, "sluice: the initial state of mapWithState is an RDD of std::pair<K, S>, with the stream's keys and the function's state");
        auto first = addFirstBatch(*streamOf(node_), spec.initial.node(), m.facts(typeDesc<typename Initial::Record>()));
        made = addPull({own, values, exchanged<typename Initial::Record>(first, typeDesc<typename Op::Initial>(), to, m)}, op, facts);
      }
      return MapWithStateDStream<K, S, M>(std::move(made), to, m);
    }
  }

  template <class State, class F, class Initial = RDD<Broken>> auto updated(F f, const By& partitions, const Initial* initial, CallSite at) const {
    using Found = typename StateOf<F>::type;
    using S = std::conditional_t<std::is_void_v<State>, Found, State>;
    if constexpr (Base::kBroken) return H<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: updateStateByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return H<Broken>();
    } else if constexpr (std::is_void_v<S>) {
      static_assert(never<F>, "sluice: updateStateByKey cannot tell the state's type from this function; name it: updateStateByKey<State>(f)");
      return H<Broken>();
    } else if constexpr (!shuffles<typename Base::Key, typename Base::Value, S>()) {
      return H<Broken>();
    } else if constexpr (ops::UpdateCall<F, K, V, S>::kTimedView || ops::UpdateCall<F, K, V, S>::kTimedKey) {
      if constexpr (!kShippable<F>) return usable<F, Time, K, std::vector<V>, std::optional<S>>(), H<Broken>();
      else return H<std::pair<K, S>>(updating<ops::UpdateState<K, V, S, F>, S>(std::move(f), partitions, true, initial, method("updateStateByKey", at)));
    } else if constexpr (!usable<F, std::vector<V>, std::optional<S>>()) {
      return H<Broken>();
    } else {
      return H<std::pair<K, S>>(updating<ops::UpdateState<K, V, S, F>, S>(std::move(f), partitions, true, initial, method("updateStateByKey", at)));
    }
  }

  template <class S, class F, class Initial = RDD<Broken>>
  auto updatedByPartition(F f, const By& partitions, bool remember, const Initial* initial, CallSite at) const {
    if constexpr (Base::kBroken) return H<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: updateStateByPartition needs records that are std::pair<K, V>; make them with map or keyBy first");
      return H<Broken>();
    } else if constexpr (!shuffles<typename Base::Key, typename Base::Value, S>()) {
      return H<Broken>();
    } else if constexpr (!kShippable<F> || !ops::kTakesPartition<F, Iterator<KeyedUpdate<K, V, S>>>) {
      static_assert(never<F>,
                    "sluice: updateStateByPartition needs a function that takes sluice::Iterator<sluice::KeyedUpdate<K, V, S>>&, returns a range of "
                    "std::pair<K, S>, and captures only what can travel as bytes");
      return H<Broken>();
    } else {
      return H<std::pair<K, S>>(updating<ops::UpdateStates<K, V, S, F>, S>(std::move(f), partitions, remember, initial, method("updateStateByPartition", at)));
    }
  }

  template <class Op, class S, class F, class Initial>
  NodeRef updating(F f, const By& partitions, bool remember, const Initial* initial, const Method& m) const {
    using Pair = std::pair<K, S>;
    Placement to = placementOf({node_}, partitions, m);
    NodeFacts facts = m.keyed(typeDesc<Pair>(), to);
    if (!remember) facts.layout = Layout::kUnknown;
    facts.state = true;
    NodeInput own{{}, Exchange::kNone, typeDesc<typename Op::Known>()};
    NodeInput values = keyedInput<T, std::pair<K, V>, typename Op::Input>(node_, to, m);
    if constexpr (std::is_same_v<Initial, RDD<Pair>>) {
      if (initial) {
        auto first = addFirstBatch(*streamOf(node_), initial->node(), m.facts(typeDesc<Pair>()));
        NodeInput begin = exchanged<Pair>(first, typeDesc<typename Op::Known>(), to, m);
        return addPull({own, values, begin}, Op::of(std::move(f)), facts);
      }
    }
    return addPull({own, values}, Op::of(std::move(f)), facts);
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
