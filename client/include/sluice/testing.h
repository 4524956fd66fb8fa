// The test kit: streams fed and collected batch by batch, on a clock that the test moves, on shapes from one slot to real processes.
//
//   expectBatches<int, int>({{1, 2}, {}, noRdd, {3}}, [](auto s) { return s.map([](int x) { return x + 1; }); }, {{2, 3}, {}, noRdd, {4}});
//
// Link libsluice_testing; errors are sluice::Error, so any test framework will do.
#pragma once
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/streaming.h"
#include "sluice/typed.h"

namespace sluice {
namespace testing {

struct NoRdd {};
inline constexpr NoRdd noRdd{};  // the stream gives nothing at t (not the same as {}, an empty RDD)

// One batch of a stream: {1, 2} | {} | noRdd | partitions<int>({{1}, {}, {2, 3}}). Holds owned records.
template <class T> struct Batch {
  using Record = owned_t<T>;
  std::optional<std::vector<std::vector<Record>>> parts;  // by partition; nullopt: no RDD
  bool byPartition = false;                               // the partitions are part of what is said
  Batch(std::initializer_list<Record> records) : Batch(std::vector<Record>(records)) {}
  Batch(std::vector<Record> records) : parts(std::in_place) { parts->push_back(std::move(records)); }  // NOLINT: a list is a batch
  Batch(NoRdd) {}                                                                                        // NOLINT
  std::vector<Record> records() const {
    std::vector<Record> all;
    if (parts) {
      for (const auto& part : *parts) all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
};
template <class T> Batch<T> partitions(std::vector<std::vector<owned_t<T>>> parts) {
  Batch<T> batch(noRdd);
  batch.parts = std::move(parts);
  batch.byPartition = true;
  return batch;
}
template <class T> using Batches = std::vector<Batch<T>>;

// kLocal1, kLocal4: local[1], local[4]. The others are a master and three executors of two slots: in virtual time on the waiting
// thread; in this process with threads; as processes (in real time).
enum class Shape { kLocal1, kLocal4, kSimulated, kInProcess, kProcesses };
// What happens after half of the batches.
enum class Midway { kNothing, kExecutorLoss, kMasterRestart, kRestore };
SLUICE_EXPORT const char* nameOf(Shape shape);
SLUICE_EXPORT const char* nameOf(Midway midway);

struct How {
  std::vector<Shape> shapes = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};
  std::vector<Midway> midway = {Midway::kNothing};
  bool checkpoint = false;  // the streams need a checkpoint directory; each run has a new one
  bool ordered = false;  // the order of records within a batch is compared too
  Conf conf;             // of each run
};

// Faults of the simulated shape, all drawn from the seed.
struct Faults {
  std::uint64_t seed = 1;
  std::int64_t meanBreakUs = 0;                                 // sessions break at this mean distance of virtual time; 0: never
  std::vector<std::pair<std::int64_t, int>> losses;             // (microseconds after the start, executor) lost for good
  std::int64_t maxLatencyUs = 2'000, maxTaskUs = 5'000;
};

class ManualClock {
 public:
  virtual ~ManualClock() = default;
  virtual Time now() const = 0;
  // Returns when nothing is left to do at the new time.
  virtual void advance(Duration by) = 0;
};

// A cluster whose batches run when the test says so. One thread uses it.
class SLUICE_EXPORT Cluster {
 public:
  explicit Cluster(Shape shape = Shape::kLocal4, Duration interval = Seconds(1), Conf conf = Conf());
  Cluster(const Faults& faults, Duration interval, Conf conf = Conf());  // simulated
  ~Cluster();
  Cluster(const Cluster&) = delete;

  StreamingContext& streaming();  // define streams here; the first runBatches starts them
  const Context& context();      // for batch jobs
  ManualClock& clock();
  // Replayable: the k-th entry is the k-th batch, then come empty ones. T may be a view. A batch lies in two partitions unless it says.
  template <class T> DStream<T> input(const Batches<T>& batches, CallSite at = CallSite::here()) {
    std::vector<Encoded> encoded;
    for (const auto& batch : batches) encoded.push_back(encode(batch));
    return DStream<T>(addInput(encoded, typeDesc<T>(), at));
  }
  // What the stream gave, in order of t; grows with each batch.
  template <class T> std::shared_ptr<const Batches<T>> collect(DStream<T> stream) {
    auto collected = std::make_shared<Collected<T>>();
    stream.foreachRDD([collected](const RDD<T>& rdd, Time t) {
      Batch<T> batch(noRdd);
      batch.parts = rdd.glom().collect();
      collected->byTime.insert_or_assign(t.milliseconds(), std::move(batch));
    });
    // Filled when the batch is over: a stream that gave no RDD at t does not call the function above.
    onBatch([collected](Time t) {
      auto it = collected->byTime.find(t.milliseconds());
      collected->batches.push_back(it == collected->byTime.end() ? Batch<T>(noRdd) : std::move(it->second));
      collected->byTime.erase(t.milliseconds());
    });
    return std::shared_ptr<const Batches<T>>(collected, &collected->batches);
  }
  // Runs `count` intervals; returns when each is published and its driver functions have run. Throws the error of a batch.
  void runBatches(int count);
  void kill(int executor);  // 0, 1, 2; not on the local shapes
  // Graceful stop, then a new context on the same checkpoint and clock; `define` sets its streams up again.
  void stopAndRestore(const std::function<void(Cluster&)>& define);
  // Simulated: hash over all that was delivered; equal for equal seeds.
  std::uint64_t trace() const;

 private:
  struct Encoded {
    bool noValue = false, fixed = false;
    std::vector<detail::StaticPart> parts;
  };
  template <class T> struct Collected {
    std::map<std::int64_t, Batch<T>> byTime;
    Batches<T> batches;
  };
  template <class T> static Encoded encode(const Batch<T>& batch) {
    using Record = owned_t<T>;
    Encoded encoded;
    encoded.noValue = !batch.parts;
    encoded.fixed = batch.byPartition;
    if (!batch.parts) return encoded;
    auto add = [&](const Record* records, std::size_t n) {
      detail::StaticPart part;
      typeDesc<Record>()->encode(records, n, part.rows);
      part.records = n;
      encoded.parts.push_back(std::move(part));
    };
    if (batch.byPartition) {
      for (const auto& part : *batch.parts) add(part.data(), part.size());
    } else {
      const auto& all = batch.parts->front();
      std::size_t half = (all.size() + 1) / 2;
      add(all.data(), half);
      add(all.data() + half, all.size() - half);
    }
    return encoded;
  }
  detail::NodeRef addInput(const std::vector<Encoded>& batches, const TypeDesc* type, CallSite at);
  void onBatch(std::function<void(Time)> done);

  struct Body;
  std::unique_ptr<Body> body_;
};

// ---- expectations ----

// A new folder, removed when the process ends.
SLUICE_EXPORT std::string temporaryDirectory();

[[noreturn]] SLUICE_EXPORT void fail(const std::string& what, CallSite at);

template <class T> std::string show(const Batch<T>& batch) {
  if (!batch.parts) return "no RDD";
  Buffer out;
  const char* between = "";
  for (const auto& part : *batch.parts) {
    if (batch.byPartition) out.append(between), out.append("|"), between = "";
    for (const auto& record : part) {
      out.append(between);
      typeDesc<owned_t<T>>()->print(&record, out);
      between = ", ";
    }
  }
  return "{" + std::string(out.view()) + "}";
}

// Whether both hold the same records (by their encodings, so no == is needed); in any order unless `ordered`.
template <class T> bool same(const Batch<T>& got, const Batch<T>& want, bool ordered) {
  using Record = owned_t<T>;
  if (!got.parts || !want.parts) return !got.parts && !want.parts;
  auto rows = [&](const std::vector<Record>& records) {
    std::vector<std::string> encoded;
    for (const auto& record : records) {
      Buffer out;
      typeDesc<Record>()->encode(&record, 1, out);
      encoded.emplace_back(out.view());
    }
    if (!ordered) std::sort(encoded.begin(), encoded.end());
    return encoded;
  };
  if (!want.byPartition) return rows(got.records()) == rows(want.records());
  if (got.parts->size() != want.parts->size()) return false;
  for (std::size_t i = 0; i < got.parts->size(); ++i) {
    if (rows((*got.parts)[i]) != rows((*want.parts)[i])) return false;
  }
  return true;
}

template <class T> void compare(const Batches<T>& got, const Batches<T>& want, bool ordered, const std::string& where, CallSite at) {
  std::string wrong;
  for (std::size_t i = 0; i < std::max(got.size(), want.size()); ++i) {
    if (i < got.size() && i < want.size() && same(got[i], want[i], ordered)) continue;
    wrong += "\n  batch " + std::to_string(i + 1) + ": want " + (i < want.size() ? show(want[i]) : "nothing") + ", got " +
             (i < got.size() ? show(got[i]) : "nothing");
  }
  if (!wrong.empty()) fail("wrong batches on " + where + ":" + wrong, at);
}

// Runs op: DStream<In> -> DStream<Out> once per shape and midway, and compares batch by batch; a mismatch names all.
template <class In, class Out, class Op>
void expectBatches(const Batches<In>& in, Op op, const Batches<Out>& want, How how = {}, CallSite at = CallSite::here()) {
  for (Shape shape : how.shapes) {
    for (Midway midway : how.midway) {
      bool alone = shape == Shape::kLocal1 || shape == Shape::kLocal4;
      if (midway == Midway::kExecutorLoss && alone) continue;  // nobody would be left
      std::string where = std::string(nameOf(shape)) + ", " + nameOf(midway);
      Cluster cluster(shape, Seconds(1), how.conf);
      std::shared_ptr<const Batches<Out>> got, later;
      std::string directory = how.checkpoint ? temporaryDirectory() : "";
      auto define = [&](Cluster& c) {
        if (how.checkpoint) c.streaming().checkpoint(directory);
        auto collected = c.collect(DStream<Out>(op(c.template input<In>(in, at))));
        (got ? later : got) = std::move(collected);
      };
      define(cluster);
      int half = int(want.size()) / 2;
      cluster.runBatches(half);
      if (midway == Midway::kExecutorLoss) cluster.kill(1);
      if (midway == Midway::kRestore) cluster.stopAndRestore(define);
      cluster.runBatches(int(want.size()) - half);
      Batches<Out> all(*got);
      if (later) all.insert(all.end(), later->begin(), later->end());
      compare(all, want, how.ordered, where, at);
    }
  }
}

}  // namespace testing
}  // namespace sluice
