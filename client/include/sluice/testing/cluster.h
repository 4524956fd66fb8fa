// Cluster: streams fed and collected batch by batch, on a clock that the test moves, on shapes from one slot to real processes, with
// executors that are lost and masters that come again.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sluice/streaming.h"
#include "sluice/testing/batch.h"

namespace sluice {
namespace testing {

// Where the test runs:
enum class Shape {
  kLocal1,     // local[1]: master and one executor with one slot, in this process
  kLocal4,     // local[4]: with four slots
  kSimulated,  // a master and three executors of two slots in virtual time, on the waiting thread; everything random from one seed
  kInProcess,  // a master and three executors of two slots, in this process with threads
  kProcesses,  // local-cluster[3,2,256]: real processes, in real time. main() must begin with sluice::runIfExecutor(argc, argv)
};
SLUICE_EXPORT const char* nameOf(Shape shape);

// Faults of the simulated shape, all drawn from the seed. Times are microseconds of virtual time.
struct Faults {
  std::uint64_t seed = 1;
  std::int64_t meanBreakUs = 0;                      // sessions break at this mean distance; 0: never
  std::vector<std::pair<std::int64_t, int>> losses;  // (time after the start, executor) lost for good
  std::int64_t maxLatencyUs = 2'000, maxTaskUs = 5'000;
};

// Stands still until it is advanced; batches end by it. (On kProcesses it is the system's clock, and advance() does nothing.)
class ManualClock {
 public:
  virtual ~ManualClock() = default;
  virtual Time now() const = 0;
  // Returns when nothing is left to do at the new time.
  virtual void advance(Duration by) = 0;
};

// A stream that the test feeds by hand; made by Cluster::source. Copies stand for the same source.
template <class T> class Source {
 public:
  const DStream<T>& stream() const { return stream_; }
  // Adds records to the batch that runs next. A batch for which nothing was sent is empty.
  void send(const std::vector<owned_t<T>>& records) const {
    sluice::detail::StaticPart part;
    typeDesc<owned_t<T>>()->encode(records.data(), records.size(), part.rows);
    part.records = records.size();
    sluice::detail::push(*queue_, sluice::detail::addRows(*context_, &part, 1, {"source", {}, typeDesc<T>()}));
  }
  void send(std::initializer_list<owned_t<T>> records) const { send(std::vector<owned_t<T>>(records)); }

 private:
  friend class Cluster;
  sluice::detail::ContextRef context_;
  sluice::detail::QueueRef queue_ = sluice::detail::newQueue();
  DStream<T> stream_;
};

// A cluster whose batches run when the test says so. One thread uses it. Executors have 256 MB unless `conf` sets sluice.executor.memory. All methods throw Error.
//
//   Cluster cluster;
//   auto in = cluster.source<std::string>();
//   auto lengths = cluster.collect(in.stream().map([](const std::string& word) { return word.size(); }));
//   in.send({"to", "be"});
//   cluster.runBatches(1);
//   expectEqual(*lengths, {{2, 2}});
class SLUICE_EXPORT Cluster {
 public:
  // `interval`: of the batches. The clock begins at a whole second.
  explicit Cluster(Shape shape = Shape::kLocal4, Duration interval = Seconds(1), Conf conf = Conf());
  Cluster(const Faults& faults, Duration interval, Conf conf = Conf());  // simulated
  ~Cluster();
  Cluster(const Cluster&) = delete;

  StreamingContext& streaming();  // define streams here; the first runBatches starts them
  const Context& context();      // for batch jobs
  ManualClock& clock();
  Shape shape() const;

  // The k-th entry is the k-th batch, then come empty ones; T may be a view. A batch lies in two partitions unless it says. Replayable:
  // lost batches and restored contexts read it again.
  template <class T> DStream<T> input(const Batches<T>& batches, CallSite at = CallSite::here()) {
    std::vector<Encoded> encoded;
    for (const auto& batch : batches) encoded.push_back(encode(batch));
    return DStream<T>(addInput(encoded, typeDesc<T>(), at));
  }
  // A dataset for batch jobs, of these records; T may be a view. In two partitions unless it says.
  template <class T> RDD<T> dataset(const Batch<T>& records, CallSite at = CallSite::here()) {
    Encoded rows = encode(records);
    return RDD<T>(sluice::detail::addRows(*context().core(), rows.parts.data(), rows.parts.size(), {"dataset", at, typeDesc<T>()}));
  }
  // Fed by hand. Not replayable by a restored context, as queueStream is not.
  template <class T> Source<T> source(CallSite at = CallSite::here()) {
    Source<T> made;
    made.context_ = streaming().context().core();
    made.stream_ = DStream<T>(addSource(made.queue_, typeDesc<T>(), at));
    return made;
  }

