// DStream<T>: a dataset for each batch. A value type; what is made from it is defined before the StreamingContext starts.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/detail/stream_graph.h"
#include "sluice/ops/inverse_window.h"
#include "sluice/ops/map_with_state.h"
#include "sluice/ops/update_state.h"
#include "sluice/rdd.h"

namespace sluice {
inline namespace SLUICE_ABI {

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

struct Plus {
  std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a + b; }
};
struct Minus {
  std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a - b; }
};
struct CountNotZero {
  template <class P> bool operator()(const P& record) const { return record.second != 0; }
};
// All records under one key.
struct UnderOneKey {
  template <class T> std::pair<int, T> operator()(T&& record) const { return {0, std::move(record)}; }
};

template <class U> U recordOf(const RDD<U>&);
template <class F, class... R> using transformed_t = decltype(recordOf(std::declval<std::invoke_result_t<F&, R...>>()));

}  // namespace detail

template <class K, class S, class M> class MapWithStateDStream;

template <class T> class DStream : public detail::Transforms<DStream, T> {
  using Base = detail::Transforms<DStream, T>;
  using Base::method;
  using Base::node_;
  using Own = owned_t<T>;
  using K = owned_t<typename Base::Key>;
  using V = owned_t<typename Base::Value>;
  using By = typename Base::By;

 public:
  static constexpr bool kStream = true;
  DStream() = default;
  explicit DStream(detail::NodeRef node) : Base(std::move(node)) {}

  Duration slideDuration() const { return detail::slideOf(node_); }

  // ---- One value of each batch ----
  // The number of records, 0 for a batch without any.
  DStream<std::int64_t> count(CallSite at = CallSite::here()) const {
    using Sum = ops::Aggregate<std::int64_t, std::int64_t, detail::Plus>;
    detail::Method m = method("count", at);
    auto each = detail::step<std::int64_t>(node_, ops::Count<T>::of(), m);
    return DStream<std::int64_t>(detail::gathered<std::int64_t, std::int64_t>(each, Sum::of(0, {}), m));
  }
  // f(T, T) -> T; a batch without records gives none.
  template <class F> auto reduce(F f, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!detail::stores<T>() || !detail::usable<F, Own, T>()) return DStream<Broken>();
    else {
      detail::Method m = method("reduce", at);
      auto each = detail::step<Own>(node_, ops::Reduce<T, F>::of(f), m);
      return DStream<Own>(detail::gathered<Own, Own>(each, ops::Reduce<Own, F>::of(f), m));
    }
  }
  auto countByValue(const Partitioner<Own>& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!detail::shuffles<T>()) return DStream<Broken>();
    else {
      detail::Method m = method("countByValue", at);
      return DStream<std::pair<Own, std::int64_t>>(detail::combined<T, std::int64_t, std::int64_t>(
          ones(m), ops::AsValue<std::int64_t>(), detail::Plus(), detail::Plus(), partitions, m));
    }
  }

  // ---- Functions of the driver over whole batches ----
  // f(RDD<T>) -> RDD<U> is asked once, before there is data; f(RDD<T>, Time) -> RDD<U> for each batch. Both run in the driver.
  template <class F> auto transform(F f, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (std::is_invocable_v<F&, RDD<T>>) {
      using U = detail::transformed_t<F, RDD<T>>;
      RDD<U> result = f(RDD<T>(detail::symbolOf(node_)));
      return DStream<U>(detail::addTransformed(&node_, 1, result.node(), method("transform", at).facts(typeDesc<U>())));
    } else if constexpr (std::is_invocable_v<F&, RDD<T>, Time>) {
      using U = detail::transformed_t<F, RDD<T>, Time>;
      auto each = detail::driverFunction([f = std::move(f)](const detail::NodeRef* in, std::size_t, Time t) mutable { return f(RDD<T>(in[0]), t).node(); });
      return DStream<U>(detail::addPerBatch(&node_, 1, std::move(each), method("transform", at).facts(typeDesc<U>())));
    } else {
      static_assert(never<F>, "sluice: transform needs a function (sluice::RDD<T>) or (sluice::RDD<T>, sluice::Time) that returns an RDD");
      return DStream<Broken>();
    }
  }
  template <class W, class F> auto transformWith(const DStream<W>& other, F f, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken || std::is_same_v<W, Broken>) return DStream<Broken>();
    else if constexpr (std::is_invocable_v<F&, RDD<T>, RDD<W>>) {
      using U = detail::transformed_t<F, RDD<T>, RDD<W>>;
      detail::NodeRef both[] = {node_, other.node()};
      RDD<U> result = f(RDD<T>(detail::symbolOf(both[0])), RDD<W>(detail::symbolOf(both[1])));
      return DStream<U>(detail::addTransformed(both, 2, result.node(), method("transformWith", at).facts(typeDesc<U>())));
    } else if constexpr (std::is_invocable_v<F&, RDD<T>, RDD<W>, Time>) {
      using U = detail::transformed_t<F, RDD<T>, RDD<W>, Time>;
      detail::NodeRef both[] = {node_, other.node()};
      auto each = detail::driverFunction(
          [f = std::move(f)](const detail::NodeRef* in, std::size_t, Time t) mutable { return f(RDD<T>(in[0]), RDD<W>(in[1]), t).node(); });
      return DStream<U>(detail::addPerBatch(both, 2, std::move(each), method("transformWith", at).facts(typeDesc<U>())));
    } else {
      static_assert(never<F>, "sluice: transformWith needs a function (RDD<T>, RDD<U>) or (RDD<T>, RDD<U>, sluice::Time) that returns an RDD");
      return DStream<Broken>();
    }
  }

  // ---- Windows: both durations are multiples of the stream's slide; slide zero means that ----
  DStream<T> window(Duration length, Duration slide = {}, CallSite at = CallSite::here()) const {
    if constexpr (!Base::kBroken) {
      if constexpr (detail::stores<T>()) return DStream<T>(detail::addWindow(node_, length, slide, method("window", at).facts(typeDesc<T>())));
    }
    return {};
  }
  DStream<std::int64_t> countByWindow(Duration length, Duration slide = {}, CallSite at = CallSite::here()) const {
    return count(at).reduceByWindow(detail::Plus(), detail::Minus(), length, slide, at);
  }
  auto countByValueAndWindow(Duration length, Duration slide = {}, const Partitioner<Own>& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!detail::shuffles<T>()) return DStream<Broken>();
    else {
      DStream<std::pair<T, std::int64_t>> each(ones(method("countByValueAndWindow", at)));
      return each.reduceByKeyAndWindow(detail::Plus(), detail::Minus(), length, slide, partitions, detail::CountNotZero(), at);
    }
  }
  template <class F> auto reduceByWindow(F f, Duration length, Duration slide = {}, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else return reduce(f, at).window(length, slide, at).reduce(f, at);
  }
  // Adds what enters and takes away what leaves, by inverse(T, T) -> T; needs a checkpoint directory.
  template <class F, class Inv> requires(!std::is_convertible_v<Inv, Duration>)
  auto reduceByWindow(F f, Inv inverse, Duration length, Duration slide = {}, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else return reduce(f, at).map(detail::UnderOneKey(), at).reduceByKeyAndWindow(f, std::move(inverse), length, slide, 1, ops::KeepAll(), at).values(at);
  }
  // Reduces each batch, and the window's batches again.
  template <class F> auto reduceByKeyAndWindow(F f, Duration length, Duration slide = {}, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: reduceByKeyAndWindow needs records that are std::pair<K, V>; make them with map or keyBy first");
      return DStream<Broken>();
    } else return paned(this->reduceByKey(f, partitions, at), f, length, slide, method("reduceByKeyAndWindow", at));
  }
  // From the previous window: f adds what enters, inverse(V, V) takes away what leaves. Keys stay until filter(std::pair<K, V>) is false
  // for them. Needs a checkpoint directory.
  template <class F, class Inv, class Filter = ops::KeepAll> requires(!std::is_convertible_v<Inv, Duration>)
  auto reduceByKeyAndWindow(F f, Inv inverse, Duration length, Duration slide = {}, const By& partitions = 0, Filter filter = {},
                            CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: reduceByKeyAndWindow needs records that are std::pair<K, V>; make them with map or keyBy first");
      return DStream<Broken>();
    } else if constexpr (!detail::usable<Inv, V, V>()) return DStream<Broken>();
    else return slid(this->reduceByKey(f, partitions, at), f, std::move(inverse), std::move(filter), length, slide, method("reduceByKeyAndWindow", at));
  }
  auto groupByKeyAndWindow(Duration length, Duration slide = {}, const By& partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<DStream<T>>, "sluice: groupByKeyAndWindow needs records that are std::pair<K, V>; make them with map or keyBy first");
      return DStream<Broken>();
    } else return paned(this->groupByKey(partitions, at), detail::Append(), length, slide, method("groupByKeyAndWindow", at));
  }

  // ---- State ----
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
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: mapWithState needs records that are std::pair<K, V>; make them with map or keyBy first");
      return DStream<Broken>();
    } else if constexpr (std::is_void_v<S>) {
      static_assert(never<F>, "sluice: mapWithState cannot tell the state's type from this function; name it: StateSpec::function<S>(f)");
      return DStream<Broken>();
    } else if constexpr (!detail::shuffles<typename Base::Key, typename Base::Value, S>()) {
      return DStream<Broken>();
    } else if constexpr (!kShippable<F> || !Call::kAny) {
      static_assert(never<F> || kShippable<F>,
                    "sluice: mapWithState's function captures something that cannot travel to the executors as bytes; pass values with "
                    "sluice::with(f, value, ...)");
      static_assert(!kShippable<F>,
                    "sluice: mapWithState needs a function (key, std::optional<V> value, sluice::State<S>& state) that returns the record, or one that "
                    "takes sluice::Time before the key and returns std::optional of it");
      return DStream<Broken>();
    } else return stateful(spec, method("mapWithState", at));
  }

  // With <sluice/event_time.h>: gives each record its time by f(const T&) -> Time, and the stream a watermark, for windows of event time.
  template <class F, class Strategy> auto assignTimestamps(F f, const Strategy& watermarks) const { return timestamped(*this, std::move(f), watermarks); }

  // ---- Outputs ----
  // The first n records of each batch, as Spark prints them.
  void print(int n = 10, CallSite at = CallSite::here()) const {
    if constexpr (!Base::kBroken) {
      if (n < 0) throwError(ErrorKind::kInvalidArgument, "print: the number of records is below 0");
      detail::addPrint(detail::step<std::string>(node_, ops::PrintLines<T>::of(std::uint64_t(n) + 1), method("print", at)), std::uint32_t(n), at);
    }
  }
  // A directory prefix-TIME[.suffix] for each batch, one record a line.
  void saveAsTextFiles(std::string_view prefix, std::string_view suffix = "", CallSite at = CallSite::here()) const {
    if constexpr (!Base::kBroken) {
      detail::addFiles(detail::step<std::string>(node_, ops::TextLines<T>::of(), method("saveAsTextFiles", at)), prefix, suffix, at);
    }
  }
  // f(RDD<T>) or f(RDD<T>, Time), in the driver, for each batch in order; what it captures need not travel.
  template <class F> void foreachRDD(F f, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return;
    else if constexpr (std::is_invocable_v<F&, RDD<T>>) {
      detail::addForEach(node_, detail::driverFunction([f = std::move(f)](const detail::NodeRef* in, std::size_t, Time) mutable {
        return f(RDD<T>(in[0])), detail::NodeRef();
      }), at);
    } else if constexpr (std::is_invocable_v<F&, RDD<T>, Time>) {
      detail::addForEach(node_, detail::driverFunction([f = std::move(f)](const detail::NodeRef* in, std::size_t, Time t) mutable {
        return f(RDD<T>(in[0]), t), detail::NodeRef();
      }), at);
    } else {
      static_assert(never<F>, "sluice: foreachRDD needs a function (sluice::RDD<T>) or (sluice::RDD<T>, sluice::Time)");
    }
  }
  // f(sluice::Iterator<T>&) in the executors, once for each partition of each batch; needs no driver.
  template <class F> void foreachPartition(F f, CallSite at = CallSite::here()) const {
    if constexpr (!Base::kBroken) {
      detail::addEffects(detail::step<T>(node_, ops::ForeachPartition<T, F>::of(std::move(f)), method("foreachPartition", at)), at);
    }
  }

  // How often this stream is checkpointed: a multiple of its slide.
  DStream<T> checkpoint(Duration interval) const {
    detail::setCheckpointInterval(node_, interval);
    return *this;
  }

 private:
  detail::NodeRef ones(const detail::Method& m) const { return detail::step<std::pair<T, std::int64_t>>(node_, ops::CountOnes<T>::of(), m); }

  // Panes of pair<K, C> that lie by key: merged partition by partition, without an exchange.
  template <class C, class F> static DStream<std::pair<K, C>> paned(const DStream<std::pair<K, C>>& panes, F f, Duration length, Duration slide, const detail::Method& m) {
    using Merge = ops::Merge<K, C, F>;
    detail::checkWindow(panes.node(), length, slide, m.name);
    detail::keepForShifts(panes.node());
    Duration step = panes.slideDuration();
    detail::NodeFacts facts = m.facts(typeDesc<std::pair<K, C>>(), detail::Layout::kSame);
    facts.slide = slide;
    detail::NodeInput in{panes.node(), detail::Exchange::kNone, typeDesc<typename Merge::Input>(), {}, shifts(length, step), step};
    return DStream<std::pair<K, C>>(detail::addPull({in}, Merge::of(std::move(f)), facts));
  }
  static DStream<Broken> paned(const DStream<Broken>&, ...) { return {}; }

  template <class C, class F, class Inv, class Filter>
  static DStream<std::pair<K, C>> slid(const DStream<std::pair<K, C>>& panes, F f, Inv inverse, Filter filter, Duration length, Duration slide,
                                       const detail::Method& m) {
    using Op = ops::InverseWindow<K, C, F, Inv, Filter>;
    detail::checkWindow(panes.node(), length, slide, m.name);
    if (slide >= length) return paned(panes, std::move(f), length, slide, m).filter(std::move(filter), m.site);  // nothing is in two windows
    detail::keepForShifts(panes.node());
    Duration step = panes.slideDuration();
    std::uint32_t moved = shifts(slide, step);
    detail::NodeFacts facts = m.facts(typeDesc<std::pair<K, C>>());
    facts.slide = slide, facts.state = true;
    const TypeDesc* read = typeDesc<typename Op::Input>();
    detail::NodeInput own{{}, detail::Exchange::kNone, read};
    detail::NodeInput entering{panes.node(), detail::Exchange::kNone, read, {}, moved, step};
    detail::NodeInput leaving{panes.node(), detail::Exchange::kNone, read, length, moved, step};
    return DStream<std::pair<K, C>>(
        detail::addPull({own, entering, leaving}, Op::of(std::move(f), std::move(inverse), std::move(filter), moved, moved), facts));
  }
  static DStream<Broken> slid(const DStream<Broken>&, ...) { return {}; }

  template <class F, class S, class P, class Initial> auto stateful(const StateSpecOf<F, S, P, Initial>& spec, const detail::Method& m) const {
    using Call = ops::StateCall<F, K, V, S>;
    using Result = std::remove_cvref_t<typename Call::Result>;
    static_assert(!std::is_void_v<Result>, "sluice: mapWithState needs a function that returns a record");
    static_assert(!Call::kTimed || detail::OptionalLike<Result>, "sluice: mapWithState with a function that takes sluice::Time needs it to return std::optional of the record");
    using Record = typename std::conditional_t<Call::kTimed, detail::InOptional<Result>, std::type_identity<Result>>::type;
    using M = owned_t<detail::plain_t<Record>>;
    if constexpr (!detail::stores<M>()) return DStream<Broken>();
    else {
      using Op = ops::MapWithState<K, V, S, M, F>;
      detail::Placement to = detail::placementOf({node_}, Partitioner<K>(spec.by), m);
      detail::NodeFacts facts = m.facts(typeDesc<M>(), detail::Layout::kUnknown, to.partitions);
      facts.state = true;
      detail::NodeInput own{{}, detail::Exchange::kNone, typeDesc<std::pair<K, S>>()};
      detail::NodeInput values = detail::keyedInput<T, std::pair<K, V>, typename Op::Input>(node_, to, m);
      OpRef op = Op::of(spec.f, spec.idle.milliseconds());
      detail::NodeRef made;
      if constexpr (std::is_same_v<Initial, Broken>) {
        made = detail::addPull({own, values}, op, facts);
      } else {
        static_assert(std::is_same_v<owned_t<typename Initial::Record>, std::pair<K, S>>, "sluice: the initial state of mapWithState is an RDD of std::pair<K, S>, with the stream's keys and the function's state");
        auto first = detail::addFirstBatch(*detail::streamOf(node_), spec.initial.node(), m.facts(typeDesc<typename Initial::Record>()));
        made = detail::addPull({own, values, detail::exchanged<typename Initial::Record>(first, typeDesc<typename Op::Initial>(), to, m)}, op, facts);
      }
      return MapWithStateDStream<K, S, M>(std::move(made), to, m);
    }
  }

  static std::uint32_t shifts(Duration length, Duration step) { return std::uint32_t(length.milliseconds() / step.milliseconds()); }

  template <class State, class F, class Initial = RDD<Broken>> auto updated(F f, const By& partitions, const Initial* initial, CallSite at) const {
    using Found = typename detail::StateOf<F>::type;
    using S = std::conditional_t<std::is_void_v<State>, Found, State>;
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: updateStateByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return DStream<Broken>();
    } else if constexpr (std::is_void_v<S>) {
      static_assert(never<F>, "sluice: updateStateByKey cannot tell the state's type from this function; name it: updateStateByKey<State>(f)");
      return DStream<Broken>();
    } else if constexpr (!detail::shuffles<typename Base::Key, typename Base::Value, S>()) {
      return DStream<Broken>();
    } else if constexpr (ops::UpdateCall<F, K, V, S>::kTimedView || ops::UpdateCall<F, K, V, S>::kTimedKey) {
      if constexpr (!kShippable<F>) return detail::usable<F, Time, K, std::vector<V>, std::optional<S>>(), DStream<Broken>();
      else return DStream<std::pair<K, S>>(updating<ops::UpdateState<K, V, S, F>, S>(std::move(f), partitions, true, initial, method("updateStateByKey", at)));
    } else if constexpr (!detail::usable<F, std::vector<V>, std::optional<S>>()) {
      return DStream<Broken>();
    } else {
      return DStream<std::pair<K, S>>(updating<ops::UpdateState<K, V, S, F>, S>(std::move(f), partitions, true, initial, method("updateStateByKey", at)));
    }
  }

  template <class S, class F, class Initial = RDD<Broken>>
  auto updatedByPartition(F f, const By& partitions, bool remember, const Initial* initial, CallSite at) const {
    if constexpr (Base::kBroken) return DStream<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: updateStateByPartition needs records that are std::pair<K, V>; make them with map or keyBy first");
      return DStream<Broken>();
    } else if constexpr (!detail::shuffles<typename Base::Key, typename Base::Value, S>()) {
      return DStream<Broken>();
    } else if constexpr (!kShippable<F> || !ops::kTakesPartition<F, Iterator<KeyedUpdate<K, V, S>>>) {
      static_assert(never<F>,
                    "sluice: updateStateByPartition needs a function that takes sluice::Iterator<sluice::KeyedUpdate<K, V, S>>&, returns a range of "
                    "std::pair<K, S>, and captures only what can travel as bytes");
      return DStream<Broken>();
    } else {
      return DStream<std::pair<K, S>>(updating<ops::UpdateStates<K, V, S, F>, S>(std::move(f), partitions, remember, initial, method("updateStateByPartition", at)));
    }
  }

  template <class Op, class S, class F, class Initial>
  detail::NodeRef updating(F f, const By& partitions, bool remember, const Initial* initial, const detail::Method& m) const {
    using Pair = std::pair<K, S>;
    detail::Placement to = detail::placementOf({node_}, partitions, m);
    detail::NodeFacts facts = m.keyed(typeDesc<Pair>(), to);
    if (!remember) facts.layout = detail::Layout::kUnknown;
    facts.state = true;
    detail::NodeInput own{{}, detail::Exchange::kNone, typeDesc<typename Op::Known>()};
    detail::NodeInput values = detail::keyedInput<T, std::pair<K, V>, typename Op::Input>(node_, to, m);
    if constexpr (std::is_same_v<Initial, RDD<Pair>>) {
      if (initial) {
        auto first = detail::addFirstBatch(*detail::streamOf(node_), initial->node(), m.facts(typeDesc<Pair>()));
        detail::NodeInput begin = detail::exchanged<Pair>(first, typeDesc<typename Op::Known>(), to, m);
        return detail::addPull({own, values, begin}, Op::of(std::move(f)), facts);
      }
    }
    return detail::addPull({own, values}, Op::of(std::move(f)), facts);
  }
};

// What mapWithState gives.
template <class K, class S, class M> class MapWithStateDStream : public DStream<M> {
 public:
  MapWithStateDStream() = default;
  MapWithStateDStream(detail::NodeRef node, detail::Placement placement, const detail::Method& method)
      : DStream<M>(std::move(node)), placement_(std::move(placement)), method_(method) {}
  // All keys with their states, touched in the batch or not.
  DStream<std::pair<K, S>> stateSnapshots() const {
    detail::NodeInput state{this->node(), detail::Exchange::kNone, typeDesc<std::pair<K, S>>()};
    state.ofState = true;
    detail::Method m = method_;
    m.name = "stateSnapshots";
    return DStream<std::pair<K, S>>(detail::addPull({state}, ops::StateEntries<K, S>::of(), m.keyed(typeDesc<std::pair<K, S>>(), placement_)));
  }

 private:
  detail::Placement placement_;
  detail::Method method_{};
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
