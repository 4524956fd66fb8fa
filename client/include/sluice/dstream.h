// DStream<T>: a dataset for each batch. A value type; what is made from it is defined before the StreamingContext starts.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/detail/stream_graph.h"
#include "sluice/detail/stream_state.h"
#include "sluice/ops/inverse_window.h"
#include "sluice/rdd.h"

namespace sluice {
inline namespace SLUICE_ABI {

namespace detail {

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

class StreamingContext;

template <class T> class DStream : public detail::StreamStates<DStream, T> {
  using Base = detail::StreamStates<DStream, T>;
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
  // The one that it was defined in, whose end is not that of this handle; with <sluice/streaming.h>.
  StreamingContext context() const;
  // The RDDs of the batches from `from` to `to`, both included; ends between two batches are floored, with a warning. Batches that have not
  // run yet are left out. For batches before the present one the context must remember() them. Error(kIllegalState): the stream has not
  // started, or a batch is not remembered any more.
  std::vector<RDD<T>> slice(Time from, Time to, CallSite at = CallSite::here()) const {
    std::vector<RDD<T>> rdds;
    for (auto& node : detail::sliceOf(node_, from, to, at)) rdds.emplace_back(std::move(node));
    return rdds;
  }
  std::vector<RDD<T>> slice(Interval interval, CallSite at = CallSite::here()) const { return slice(interval.beginTime, interval.endTime, at); }
  // The RDD of one batch, if it has run (see slice).
  std::optional<RDD<T>> compute(Time time, CallSite at = CallSite::here()) const {
    auto rdds = slice(time, time, at);
    return rdds.empty() ? std::nullopt : std::optional<RDD<T>>(rdds[0]);
  }

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

  static std::uint32_t shifts(Duration length, Duration step) { return std::uint32_t(length.milliseconds() / step.milliseconds()); }

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
