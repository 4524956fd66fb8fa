// The test kit itself, as a user sees it: what it runs, what it says when something does not fit, and the faults that it makes.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

using namespace sluice::testing;  // NOLINT: the kit
using sluice::Milliseconds;
using sluice::Seconds;
using Count = std::pair<std::string, int>;

struct Reading {
  std::string sensor;
  double degrees = 0;
  SLUICE_FIELDS(Reading, sensor, degrees)
};

constexpr auto same = [](const auto& s) { return s; };
constexpr auto counted = [](const auto& s) { return s.map([](const auto& word) { return std::pair(word, 1); }).reduceByKey(std::plus<>()); };
constexpr auto running = [](const auto& s) {
  return s.map([](const auto& word) { return std::pair(word, 1); })
      .updateStateByKey([](const std::vector<int>& added, const std::optional<int>& held) -> std::optional<int> {
        int sum = held.value_or(0);
        for (int x : added) sum += x;
        return sum;
      });
};
const Batches<std::string> kWords = {{"a"}, {"a", "b"}, {}, {"b"}};
const Batches<Count> kTotals = {{{"a", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 2}, {"b", 2}}};

// The text after "file:line: ".
std::string withoutPlace(const std::string& error) {
  std::size_t at = error.find(".cc:");
  return at == std::string::npos ? error : error.substr(error.find(": ", at) + 2);
}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// ---- Tables ----

TEST(TestKit, AMismatchNamesTheShapeAndEachBatch) {
  std::string error = errorOf([] {
    expectBatches<std::string>({{"a", "b", "a"}, {"c"}, {"d"}}, counted, {{{"a", 2}, {"b", 2}}, {{"c", 1}}, noRdd}, {.shapes = {Shape::kLocal1}});
  });
  EXPECT_EQ(withoutPlace(error), "wrong batches on local[1], nothing midway:\n"
                                 "  batch 1 of 3\n"
                                 "    expected {(a,2), (b,2)}\n"
                                 "    got      {(a,2), (b,1)}\n"
                                 "    missing (b,2); unexpected (b,1)\n"
                                 "  batch 3 of 3\n"
                                 "    expected no RDD\n"
                                 "    got      {(d,1)}");
  EXPECT_TRUE(contains(error, "test_kit_test.cc:")) << error;
}

TEST(TestKit, StructsAreShownByTheirFields) {
  auto hot = [](const auto& s) { return s.filter([](const Reading& r) { return r.degrees > 30; }); };
  expectBatches<Reading>({{{"roof", 31.5}, {"cellar", 12}}}, hot, {{{"roof", 31.5}}});
  std::string error = errorOf([&] { expectBatches<Reading>({{{"roof", 31.5}}}, hot, {{}}, {.shapes = {Shape::kLocal1}}); });
  EXPECT_TRUE(contains(error, "expected {}\n    got      {Reading(roof,31.5)}\n    unexpected Reading(roof,31.5)")) << error;
}

TEST(TestKit, PartitionsCountWhereTheyWereWritten) {
  Batches<int> laidOut = {partitions<int>({{1}, {}, {2, 3}})};
  expectBatches<int>(laidOut, same, laidOut);
  expectBatches<int>(laidOut, same, {{3, 2, 1}});
  std::string error = errorOf([&] { expectBatches<int>(laidOut, same, {partitions<int>({{1, 2}, {3}})}, {.shapes = {Shape::kLocal1}}); });
  EXPECT_TRUE(contains(error, "expected {1, 2 | 3}\n    got      {1 | | 2, 3}\n    the same records in other partitions")) << error;
}

TEST(TestKit, OrderCountsIfAskedFor) {
  expectBatches<int>({{1, 2}}, same, {{2, 1}});
  std::string error = errorOf([] { expectBatches<int>({{1, 2}}, same, {{2, 1}}, {.shapes = {Shape::kLocal1}, .ordered = true}); });
  EXPECT_TRUE(contains(error, "the same records in another order")) << error;
}

TEST(TestKit, LongBatchesAreCutShort) {
  std::vector<int> many(1000);
  for (int i = 0; i < 1000; ++i) many[std::size_t(i)] = i;
  std::string error = errorOf([&] { expectBatches<int>({many}, same, {{}}, {.shapes = {Shape::kLocal1}}); });
  EXPECT_TRUE(contains(error, "18, 19, and 980 more}")) << error;
  EXPECT_LT(error.size(), 500u);
}

