// State and windows: what a batch costs, by how many keys are held, and against the plain programs.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "sluice/streaming.h"
#include "tests/bench/batch_watch.h"
#include "tests/bench/engine_words.h"
#include "tests/bench/reference/operations.h"
#include "tests/bench/rows/rows.h"

namespace sluice::bench {
namespace {

using Pair = std::pair<std::int64_t, std::int64_t>;

constexpr auto kAdd = [](std::int64_t, std::optional<std::int64_t> value, State<std::int64_t>& state) { return state.edit() += value.value_or(0); };

// A stream of given batches; how long each took, launch to decision, in microseconds.
class Batches {
 public:
  Batches(const std::string& scratch, Conf conf = {})
      : stream_(conf.setAppName("sluice-bench").setMaster("local[2]"), Milliseconds(20)), watch_(stream_), directory_(scratch + "/state-bench") {
    std::filesystem::remove_all(directory_);
    stream_.checkpoint(directory_);
  }
  ~Batches() {
    stream_.stop(true, false);
    std::filesystem::remove_all(directory_);
  }
  StreamingContext& stream() { return stream_; }
  // (scattered(from + i) % keys, 1), i below n.
  RDD<Pair> records(std::int64_t from, std::int64_t n, std::int64_t keys) {
    return stream_.context().range(from, from + n).map([keys](std::int64_t i) { return Pair(scattered(i) % keys, 1); });
  }
  DStream<Pair> input() { return stream_.queueStream(queue_); }
  // One batch for each; the first `warm` are not counted.
  std::vector<double> run(const std::vector<RDD<Pair>>& rdds, std::size_t warm) {
    for (const auto& rdd : rdds) queue_.push(rdd);
    stream_.start();
    if (!watch_.wait(rdds.size(), 300)) throw std::runtime_error("the batches took more than five minutes");
    auto all = watch_.batches();
    std::vector<double> microseconds;
    for (std::size_t i = warm; i < rdds.size(); ++i) microseconds.push_back(all[i].processingUs);
    return microseconds;
  }

 private:
  StreamingContext stream_;
  BatchWatch watch_;
  std::string directory_;
  RDDQueue<Pair> queue_;
};

double medianOf(std::vector<double> values) { return spreadOf(std::move(values)).median; }

// A batch that touches 1,000 keys of so many held ones.
double touchCost(const std::string& scratch, const std::string& store, std::int64_t held, int batches) {
  Batches run(scratch, Conf().set("sluice.streaming.stateStore", store));
  auto initial = run.stream().context().range(held).map([](std::int64_t key) { return Pair(key, key); });
  run.input().mapWithState(StateSpec::function(kAdd).initialState(initial)).foreachPartition([](Iterator<std::int64_t>& in) {
    while (in.hasNext()) in.next();
  });
  std::vector<RDD<Pair>> rdds;
  for (int i = 0; i < batches + 5; ++i) rdds.push_back(run.records(i * 1000, 1000, held));
  return medianOf(run.run(rdds, 5));  // the first one reads the initial state
}

class StateHeld final : public Row {
 public:
  StateHeld(std::string name, std::string store, std::int64_t many, Bound must, Bound aim)
      : Row(std::move(name), "mapWithState (" + store + "), a batch of 1,000 touched keys: cost over many held keys against over 10,000", Better::kLower, "x"),
        store_(std::move(store)), many_(many), must_(must), aim_(aim) {}
  Outcome run(const Settings& settings) override {
    std::vector<double> few, many, ratios;
    for (int round = 0; round < 3; ++round) {
      few.push_back(touchCost(settings.scratch, store_, 10'000, 60));
      many.push_back(touchCost(settings.scratch, store_, many_, 60));
      ratios.push_back(many.back() / few.back());
    }
    char note[160];
    std::snprintf(note, sizeof note, "launch to decision: %.0f us over 10,000 keys, %.0f us over %lld keys (medians of 60 batches, 3 rounds)", medianOf(few),
                  medianOf(many), static_cast<long long>(many_));
    return {.figure = spreadOf(ratios), .must = must_, .aim = aim_, .notes = {note}};
  }

 private:
  std::string store_;
  std::int64_t many_;
  Bound must_, aim_;
};

constexpr std::int64_t kBatchRecords = 500'000, kKeys = 50'000;

class PerBatch final : public Row {
 public:
  PerBatch(std::string name, std::string what, bool windows) : Row(std::move(name), std::move(what), Better::kHigher, "x"), windows_(windows) {}
  Outcome run(const Settings& settings) override {
    constexpr int kBatches = 25, kWarm = 12;
    std::vector<double> plain, engine, ratios;
    for (int round = 0; round < 3; ++round) {
      SlidingSums windows(10);
      KeptSums sums;
      std::vector<double> seconds;
      for (int i = 0; i < kBatches; ++i) {
        seconds.push_back(timed([&] {
          if (windows_) windows.slide(i * kBatchRecords, kBatchRecords, kKeys);
          else sums.add(i * kBatchRecords, kBatchRecords, kKeys);
        }) * 1e6);
      }
      seconds.erase(seconds.begin(), seconds.begin() + kWarm);
      plain.push_back(medianOf(seconds));
      engine.push_back(withEngine(settings));
      ratios.push_back(plain.back() / engine.back());
    }
    char note[160];
    std::snprintf(note, sizeof note, "a batch of %lld records over %lld keys: plain program, 2 threads: %.1f ms; engine: %.1f ms (medians)",
                  static_cast<long long>(kBatchRecords), static_cast<long long>(kKeys), medianOf(plain) / 1e3, medianOf(engine) / 1e3);
    return {.figure = spreadOf(ratios), .must = kNoBound, .aim = kNoBound, .notes = {note}};
  }

 private:
  double withEngine(const Settings& settings) {
    constexpr int kBatches = 25, kWarm = 12;
    Batches run(settings.scratch);
    if (windows_) {
      run.input()
          .reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Milliseconds(200), Milliseconds(20), 0, [](const Pair& p) { return p.second != 0; })
          .foreachPartition([](Iterator<Pair>& in) {
            while (in.hasNext()) in.next();
          });
    } else {
      run.input().mapWithState(StateSpec::function(kAdd)).foreachPartition([](Iterator<std::int64_t>& in) {
        while (in.hasNext()) in.next();
      });
    }
    std::vector<RDD<Pair>> rdds;
    for (int i = 0; i < kBatches; ++i) rdds.push_back(run.records(i * kBatchRecords, kBatchRecords, kKeys));
    return medianOf(run.run(rdds, kWarm));
  }
  bool windows_;
};

}  // namespace

std::unique_ptr<Row> stateHeld() { return std::make_unique<StateHeld>("state-held", "memory", 10'000'000, Bound{2.0, ""}, Bound{1.2, ""}); }
std::unique_ptr<Row> stateHeldOnDisk() { return std::make_unique<StateHeld>("state-held-rocksdb", "rocksdb", 1'000'000, kNoBound, kNoBound); }
std::unique_ptr<Row> stateBatch() {
  return std::make_unique<PerBatch>("state-batch", "mapWithState, a batch of records over fewer keys, local[2], speed against the plain program", false);
}
std::unique_ptr<Row> windowBatch() {
  return std::make_unique<PerBatch>("window-batch", "reduceByKeyAndWindow with an inverse over 10 batches, local[2], speed against the plain program", true);
}

}  // namespace sluice::bench
