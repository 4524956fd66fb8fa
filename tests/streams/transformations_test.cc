// Operator tables: each runs on every shape of the build.
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

using sluice::testing::Batches;
using sluice::testing::expectBatches;
using sluice::testing::noRdd;
using sluice::testing::partitions;
using Words = std::pair<std::string, long>;

TEST(Transformations, Map) {
  expectBatches<int, int>({{1, 2}, {}, noRdd, {3}}, [](auto s) { return s.map([](int x) { return x + 1; }); }, {{2, 3}, {}, noRdd, {4}});
}

TEST(Transformations, MapKeepsOrderAndPartitions) {
  expectBatches<int, int>({partitions<int>({{1}, {}, {2, 3}})}, [](auto s) { return s.map([](int x) { return x * 10; }); },
                          {partitions<int>({{10}, {}, {20, 30}})}, {.ordered = true});
}

TEST(Transformations, Filter) {
  expectBatches<int, int>({{1, 2, 3, 4}, {1, 3}, {}}, [](auto s) { return s.filter([](int x) { return x % 2 == 0; }); }, {{2, 4}, {}, {}});
}

TEST(Transformations, FlatMapOfText) {
  expectBatches<std::string_view, std::string>(
      {{"a b", "c"}, {""}, {"d  e"}},
      [](auto s) {
        return s.flatMap([](std::string_view line) { return sluice::split(line, ' '); }).map([](std::string_view w) { return std::string(w); });
      },
      {{"a", "b", "c"}, {""}, {"d", "", "e"}});
}

TEST(Transformations, MapPartitions) {
  expectBatches<int, int>({partitions<int>({{1, 2}, {3}}), {}},
                          [](auto s) {
                            return s.mapPartitions([](sluice::Iterator<int>& in) {
                              int sum = 0;
                              for (int x : in) sum += x;
                              return std::vector<int>{sum};
                            });
                          },
                          {partitions<int>({{3}, {3}}), {0, 0}}, {.ordered = true});
}

TEST(Transformations, Union) {
  expectBatches<int, int>({{1, 2}, {3}, {}}, [](auto s) { return s.map([](int x) { return -x; }).union_(s); }, {{1, 2, -1, -2}, {3, -3}, {}});
}

TEST(Transformations, Repartition) {
  expectBatches<int, int>({{1, 2, 3, 4, 5, 6}, {}}, [](auto s) { return s.repartition(3); }, {{1, 2, 3, 4, 5, 6}, {}});
}

TEST(Transformations, RepartitionGivesExactlySoMany) {
  for (auto shape : {sluice::testing::Shape::kLocal4, sluice::testing::Shape::kSimulated, sluice::testing::Shape::kInProcess}) {
    sluice::testing::Cluster cluster(shape);
    auto in = cluster.input<int>({partitions<int>({{1, 2, 3}, {4, 5, 6}, {}}), {}});
    auto more = cluster.collect(in.repartition(5)), fewer = cluster.collect(in.repartition(1));
    cluster.runBatches(2);
    EXPECT_EQ(more->at(0).parts->size(), 5u);
    EXPECT_EQ(fewer->at(0).parts->size(), 1u);
    EXPECT_EQ(more->at(1).parts->size(), 5u) << "also of an empty batch";
  }
}

TEST(Transformations, CountHasOneElementForAnEmptyBatch) {
  expectBatches<int, std::int64_t>({{1, 2, 3}, {}, {7}}, [](auto s) { return s.count(); }, {{3}, {0}, {1}});
}

TEST(Transformations, ReduceHasNoneForAnEmptyBatch) {
  expectBatches<int, int>({{1, 2, 3}, {}, {7}}, [](auto s) { return s.reduce(std::plus<>()); }, {{6}, {}, {7}});
}

TEST(Transformations, CountByValue) {
  expectBatches<std::string, std::pair<std::string, std::int64_t>>({{"a", "b", "a"}, {}}, [](auto s) { return s.countByValue(); },
                                                                   {{{"a", 2}, {"b", 1}}, {}});
}