TEST(TestKit, ViewsGoInAndTextComesOut) {
  expectBatches<std::string_view>({{"to be", "or not"}, {}}, [](const auto& lines) { return lines.flatMap([](std::string_view line) { return sluice::split(line, ' '); }); },
                                  {{"to", "be", "or", "not"}, {}});
}

TEST(TestKit, TheTypesMayBeNamed) { expectBatches<std::string, Count>({{"a"}}, counted, {{{"a", 1}}}); }

TEST(TestKit, AFailingBatchSaysWhere) {
  auto fails = [](const auto& s) {
    return s.map([](int x) {
      if (x == 2) throw std::runtime_error("two is not allowed");
      return x;
    });
  };
  std::string error = errorOf([&] { expectBatches<int>({{1}, {2}}, fails, {{1}, {2}}, {.shapes = {Shape::kSimulated}}); });
  EXPECT_TRUE(contains(error, ": on simulated, nothing midway: ")) << error;
  EXPECT_TRUE(contains(error, "two is not allowed")) << error;
}

TEST(TestKit, RecordsOfADataset) {
  auto even = [](const auto& rdd) { return rdd.filter([](int x) { return x % 2 == 0; }); };
  expectRecords<int>({1, 2, 3, 4}, even, {4, 2});
  expectRecords<int>(partitions<int>({{1, 2}, {}, {4}}), even, partitions<int>({{2}, {}, {4}}));
  std::string error = errorOf([&] { expectRecords<int>({1, 2}, even, {1}); });
  EXPECT_TRUE(contains(error, "wrong batches on local[1]")) << error;
  EXPECT_TRUE(contains(error, "missing 1; unexpected 2")) << error;
}

// ---- Faults ----

TEST(TestKit, FaultsMidway) {
  expectBatches<std::string>(kWords, running, kTotals,
                             {.midway = {Midway::kNothing, Midway::kExecutorLoss, Midway::kMasterRestart, Midway::kRestore}, .checkpoint = true});
}

TEST(TestKit, AFaultThatNoShapeCanHaveIsAnError) {
  std::string error = errorOf([] { expectBatches<int>({{1}}, same, {{1}}, {.shapes = {Shape::kLocal4}, .midway = {Midway::kExecutorLoss}}); });
  EXPECT_EQ(withoutPlace(error), "nothing was run: none of the shapes can have any of what happens midway");
}

TEST(TestKit, ExecutorsAreLostStepByStep) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    auto sums = cluster.collect(counted(cluster.input<std::string>({{"a"}, {"b"}, {"c", "c"}})));
    cluster.runBatches(1);
    cluster.kill(0);
    cluster.runBatches(1);
    cluster.kill(2);
    cluster.runBatches(1);
    expectEqual(*sums, {{{"a", 1}}, {{"b", 1}}, {{"c", 2}}}, false, nameOf(shape));
  }
}

// At each moment within an interval, for each seed another order of events.
TEST(TestKit, TheMasterIsRestartedBetweenAnyTwoBatches) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Cluster cluster(Faults{.seed = seed}, Milliseconds(100));
    cluster.streaming().checkpoint(temporaryDirectory());
    auto totals = cluster.collect(running(cluster.input<std::string>(kWords)));
    for (std::uint64_t batch = 0; batch < kWords.size(); ++batch) {
      if (batch == seed % 4) {
        cluster.clock().advance(Milliseconds(std::int64_t(seed * 7 % 100)));
        cluster.restartMaster();
      }
      cluster.runBatches(1);
    }
    expectEqual(*totals, kTotals, false, "seed " + std::to_string(seed));
  }
}

TEST(TestKit, WhatAShapeCannotHaveIsSaid) {
  Cluster local(Shape::kLocal1);
  local.context();
  EXPECT_EQ(errorOf([&] { local.kill(0); }), "there is no executor to lose on local[1]");
  EXPECT_EQ(errorOf([&] { local.restartMaster(); }), "the master cannot be restarted on local[1]; use Shape::kSimulated");
  EXPECT_EQ(errorOf([&] { local.kill(7); }), "there are executors 0, 1 and 2, not 7");
  EXPECT_EQ(errorOf([&] { local.runBatches(-1); }), "runBatches: the number of batches is below 0");
  Cluster simulated(Shape::kSimulated);
  EXPECT_EQ(errorOf([&] { simulated.kill(0); }), "there are no executors yet; ask for streaming() or context() first");
}