  // What the stream gives, in order of time; grows with each batch.
  template <class T> std::shared_ptr<const Batches<T>> collect(const DStream<T>& stream) {
    auto collected = std::make_shared<Collected<T>>();
    collectInto(stream, collected);
    return std::shared_ptr<const Batches<T>>(collected, &collected->batches);
  }
  // Likewise under a name, to be asked for by collected<T>(name); goes on under it after stopAndRestore.
  template <class T> void collect(const std::string& name, const DStream<T>& stream) {
    std::shared_ptr<Collected<T>> into;
    if (auto known = named_.find(name); known != named_.end()) into = cast<T>(name, known->second);
    if (!into) named_[name] = {typeDesc<T>(), into = std::make_shared<Collected<T>>()};
    collectInto(stream, into);
  }
  template <class T> const Batches<T>& collected(const std::string& name) const {
    auto known = named_.find(name);
    if (known == named_.end()) throwUnknown(name);
    return cast<T>(name, known->second)->batches;
  }

  // Runs `count` intervals; returns when each is published and its driver functions have run. Throws the error of a batch.
  void runBatches(int count);

  // Kills executor 0, 1 or 2 with all it holds. On kSimulated and kInProcess it is gone for good, on kProcesses (by SIGKILL) its worker
  // starts another one. Error(kInvalidArgument) on the local shapes, which have only one.
  void kill(int executor);
  // The master dies between two batches and comes again from its journal; executors and driver live on. Simulated shape only.
  void restartMaster();
  // Graceful stop, then a new context on the same clock; `define` sets its streams and its checkpoint directory up again.
  void stopAndRestore(const std::function<void(Cluster&)>& define);

  // Simulated: hash over all that was delivered; equal for equal seeds.
  std::uint64_t trace() const;

 private:
  struct Encoded {
    bool noValue = false, fixed = false;
    std::vector<sluice::detail::StaticPart> parts;
  };
  template <class T> struct Collected {
    // The next batch's functions run already when real time goes on.
    void put(Time t, Batch<T> batch) {
      std::lock_guard lock(mutex);
      byTime.insert_or_assign(t.milliseconds(), std::move(batch));
    }
    // A stream that gave no RDD at t has put nothing.
    void close(Time t) {
      std::lock_guard lock(mutex);
      auto node = byTime.extract(t.milliseconds());
      batches.push_back(node ? std::move(node.mapped()) : Batch<T>(noRdd));
    }
    Batches<T> batches;  // read by the test's thread, which closes

   private:
    std::mutex mutex;
    std::map<std::int64_t, Batch<T>> byTime;
  };
  struct Named {
    const TypeDesc* type = nullptr;
    std::shared_ptr<void> batches;
  };
  template <class T> static std::shared_ptr<Collected<T>> cast(const std::string& name, const Named& known) {
    if (known.type != typeDesc<T>()) throwOtherType(name, known.type->name, typeDesc<T>()->name);
    return std::static_pointer_cast<Collected<T>>(known.batches);
  }
  template <class T> void collectInto(const DStream<T>& stream, const std::shared_ptr<Collected<T>>& collected) {
    stream.foreachRDD([collected](const RDD<T>& rdd, Time t) {
      Batch<T> batch(noRdd);
      batch.parts = rdd.glom().collect();
      collected->put(t, std::move(batch));
    });
    onBatch([collected](Time t) { collected->close(t); });
  }
  template <class T> static Encoded encode(const Batch<T>& batch) {
    using Record = owned_t<T>;
    Encoded encoded;
    encoded.noValue = !batch.parts;
    encoded.fixed = batch.byPartition;
    if (!batch.parts) return encoded;
    auto add = [&](const Record* records, std::size_t n) {
      sluice::detail::StaticPart part;
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
  sluice::detail::NodeRef addInput(const std::vector<Encoded>& batches, const TypeDesc* type, CallSite at);
  sluice::detail::NodeRef addSource(const sluice::detail::QueueRef& queue, const TypeDesc* type, CallSite at);
  void onBatch(std::function<void(Time)> done);
  [[noreturn]] void throwUnknown(const std::string& name) const;
  [[noreturn]] static void throwOtherType(const std::string& name, const char* collected, const char* asked);

  struct Body;
  std::unique_ptr<Body> body_;
  std::map<std::string, Named> named_;
};

// A new folder, removed when the process ends.
SLUICE_EXPORT std::string temporaryDirectory();

}  // namespace testing
}  // namespace sluice