TEST(Transformations, ReduceByKey) {
  expectBatches<std::string_view, Words>(
      {{"a", "b", "a"}, {"", "b"}, noRdd, {}},
      [](auto s) { return s.map([](std::string_view w) { return std::pair(w, 1L); }).reduceByKey(std::plus<>()); },
      {{{"a", 2}, {"b", 1}}, {{"", 1}, {"b", 1}}, noRdd, {}});
}

TEST(Transformations, GroupByKeyKeepsTheOrderOfValues) {
  using In = std::pair<int, std::string>;
  using Out = std::pair<int, std::vector<std::string>>;
  expectBatches<In, Out>({partitions<In>({{{1, "a"}, {2, "x"}}, {{1, "b"}}, {{1, "c"}}}), {}}, [](auto s) { return s.groupByKey(); },
                         {{{1, {"a", "b", "c"}}, {2, {"x"}}}, {}});
}

TEST(Transformations, MapValues) {
  using P = std::pair<int, int>;
  expectBatches<P, P>({{{1, 2}, {3, 4}}}, [](auto s) { return s.mapValues([](int v) { return v * v; }); }, {{{1, 4}, {3, 16}}});
}

TEST(Transformations, Join) {
  using Left = std::pair<int, std::string>;
  using Out = std::pair<int, std::pair<std::string, long>>;
  expectBatches<Left, Out>({{{1, "a"}, {2, "b"}, {2, "c"}}, {{9, "z"}}, {}},
                           [](auto s) {
                             auto lengths = s.filter([](const Left& p) { return p.first != 1; }).mapValues([](const std::string& v) { return long(v.size()); });
                             return s.join(lengths);
                           },
                           {{{2, {"b", 1}}, {2, {"b", 1}}, {2, {"c", 1}}, {2, {"c", 1}}}, {{9, {"z", 1}}}, {}});
}

TEST(Transformations, LeftOuterJoin) {
  using Left = std::pair<int, int>;
  using Out = std::pair<int, std::pair<int, std::optional<int>>>;
  expectBatches<Left, Out>({{{1, 10}, {2, 20}}},
                           [](auto s) { return s.leftOuterJoin(s.filter([](const Left& p) { return p.first == 2; })); },
                           {{{1, {10, std::nullopt}}, {2, {20, 20}}}});
}

TEST(Transformations, Cogroup) {
  using P = std::pair<int, int>;
  using Out = std::pair<int, std::pair<std::vector<int>, std::vector<int>>>;
  expectBatches<P, Out>({{{1, 10}, {2, 20}}}, [](auto s) { return s.cogroup(s.filter([](const P& p) { return p.first == 2; })); },
                        {{{1, {{10}, {}}}, {2, {{20}, {20}}}}});
}

TEST(Transformations, TransformPlannedOnce) {
  expectBatches<int, int>({{1, 1, 2}, {}}, [](auto s) { return s.transform([](sluice::RDD<int> rdd) { return rdd.distinct(); }); }, {{1, 2}, {}});
}

TEST(Transformations, TransformWithTimeAsksTheDriver) {
  expectBatches<int, int>({{1}, {2}, {}},
                          [](auto s) {
                            int calls = 0;
                            return s.transform([calls](sluice::RDD<int> rdd, sluice::Time) mutable {
                              int add = 10 * ++calls;
                              return rdd.map([add](int x) { return x + add; });
                            });
                          },
                          {{11}, {22}, {}});
}

TEST(Transformations, ShufflesOfAStreamHaveTheDefaultParallelismUnlessTheyName) {
  for (auto shape : {sluice::testing::Shape::kLocal4, sluice::testing::Shape::kInProcess}) {
    sluice::testing::Cluster cluster(shape, sluice::Seconds(1), sluice::Conf().set("sluice.default.parallelism", "3"));
    auto pairs = cluster.input<int>({{1, 2, 3}}).map([](int x) { return std::pair(x, x); });
    auto standard = cluster.collect(pairs.reduceByKey(std::plus<>()));
    auto named = cluster.collect(pairs.reduceByKey(std::plus<>(), 5));
    cluster.runBatches(1);
    EXPECT_EQ(standard->at(0).parts->size(), 3u);
    EXPECT_EQ(named->at(0).parts->size(), 5u);
  }
}