TEST(TestKit, OneSeedGivesOneTrace) {
  auto trace = [](std::uint64_t seed) {
    Cluster cluster(Faults{.seed = seed, .meanBreakUs = 20'000}, Milliseconds(100));
    auto sums = cluster.collect(counted(cluster.input<std::string>(kWords)));
    cluster.runBatches(4);
    return cluster.trace();
  };
  EXPECT_EQ(trace(5), trace(5));
  EXPECT_NE(trace(5), trace(6));
}

// ---- Step by step ----

TEST(TestKit, ASourceIsFedByHand) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    auto words = cluster.source<std::string_view>();
    auto sums = cluster.collect(counted(words.stream()));
    words.send({"a", "b"});
    words.send({"a"});
    cluster.runBatches(2);
    words.send({"c"});
    cluster.runBatches(1);
    expectEqual(*sums, {{{"a", 2}, {"b", 1}}, {}, {{"c", 1}}}, false, nameOf(shape));
  }
}

TEST(TestKit, OutputsAreCollectedByName) {
  for (Shape shape : {Shape::kLocal4, Shape::kSimulated}) {
    Cluster cluster(shape);
    std::string directory = temporaryDirectory();
    auto define = [&](Cluster& c) {
      c.streaming().checkpoint(directory);
      auto words = c.input<std::string>(kWords);
      c.collect("totals", running(words));
      c.collect("lengths", words.map([](const std::string& word) { return int(word.size()); }));
    };
    define(cluster);
    cluster.runBatches(2);
    cluster.stopAndRestore(define);
    cluster.runBatches(2);
    expectEqual(cluster.collected<Count>("totals"), kTotals, false, nameOf(shape));
    EXPECT_EQ(cluster.collected<int>("lengths").size(), 4u);
    EXPECT_EQ(errorOf([&] { cluster.collected<int>("sums"); }), "nothing is collected as \"sums\"; there is lengths, totals");
    EXPECT_EQ(errorOf([&] { cluster.collected<long>("lengths"); }), "\"lengths\" is a stream of int, not of long");
  }
}

TEST(TestKit, TheClockIsTheTests) {
  Cluster cluster(Shape::kLocal4, Seconds(10));
  sluice::Time begin = cluster.clock().now();
  std::vector<sluice::Time> times;
  cluster.input<int>({{1}}).foreachRDD([&](const sluice::RDD<int>&, sluice::Time t) { times.push_back(t); });
  cluster.runBatches(3);
  EXPECT_EQ(times, (std::vector{begin + Seconds(10), begin + Seconds(20), begin + Seconds(30)}));
  EXPECT_EQ(cluster.clock().now(), begin + Seconds(30));
  cluster.clock().advance(Seconds(5));
  EXPECT_EQ(cluster.clock().now(), begin + Seconds(35));
}

TEST(TestKit, JobsOfAContext) {
  Cluster cluster(Shape::kInProcess);
  EXPECT_EQ(cluster.context().parallelize({1, 2, 3}).count(), 3);
  EXPECT_EQ(cluster.dataset<std::string_view>({"a", "bb"}).map([](std::string_view word) { return int(word.size()); }).reduce(std::plus<>()), 3);
}

// ---- Batches as values ----

TEST(TestKit, BatchesCompareAndPrint) {
  EXPECT_EQ((Batch<int>{1, 2}), (Batch<int>{2, 1}));
  EXPECT_EQ((Batches<Count>{{{"a", 1}}, noRdd}), (Batches<Count>{{{"a", 1}}, noRdd}));
  EXPECT_FALSE((Batch<int>{}) == Batch<int>(noRdd));
  EXPECT_FALSE((Batch<int>{1, 1}) == (Batch<int>{1}));
  EXPECT_FALSE(partitions<int>({{1}, {2}}) == partitions<int>({{1, 2}}));
  std::ostringstream out;
  out << Batch<Count>{{"a", 1}, {"b", 2}} << ' ' << Batch<int>(noRdd) << ' ' << partitions<int>({{}, {1}});
  EXPECT_EQ(out.str(), "{(a,1), (b,2)} no RDD { | 1}");
}

TEST(TestKit, MissingAndSurplusBatches) {
  std::string error = errorOf([] { expectEqual<int>({{1}}, {{1}, {2}}, false, "a table"); });
  EXPECT_EQ(withoutPlace(error), "wrong batches on a table:\n  batch 2 of 2\n    expected {2}\n    got      none");
  error = errorOf([] { expectEqual<int>({{1}, {}}, {{1}}); });
  EXPECT_EQ(withoutPlace(error), "wrong batches:\n  batch 2 of 1\n    expected none\n    got      {}");
}

}  // namespace
