// Windows by the time of the events. In front of the exchange each record gets its time, and each map task tells every reducer how far its
// sources have come; behind it each reducer keeps the open windows of its keys, and finds the watermark for itself.
//
// Semantics after the Dataflow model (Akidau et al., VLDB 2015), with the watermark by source partition as Flink has it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/key_table.h"
#include "sluice/ops/combine.h"
#include "sluice/ops/map_with_state.h"
#include "sluice/ops/place.h"

namespace sluice {
inline namespace SLUICE_ABI {

// [start, end) in event time.
struct EventWindow {
  Time start, end;
  friend constexpr auto operator<=>(const EventWindow&, const EventWindow&) = default;
  SLUICE_FIELDS(EventWindow, start, end)
};

namespace ops {

// How far a partition of a source has come: the greatest time that was seen, and the batch that saw it.
struct SourceTime {
  std::string source;
  std::int64_t maxMs = 0, seenMs = 0;
  SLUICE_FIELDS(SourceTime, source, maxMs, seenMs)
};

struct EventTimeSpec {
  std::int64_t boundMs = 0, idleMs = 0;                 // of the watermark; idle 0: no source is ever idle
  std::int64_t sizeMs = 0, slideMs = 0, gapMs = 0;      // gap above 0: sessions
  std::int64_t latenessMs = 0;
  SLUICE_FIELDS(EventTimeSpec, boundMs, idleMs, sizeMs, slideMs, gapMs, latenessMs)
};

template <class T> using Timed = std::pair<std::int64_t, T>;
template <class T> using EventRow = std::variant<Timed<T>, SourceTime>;

inline std::int64_t floorTo(std::int64_t ms, std::int64_t step) {
  std::int64_t rest = ms % step;
  return ms - (rest < 0 ? rest + step : rest);
}

// T = pair<K, V> -> pair<reducer, EventRow<T>>
template <class T, class TimeF>
class SLUICE_HIDDEN PlaceEvents : public StepOperator,
                                  public Ships<PlaceEvents<T, TimeF>, OpDesc::Form::kStep, TimeF, Value<std::uint32_t>> {
 public:
  using Record = std::pair<std::uint32_t, EventRow<T>>;
  static OpRef of(TimeF time, std::uint32_t reducers) { return PlaceEvents::ship(time, reducers); }
  PlaceEvents(TimeF time, std::uint32_t reducers) : time_(std::move(time)), reducers_(reducers) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out_.clear();
    SourcePartition from = task.sourcePartition();
    if (from.uid != uid_ || from.partition != partition_ || !max_) {
      uid_ = from.uid, partition_ = from.partition;
      max_ = &times_.try_emplace(std::string(uid_) + "#" + std::to_string(partition_), std::numeric_limits<std::int64_t>::min()).first->second;
    }
    T* const records = in.as<T>();
    std::size_t i = at_;
    try {
      for (; i < in.size && !out_.full(); ++i) {
        std::int64_t ms = Time(time_(std::as_const(records[i]))).milliseconds();
        if (ms > *max_) *max_ = ms;
        std::uint32_t reducer = std::uint32_t((static_cast<detail::uint128>(keyHash(records[i].first)) * reducers_) >> 64);
        out_.emplace(reducer, EventRow<T>(std::in_place_index<0>, ms, std::move(records[i])));
      }
    } catch (...) {
      at_ = 0;
      task.failedAt(i);
      throw;
    }
    out = out_.chunk();
    at_ = i == in.size ? 0 : i;
    return i == in.size ? Step::kNeedInput : Step::kHaveMore;
  }

  Step finish(Chunk& out, TaskContext& task) override {
    out_.clear();
    if (!std::exchange(telling_, true)) told_ = times_.begin();
    for (; told_ != times_.end(); ++told_, reducer_ = 0) {
      for (; reducer_ < reducers_; ++reducer_) {
        if (out_.full()) return out = out_.chunk(), Step::kHaveMore;
        out_.emplace(reducer_, EventRow<T>(std::in_place_index<1>, SourceTime{told_->first, told_->second, task.batchTime().milliseconds()}));
      }
    }
    out = out_.chunk();
    return Step::kFinished;
  }

 private:
  TimeF time_;
  std::uint32_t reducers_;
  OutputChunk<Record> out_;
  std::size_t at_ = 0;
  std::string uid_;
  std::uint32_t partition_ = 0;
  std::map<std::string, std::int64_t> times_;
  std::int64_t* max_ = nullptr;
  std::map<std::string, std::int64_t>::iterator told_;
  std::uint32_t reducer_ = 0;
  bool telling_ = false;
};

template <class C> struct OpenWindow {
  std::int64_t startMs = 0, endMs = 0;
  bool fired = false;
  C value{};
  SLUICE_FIELDS(OpenWindow, startMs, endMs, fired, value)
};

// What comes of event windows: a window's value, or a record that was too late for all its windows.
template <class K, class V, class C> using EventResult = std::variant<std::pair<K, std::pair<EventWindow, C>>, std::pair<Time, std::pair<K, V>>>;

// The watermark from what is known of the sources: the least of those that are not idle, less the bound.
class SLUICE_EXPORT Watermark {
 public:
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
  void restore(std::vector<SourceTime> sources, std::int64_t nowMs) { sources_ = std::move(sources), nowMs_ = beforeMs_ = nowMs; }
  void see(const SourceTime& source);
  // After all of the batch's sources.
  void advance(std::int64_t batchMs, std::int64_t boundMs, std::int64_t idleMs);
  std::int64_t nowMs() const { return nowMs_; }
  std::int64_t beforeMs() const { return beforeMs_; }  // of the batch before: what is late is judged by it
  const std::vector<SourceTime>& sources() const { return sources_; }

 private:
  std::vector<SourceTime> sources_;  // in order of name
  std::int64_t nowMs_ = kNone, beforeMs_ = kNone;
};

// Input: pair<reducer, EventRow<pair<view K, V>>>. create(V) -> C, merge(C, V) -> C, combine(C, C) -> C.
// A window gives its value when the watermark has passed its end, and again with each batch that changes it after that, until the watermark
// has passed its end by the allowed lateness.
template <class K, class V, class C, class Create, class Merge, class Combine>
class SLUICE_HIDDEN EventWindows
    : public PullOperator,
      public Ships<EventWindows<K, V, C, Create, Merge, Combine>, OpDesc::Form::kStateful, Create, Merge, Combine, Value<EventTimeSpec>> {
  using View = view_t<K>;
  using Window = OpenWindow<C>;

 public:
  using Input = std::pair<std::uint32_t, EventRow<std::pair<View, V>>>;
  using Result = EventResult<K, V, C>;
  static OpRef of(Create create, Merge merge, Combine combine, const EventTimeSpec& spec) { return EventWindows::ship(create, merge, combine, spec); }
  EventWindows(Create create, Merge merge, Combine combine, EventTimeSpec spec)
      : create_(std::move(create)), merge_(std::move(merge)), combine_(std::move(combine)), spec_(spec) {}

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext& task) override {
    if (!store_) {
      store_ = task.state();
      if (!store_) throwError(ErrorKind::kIllegalState, "event windows run without their state");
      readWatermark();
      readRecords(*inputs[0]);
      watermark_.advance(task.batchTime().milliseconds(), spec_.boundMs, spec_.idleMs);
      close();
    }
    out_.clear();
    for (; at_ < results_.size() && !out_.full(); ++at_) out_.emplace(std::move(results_[at_]));
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  struct Entry {
    std::vector<Window> windows;  // in order of start
    std::vector<bool> changed;    // parallel
    bool known = false, stored = false;
  };

  void readWatermark() {
    StateEntry found;
    if (!store_->find("w", found)) return;
    RowReader in{found.value.data(), found.value.data() + found.value.size()};
    auto nowMs = Codec<std::int64_t>::get(in);
    watermark_.restore(Codec<std::vector<SourceTime>>::get(in), nowMs);
  }

  void readRecords(Cursor& input) {
    Chunk in;
    while (input.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        auto& row = in.as<Input>()[i].second;
        if (row.index() == 1) watermark_.see(std::get<1>(row));
        else take(std::get<0>(row).first, std::get<0>(row).second);
      }
    }
  }

  void take(std::int64_t ms, std::pair<View, V>& record) {
    Entry& entry = entryOf(record.first);
    bool taken = false;
    if (spec_.gapMs > 0) {
      taken = intoSession(entry, ms, record.second);
    } else {
      for (std::int64_t start = floorTo(ms, spec_.slideMs); start > ms - spec_.sizeMs; start -= spec_.slideMs) {
        if (isOver(start + spec_.sizeMs)) continue;
        taken = true;
        auto at = std::lower_bound(entry.windows.begin(), entry.windows.end(), start, [](const Window& w, std::int64_t s) { return w.startMs < s; });
        auto i = std::size_t(at - entry.windows.begin());
        if (at == entry.windows.end() || at->startMs != start) {
          entry.windows.insert(at, Window{start, start + spec_.sizeMs, false, createOf(record.second)});
          entry.changed.insert(entry.changed.begin() + std::ptrdiff_t(i), true);
        } else {
          at->value = mergeInto<C>(merge_, at->value, copyOf(record.second));
          entry.changed[i] = true;
        }
      }
    }
    if (!taken) results_.emplace_back(std::in_place_index<1>, Time(ms), std::pair<K, V>(toRecord<K>(record.first), std::move(record.second)));
  }

  // One session of all that it meets.
  bool intoSession(Entry& entry, std::int64_t ms, V& value) {
    Window session{ms, ms + spec_.gapMs, false, C{}};
    std::size_t from = 0;
    while (from < entry.windows.size() && entry.windows[from].endMs < session.startMs) ++from;
    std::size_t to = from;
    std::int64_t end = session.endMs;
    while (to < entry.windows.size() && entry.windows[to].startMs <= end) end = std::max(end, entry.windows[to++].endMs);
    if (isOver(end)) return false;
    if (from == to) {
      session.value = createOf(value);
    } else {
      session.startMs = std::min(session.startMs, entry.windows[from].startMs), session.endMs = end;
      session.value = std::move(entry.windows[from].value);
      for (std::size_t i = from + 1; i < to; ++i) session.value = mergeInto<C>(combine_, session.value, entry.windows[i].value);
      session.value = mergeInto<C>(merge_, session.value, value);
    }
    auto first = std::ptrdiff_t(from), last = std::ptrdiff_t(to);
    entry.windows.erase(entry.windows.begin() + first, entry.windows.begin() + last);
    entry.changed.erase(entry.changed.begin() + first, entry.changed.begin() + last);
    entry.windows.insert(entry.windows.begin() + first, std::move(session));
    entry.changed.insert(entry.changed.begin() + first, true);
    return true;
  }

  V& copyOf(const V& value) { return copy_.emplace(value); }
  C createOf(const V& value) { return createFrom<C>(create_, copyOf(value)); }
  bool isOver(std::int64_t endMs) const { return watermark_.beforeMs() != Watermark::kNone && endMs + spec_.latenessMs <= watermark_.beforeMs(); }

  static std::string keyBytes(const View& key) {
    std::string bytes = "k";
    withKeyBytes(key, [&](const char* at, std::size_t size) { bytes.append(at, size); });
    return bytes;
  }
  Entry& entryOf(const View& key) {
    Entry& entry = table_[key];
    if (entry.known) return entry;
    entry.known = true;
    StateEntry found;
    if (!store_->find(keyBytes(key), found)) return entry;
    entry.stored = true;
    RowReader in{found.value.data(), found.value.data() + found.value.size()};
    entry.windows = Codec<std::vector<Window>>::get(in);
    entry.changed.assign(entry.windows.size(), false);
    return entry;
  }

  // Windows whose end the watermark has reached give their values; those that are over go.
  void close() {
    std::int64_t nowMs = watermark_.nowMs();
    StateEntry due;
    while (nowMs != Watermark::kNone && store_->nextDue(nowMs, due)) entryOf(keyFrom<View>(due.key.substr(1)));
    Buffer row;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      Entry& entry = table_.value(i);
      std::string bytes = keyBytes(table_.key(i));
      std::int64_t nextMs = kNever;
      std::vector<Window> open;
      for (std::size_t w = 0; w < entry.windows.size(); ++w) {
        Window& window = entry.windows[w];
        if (nowMs != Watermark::kNone && window.endMs <= nowMs && (!window.fired || entry.changed[w])) {
          window.fired = true;
          results_.emplace_back(std::in_place_index<0>, toRecord<K>(table_.key(i)),
                                std::pair(EventWindow{Time(window.startMs), Time(window.endMs)}, window.value));
        }
        if (nowMs != Watermark::kNone && window.endMs + spec_.latenessMs <= nowMs) continue;
        nextMs = std::min(nextMs, window.fired ? window.endMs + spec_.latenessMs : window.endMs);
        open.push_back(std::move(window));
      }
      if (open.empty()) {
        if (entry.stored) store_->remove(bytes);
        continue;
      }
      row.clear();
      encodeValue(open, row);
      store_->put(bytes, row.view(), nextMs);
    }
    row.clear();
    encodeValue(nowMs, row), encodeValue(watermark_.sources(), row);
    store_->put("w", row.view(), kNever);
  }

  Create create_;
  Merge merge_;
  Combine combine_;
  const EventTimeSpec spec_;
  StateStore* store_ = nullptr;
  Watermark watermark_;
  KeyTable<K, Entry> table_;
  std::optional<V> copy_;  // for functions that take their value by moving
  std::vector<Result> results_;
  OutputChunk<Result> out_;
  std::size_t at_ = 0;
};

// One alternative of what event windows gave.
template <std::size_t i> struct Alternative {
  template <class... A> auto operator()(std::variant<A...>&& result) const {
    using R = std::variant_alternative_t<i, std::variant<A...>>;
    return result.index() == i ? std::optional<R>(std::get<i>(std::move(result))) : std::optional<R>();
  }
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
