// Operator tables: each runs on every shape of the build.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

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

}  // namespace
