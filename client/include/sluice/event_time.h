// Event time: records by when they happened, not by when they came. Spark's DStreams have none of it; the words are Flink's and Beam's.
//
//  auto events = readings.assignTimestamps([](const auto& r) { return r.second.at; }, WatermarkStrategy::boundedOutOfOrderness(Seconds(5)));
//  auto sums = events.window(TumblingEventTimeWindows(Minutes(1))).allowedLateness(Minutes(10)).reduceByKey(std::plus<>());
//  sums.results().print();     // (key,(EventWindow(start,end),value))
//  sums.late().print();        // (time,(key,value)) of records that were too late for every window
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sluice/dstream.h"
#include "sluice/ops/event_windows.h"

namespace sluice {
inline namespace SLUICE_ABI {

// How far event time has come, by partition of a source: the greatest time seen there, less a bound. The stream's watermark is the least of
// them; it never goes back.
class WatermarkStrategy {
 public:
  // Records are at most this much older than the newest one of their source partition; what is older may be late.
  static WatermarkStrategy boundedOutOfOrderness(Duration bound) {
    if (bound.milliseconds() < 0) throwError(ErrorKind::kInvalidArgument, "boundedOutOfOrderness: the bound is " + bound.toString() + "; it cannot be below 0");
    WatermarkStrategy strategy;
    strategy.bound_ = bound;
    return strategy;
  }
  // Times never go down within a source partition.
  static WatermarkStrategy monotonousTimestamps() { return boundedOutOfOrderness({}); }
  // A source partition from which no batch had a record for longer than this (60 s unless said) does not hold the others back. It is the
  // source that says so, by sealing batch after batch without records: a slow consumer makes nothing idle. Zero: never.
  WatermarkStrategy withIdleness(Duration after) const {
    if (after.milliseconds() < 0) throwError(ErrorKind::kInvalidArgument, "withIdleness: the duration is " + after.toString() + "; it cannot be below 0");
    WatermarkStrategy strategy(*this);
    strategy.idle_ = after;
    return strategy;
  }
  Duration bound() const { return bound_; }
  Duration idleness() const { return idle_; }

 private:
  WatermarkStrategy() = default;
  Duration bound_, idle_ = Seconds(60);
};

// Which windows a record belongs to.
class EventTimeWindows {
 public:
  const ops::EventTimeSpec& spec() const { return spec_; }

 protected:
  static std::int64_t above0(const char* what, Duration given) {
    if (given.milliseconds() <= 0) throwError(ErrorKind::kInvalidArgument, std::string(what) + " is " + given.toString() + "; it must be above 0");
    return given.milliseconds();
  }
  ops::EventTimeSpec spec_;
};
// One after the other, aligned to the epoch.
class TumblingEventTimeWindows : public EventTimeWindows {
 public:
  explicit TumblingEventTimeWindows(Duration size) { spec_.sizeMs = spec_.slideMs = above0("TumblingEventTimeWindows: the size", size); }
};
// A new one each `slide`; a record belongs to each that covers it. A slide above the size leaves gaps, whose records belong to none.
class SlidingEventTimeWindows : public EventTimeWindows {
 public:
  SlidingEventTimeWindows(Duration size, Duration slide) {
    spec_.sizeMs = above0("SlidingEventTimeWindows: the size", size), spec_.slideMs = above0("SlidingEventTimeWindows: the slide", slide);
  }
};
// Of each key: as long as records are less than `gap` apart. Late records may join two sessions to one.
class EventTimeSessionWindows : public EventTimeWindows {
 public:
  explicit EventTimeSessionWindows(Duration gap) { spec_.gapMs = above0("EventTimeSessionWindows: the gap", gap); }
};

template <class K, class V, class C> class WindowedStream {
 public:
  // A window's value, once the watermark has passed its end; again for each batch that changes it within the allowed lateness.
  const DStream<std::pair<K, std::pair<EventWindow, C>>>& results() const { return results_; }
  // Records that came after the last window of theirs was over.
  const DStream<std::pair<Time, std::pair<K, V>>>& late() const { return late_; }

  WindowedStream(DStream<ops::EventResult<K, V, C>> both, CallSite at)
      : results_(both.flatMap(ops::Alternative<0>(), at)), late_(both.flatMap(ops::Alternative<1>(), at)) {}

 private:
  DStream<std::pair<K, std::pair<EventWindow, C>>> results_;
  DStream<std::pair<Time, std::pair<K, V>>> late_;
};

namespace detail {
struct CollectInto {
  template <class V> std::vector<owned_t<V>> operator()(V&& value) const {
    std::vector<owned_t<V>> all;
    all.push_back(std::forward<V>(value));
    return all;
  }
};
struct AppendTo {
  template <class V> std::vector<V> operator()(std::vector<V>&& all, V&& value) const {
    all.push_back(std::move(value));
    return std::move(all);
  }
};
struct CountFirst {
  template <class V> std::int64_t operator()(const V&) const { return 1; }
};
struct CountMore {
  template <class V> std::int64_t operator()(std::int64_t n, const V&) const { return n + 1; }
};
}  // namespace detail

// A stream of pairs whose records have times, in windows of these. Needs a checkpoint directory.
template <class T, class TimeF> class EventTimeWindowed {
  using K = owned_t<typename detail::PairOf<T>::Key>;
  using V = owned_t<typename detail::PairOf<T>::Value>;

 public:
  EventTimeWindowed(DStream<T> stream, TimeF time, ops::EventTimeSpec spec) : stream_(std::move(stream)), time_(std::move(time)), spec_(spec) {}

  // How long after its end (in event time) a window still takes records. Default 0.
  EventTimeWindowed allowedLateness(Duration lateness) const {
    if (lateness.milliseconds() < 0) throwError(ErrorKind::kInvalidArgument, "allowedLateness: the duration is " + lateness.toString() + "; it cannot be below 0");
    EventTimeWindowed windowed(*this);
    windowed.spec_.latenessMs = lateness.milliseconds();
    return windowed;
  }

  // f(V, V) -> V, associative and commutative.
  template <class F> auto reduceByKey(F f, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (!detail::usable<F, V, V>()) return DStream<Broken>();
    else return made<V>(ops::AsValue<V>(), f, f, partitions, {"reduceByKey", at, true});
  }
  // create(V) -> C, mergeValue(C, V) -> C, mergeCombiners(C, C) -> C (two sessions become one).
  template <class Create, class MergeV, class MergeC>
  auto combineByKey(Create create, MergeV mergeValue, MergeC mergeCombiners, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (!detail::usable<Create, V>()) return DStream<Broken>();
    else {
      using C = owned_t<result_t<Create, V>>;
      if constexpr (!detail::usable<MergeV, C, V>() || !detail::usable<MergeC, C, C>()) return DStream<Broken>();
      else return made<C>(std::move(create), std::move(mergeValue), std::move(mergeCombiners), partitions, {"combineByKey", at, true});
    }
  }
  // f(A, V) -> A from `zero`, combine(A, A) -> A.
  template <class A, class SeqF, class CombF>
  auto aggregateByKey(const A& zero, SeqF f, CombF combine, int partitions = 0, CallSite at = CallSite::here()) const {
    return combineByKey(with(detail::FromZero<SeqF>{f}, zero), f, std::move(combine), partitions, at);
  }
  auto groupByKey(int partitions = 0, CallSite at = CallSite::here()) const {
    return made<std::vector<V>>(detail::CollectInto(), detail::AppendTo(), detail::Append(), partitions, {"groupByKey", at, true});
  }
  auto countByKey(int partitions = 0, CallSite at = CallSite::here()) const {
    return made<std::int64_t>(detail::CountFirst(), detail::CountMore(), detail::Plus(), partitions, {"countByKey", at, true});
  }

 private:
  template <class C, class Create, class Merge, class Combine>
  auto made(Create create, Merge merge, Combine combine, int partitions, const detail::Method& m) const {
    if constexpr (!detail::shuffles<typename detail::PairOf<T>::Key, V, C>()) return DStream<Broken>();
    else {
      using Op = ops::EventWindows<K, V, C, Create, Merge, Combine>;
      using Result = typename Op::Result;
      detail::NodeRef node = stream_.node();
      if (partitions < 0) throwError(ErrorKind::kInvalidArgument, std::string(m.name) + ": the number of partitions is " + std::to_string(partitions) + "; it must be above 0");
      std::uint32_t n = partitions > 0 ? std::uint32_t(partitions) : detail::defaultParallelism(*detail::contextOf(node));
      detail::NodeRef placed = detail::step<typename ops::PlaceEvents<T, TimeF>::Record>(node, ops::PlaceEvents<T, TimeF>::of(time_, n), m);
      detail::NodeFacts facts = m.facts(typeDesc<Result>(), detail::Layout::kUnknown, n);
      facts.state = true;
      detail::NodeInput own{{}, detail::Exchange::kNone, typeDesc<std::pair<K, std::vector<ops::OpenWindow<C>>>>()};
      detail::NodeInput events{placed, detail::Exchange::kDirect, typeDesc<typename Op::Input>()};
      DStream<Result> both(detail::addPull({own, events}, Op::of(std::move(create), std::move(merge), std::move(combine), spec_), facts));
      return WindowedStream<K, V, C>(both, m.site);
    }
  }

  DStream<T> stream_;
  TimeF time_;
  ops::EventTimeSpec spec_;
};

// A stream whose records have a time.
template <class T, class TimeF> class EventTimeStream {
 public:
  EventTimeStream(DStream<T> stream, TimeF time, const WatermarkStrategy& watermarks) : stream_(std::move(stream)), time_(std::move(time)) {
    spec_.boundMs = watermarks.bound().milliseconds(), spec_.idleMs = watermarks.idleness().milliseconds();
  }
  // Of pairs, by their keys.
  auto window(const EventTimeWindows& windows) const {
    if constexpr (!is_pair<T>::value) {
      static_assert(never<T>, "sluice: event-time windows need records that are std::pair<K, V>; make them with map or keyBy before assignTimestamps");
      return DStream<Broken>();
    } else {
      ops::EventTimeSpec spec = windows.spec();
      spec.boundMs = spec_.boundMs, spec.idleMs = spec_.idleMs;
      return EventTimeWindowed<T, TimeF>(stream_, time_, spec);
    }
  }
  const DStream<T>& stream() const { return stream_; }

 private:
  DStream<T> stream_;
  TimeF time_;
  ops::EventTimeSpec spec_;
};

// What DStream::assignTimestamps calls.
template <class T, class F> auto timestamped(const DStream<T>& stream, F f, const WatermarkStrategy& watermarks) {
  if constexpr (!detail::usable<F, const T>()) {
    return EventTimeStream<Broken, F>(DStream<Broken>(), std::move(f), watermarks);
  } else {
    static_assert(std::is_convertible_v<std::invoke_result_t<F&, const T&>, Time>, "sluice: assignTimestamps needs a function that takes const T& and returns sluice::Time");
    return EventTimeStream<T, F>(stream, std::move(f), watermarks);
  }
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
