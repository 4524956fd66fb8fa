// The smallest job with a shuffle in one process: what a job costs before it does any work.
#include <cstdio>
#include <algorithm>
#include <functional>

#include "tests/bench/engine_words.h"
#include "tests/bench/rows/rows.h"

namespace sluice::bench {
namespace {

class SmallestLocalJob final : public Row {
 public:
  SmallestLocalJob() : Row("smallest-local-job", "smallest two-stage job, local[2], p50", Better::kLower, "us") {}

  Outcome run(const Settings& settings) override {
    Context context = benchContext("local[2]");
    auto sums = context.parallelize(std::vector<int>{1, 2}, 2).map([](int i) { return std::pair(i, i); }).reduceByKey(std::plus<>(), 2);
    std::vector<double> p50, p99;
    for (int round = -1; round < settings.rounds; ++round) {
      std::vector<double> microseconds;
      for (int i = 0; i < 2000; ++i) {
        std::int64_t count = 0;
        microseconds.push_back(timed([&] { count = sums.count(); }) * 1e6);
        if (count != 2) throw std::runtime_error("wrong result: " + std::to_string(count));
      }
      if (round < 0) continue;
      p50.push_back(spreadOf(microseconds).median);
      std::sort(microseconds.begin(), microseconds.end());
      p99.push_back(microseconds[microseconds.size() * 99 / 100]);
    }
    context.stop();
    char note[120];
    std::snprintf(note, sizeof note, "2 map and 2 reduce tasks, count() as the application sees it; p99 %.1f us", spreadOf(p99).median);
    return {.figure = spreadOf(p50), .must = {50, ""}, .aim = {5, ""}, .notes = {note}};
  }
};

}  // namespace

std::unique_ptr<Row> smallestLocalJob() { return std::make_unique<SmallestLocalJob>(); }

}  // namespace sluice::bench
