// What a job or batch costs on real processes before it does any work: messages between a master and three executors.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>

#include "client/context_core.h"
#include "tests/bench/engine_words.h"
#include "tests/bench/reference/figures.h"
#include "tests/bench/reference/tcp.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/word_stream.h"

namespace sluice::bench {
namespace {

constexpr const char* kMaster = "local-cluster[3,1,512]";

std::string pingNote(Spread ping) {
  auto [one, other] = twoCores();
  char text[160];
  std::snprintf(text, sizeof text, "blocking TCP round trip between %s: p50 %.0f us [%.0f..%.0f]; on one core: %.0f us",
                one == other ? "one core, there is no other" : "two cores", ping.median, ping.low, ping.high,
                spreadOf(pingTcp(3000, one, one)).median * 1e6);
  return text;
}

class SmallestClusterJob final : public Row {
 public:
  SmallestClusterJob()
      : Row("smallest-cluster-job",
            "smallest two-stage job on an installed plan, master + 3 executors, launch to last Prepared, p50, against a TCP round trip between two cores",
            Better::kLower, "x") {}

  Outcome run(const Settings& settings) override {
    Context context = benchContext(kMaster);
    auto sums = context.parallelize(std::vector<int>{1, 2, 3}, 3).map([](int i) { return std::pair(i, i); }).reduceByKey(std::plus<>(), 3);
    std::vector<double> pings, jobs, seen, ratios;
    for (int round = -1; round < settings.rounds; ++round) {
      double ping = pingAcrossCores(1).microseconds.median;
      std::vector<double> inside, outside;
      for (int i = 0; i < 300; ++i) {
        outside.push_back(timed([&] {
                            if (sums.count() != 3) throw std::runtime_error("wrong result");
                          }) * 1e6);
        inside.push_back(double(context.core()->driver().lastJobMicroseconds()));
      }
      if (round < 0) continue;
      pings.push_back(ping);
      jobs.push_back(spreadOf(inside).median);
      seen.push_back(spreadOf(outside).median);
      ratios.push_back(jobs.back() / ping);
    }
    context.stop();
    Spread job = spreadOf(jobs), driver = spreadOf(seen);
    char note[160];
    std::snprintf(note, sizeof note, "3 map and 3 reduce tasks: %.0f us [%.0f..%.0f] at the master; count() as the driver sees it: %.0f us", job.median, job.low,
                  job.high, driver.median);
    return {.figure = spreadOf(ratios), .must = {5, ""}, .aim = {3, ""}, .notes = {note, pingNote(spreadOf(pings))}};
  }
};

class SmallestClusterBatch final : public Row {
 public:
  SmallestClusterBatch()
      : Row("smallest-cluster-batch", "the same as a stream's batch: tick to publishable with its synced decision, p50", Better::kLower, "us") {}

  Outcome run(const Settings& settings) override {
    std::vector<double> batches, delays, inside, pings, writes;
    WordStream words(kMaster, Milliseconds(20), 20'000);
    for (int round = -1; round < settings.rounds; ++round) {
      double ping = pingAcrossCores(1).microseconds.median;
      Settings one = settings;
      one.rounds = 1;
      double write = syncedWriteMicroseconds(one).median;
      std::size_t from = words.watch().count();
      if (!words.watch().wait(from + 60, 30)) throw std::runtime_error("no batches");
      auto all = words.watch().batches();
      std::vector<double> total, delay, processing;
      for (std::size_t i = from + 10; i < from + 60; ++i) {
        total.push_back(all[i].latenessMs() * 1e3);
        delay.push_back(all[i].delayUs);
        processing.push_back(all[i].processingUs);
      }
      if (round < 0) continue;
      pings.push_back(ping);
      writes.push_back(write);
      batches.push_back(spreadOf(total).median);
      delays.push_back(spreadOf(delay).median);
      inside.push_back(spreadOf(processing).median);
    }
    Spread ping = spreadOf(pings), write = spreadOf(writes);
    char note[240];
    std::snprintf(note, sizeof note,
                  "20 ms batches of 400 words, until the driver is told; of it tick to launch: %.0f us, launch to the decision: %.0f us; a synced write: %.0f us [%.0f..%.0f]",
                  spreadOf(delays).median, spreadOf(inside).median, write.median, write.low, write.high);
    return {.figure = spreadOf(batches),
            .must = {5 * ping.median + 2 * write.median, "5 pings + 2 synced writes"},
            .aim = {3 * ping.median + write.median, "3 + 1"},
            .notes = {note, pingNote(ping)}};
  }
};

}  // namespace

std::unique_ptr<Row> smallestClusterJob() { return std::make_unique<SmallestClusterJob>(); }
std::unique_ptr<Row> smallestClusterBatch() { return std::make_unique<SmallestClusterBatch>(); }

}  // namespace sluice::bench
