// Random schedules of executor loss, delay and broken sessions, all from a seed: every batch must come out as without faults, none may be
// skipped, and nothing may run for ever. A failure prints the seed; SLUICE_SEED=<seed> runs that one alone, SLUICE_SCHEDULES=<n> changes the number.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/fail_point.h"
#include "sluice/testing.h"

namespace {

using namespace sluice::testing;  // NOLINT: the kit
using sluice::Milliseconds;
using Count = std::pair<std::string, int>;
constexpr int kBatches = 6;

std::uint64_t fromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

Batches<std::string> wordsOf(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Batches<std::string> batches;
  for (int b = 0; b < kBatches; ++b) {
    std::vector<std::string> words;
    for (std::uint64_t n = random() % 12; n > 0; --n) words.push_back(std::string(1, char('a' + random() % 5)));
    batches.push_back(Batch<std::string>(std::move(words)));
  }
  return batches;
}

struct Outcome {
  Batches<Count> counts, windows, inverse, totals;
  std::uint64_t trace = 0;
};

// One stream with a shuffle, a window, an inverse window and state.
Outcome run(const Faults& faults, const Batches<std::string>& words) {
  static const std::string directory = temporaryDirectory();  // its name travels, and so is part of the trace
  std::filesystem::remove_all(directory);
  // The number of partitions decides the order of rows: one that was lost before the start must not change it.
  Cluster cluster(faults, Milliseconds(100), sluice::Conf().set("sluice.default.parallelism", "6"));
  cluster.streaming().checkpoint(directory);
  auto pairs = cluster.input<std::string>(words).map([](const std::string& w) { return std::pair(w, 1); });
  auto counts = cluster.collect(pairs.reduceByKey(std::plus<>()));
  auto windows = cluster.collect(pairs.reduceByKeyAndWindow(std::plus<>(), Milliseconds(300), Milliseconds(100)));
  auto inverse = cluster.collect(pairs.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Milliseconds(300), Milliseconds(200)));
  auto totals = cluster.collect(pairs.updateStateByKey([](const std::vector<int>& added, const std::optional<int>& held) -> std::optional<int> {
    int sum = held.value_or(0);
    for (int x : added) sum += x;
    return sum;
  }));
  cluster.runBatches(kBatches);
  return {*counts, *windows, *inverse, *totals, cluster.trace()};
}

Faults faultsOf(std::uint64_t seed) {
  std::mt19937_64 random(seed * 7919 + 1);
  Faults faults;
  faults.seed = seed;
  faults.meanBreakUs = random() % 3 == 0 ? 0 : std::int64_t(5'000 + random() % 200'000);
  faults.maxLatencyUs = std::int64_t(100 + random() % 20'000);
  faults.maxTaskUs = std::int64_t(100 + random() % 50'000);
  std::uint64_t losses = random() % 3;  // of three executors at most two go
  int first = int(random() % 3);
  for (std::uint64_t i = 0; i < losses; ++i) {
    faults.losses.emplace_back(std::int64_t(1'000 + random() % 700'000), (first + int(i)) % 3);
  }
  return faults;
}

void expectSame(const Outcome& got, const Outcome& want, std::uint64_t seed) {
  std::string where = "seed " + std::to_string(seed);
  expectEqual(got.counts, want.counts, true, where + ", reduceByKey", sluice::CallSite::here());
  expectEqual(got.windows, want.windows, true, where + ", window", sluice::CallSite::here());
  expectEqual(got.inverse, want.inverse, true, where + ", inverse window", sluice::CallSite::here());
  expectEqual(got.totals, want.totals, true, where + ", state", sluice::CallSite::here());
}

// What goes wrong in the schedule, with this bug in the engine; empty: nothing.
std::string verdictOf(std::uint64_t seed, const char* bug = nullptr) {
  auto words = wordsOf(seed);
  Faults none;
  none.seed = seed;
  Outcome want = run(none, words);
  if (want.counts.size() != std::size_t(kBatches)) return "the run without faults has not all batches";
  std::optional<sluice::FailPoint> planted;
  if (bug) planted.emplace(bug, sluice::FailPointAction{.times = 0});
  try {
    expectSame(run(faultsOf(seed), words), want, seed);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(RandomFaults, EveryScheduleGivesWhatTheFaultFreeRunGives) {
  std::uint64_t only = fromEnvironment("SLUICE_SEED", 0), schedules = fromEnvironment("SLUICE_SCHEDULES", 1'000);
  std::uint64_t base = only ? only : 1, last = only ? only : schedules;
  for (std::uint64_t seed = base; seed <= last; ++seed) {
    std::string wrong = verdictOf(seed);
    ASSERT_EQ(wrong, "") << "run again with SLUICE_SEED=" << seed;
  }
}

// The schedules are worth something only if they find what is wrong.
TEST(RandomFaults, PlantedBugsAreFound) {
  for (const char* bug : {"executor.segments_not_sent_again", "executor.ends_not_told_again", "executor.segment_counted_twice",
                          "master.launches_not_sent_again", "master.values_of_the_lost_kept"}) {
    std::string found;
    std::uint64_t seed = 0;
    while (found.empty() && seed < 100) found = verdictOf(++seed, bug);
    EXPECT_NE(found, "") << bug << " was not found by " << seed << " schedules";
    std::printf("%s: found by schedule %d\n%s\n", bug, int(seed), found.substr(0, 200).c_str());
  }
}

TEST(RandomFaults, OneSeedGivesOneTrace) {
  for (std::uint64_t seed : {3, 17, 40}) {
    auto words = wordsOf(seed);
    EXPECT_EQ(run(faultsOf(seed), words).trace, run(faultsOf(seed), words).trace) << "seed " << seed;
  }
}

}  // namespace