// ---- Outputs ----

TEST(Outputs, PrintShowsSoManyAndSaysIfThereAreMore) {
  auto cluster = std::make_unique<sluice::testing::Cluster>(sluice::testing::Shape::kLocal1);
  auto in = cluster->input<int>({{1, 2, 3}, {4, 5}, {}, noRdd});
  std::string error;
  try {
    in.print(-1);
  } catch (const sluice::Error& e) {
    error = e.what();
  }
  EXPECT_EQ(error, "print: the number of records is below 0");
  in.print(2);
  auto zero = cluster->clock().now().floor(sluice::Seconds(1)).milliseconds();
  ::testing::internal::CaptureStdout();
  cluster->runBatches(4);
  cluster->streaming().stop(true, true);  // the last lines are here then
  const std::string dashes = std::string(43, '-') + "\n";
  auto batch = [&](int number, const char* lines) { return dashes + "Time: " + std::to_string(zero + 1000 * number) + " ms\n" + dashes + lines + "\n"; };
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), batch(1, "1\n2\n...\n") + batch(2, "4\n5\n") + batch(3, ""));
}

TEST(Outputs, ForeachPartitionRunsInTheExecutors) {
  for (auto shape : {sluice::testing::Shape::kLocal1, sluice::testing::Shape::kLocal4, sluice::testing::Shape::kSimulated, sluice::testing::Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    sluice::testing::Cluster cluster(shape);
    auto partitions = cluster.context().longAccumulator(), sum = cluster.context().longAccumulator();
    cluster.input<int>({{1, 2, 3}, {}, {4}}).foreachPartition([partitions, sum](sluice::Iterator<int>& records) {
      partitions.add(1);
      for (int x : records) sum.add(x);
    });
    cluster.runBatches(3);
    EXPECT_EQ(sum.value(), 10);
    EXPECT_GE(partitions.value(), 4);
  }
}

TEST(Outputs, ForeachRddWithoutAnActionReceivesAndForgets) {
  sluice::testing::Cluster cluster(sluice::testing::Shape::kLocal4);
  auto computed = cluster.context().longAccumulator();
  int batches = 0;
  cluster.input<int>({{1, 2}, {3}}).map([computed](int x) {
    computed.add(1);
    return x;
  }).foreachRDD([&](const sluice::RDD<int>&) { ++batches; });
  cluster.runBatches(2);
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(computed.value(), 0);
}

// More batches are planned meanwhile than are remembered once their functions have run.
TEST(Outputs, AFunctionMayLagFarBehind) {
  for (auto shape : {sluice::testing::Shape::kLocal4, sluice::testing::Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    sluice::testing::Cluster cluster(shape);
    std::mutex mutex;
    std::condition_variable changed;
    int planned = 0;
    bool first = true;
    std::vector<int> got;
    cluster.input<int>(Batches<int>(120, {1, 2}))
        .transform([&](const sluice::RDD<int>& rdd, sluice::Time) {
          std::lock_guard lock(mutex);
          ++planned;
          changed.notify_all();
          return rdd.map([](int x) { return x + 1; });
        })
        .foreachRDD([&](const sluice::RDD<int>& rdd) {
          if (std::exchange(first, false)) {
            cluster.clock().advance(sluice::Seconds(110));
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return planned >= 100; });
          }
          for (int x : rdd.collect()) got.push_back(x);
        });
    cluster.runBatches(2);
    cluster.streaming().stop(true, false);
    got.resize(4);  // more may have ended by now
    EXPECT_EQ(got, (std::vector<int>{2, 3, 2, 3}));
  }
}

}  // namespace
