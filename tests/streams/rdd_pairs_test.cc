// Transformations and actions of pairs.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/streams/everywhere.h"

namespace {

using sluice::Context;
using sluice::Partitioner;
using sluice::RangePartitioner;
using sluice::RDD;
using sluice::testing::Cluster;
using sluice::testing::adviceOf;
using sluice::testing::everywhere;
using sluice::testing::Shape;
using sluice::testing::sorted;
using sluice::testing::upTo;
using Pair = std::pair<int, int>;
using Named = std::pair<std::string, int>;

Partitioner<int> byTens() {
  return {4, [](int key) { return unsigned(key / 10) % 4; }};
}

template <class T> int exchanges(const RDD<T>& rdd) { return int(sluice::detail::exchangesOf(rdd.node())); }

TEST(RddPairs, SubtractByKey) {
  everywhere([](const Context& sc) {
    auto a = sc.parallelize(std::vector<Named>{{"a", 1}, {"b", 2}, {"b", 3}, {"c", 4}, {"a", 5}}, 3);
    auto b = sc.parallelize(std::vector<std::pair<std::string, double>>{{"a", 0.5}, {"x", 1}, {"a", 2}}, 2);
    EXPECT_EQ(sorted(a.subtractByKey(b).collect()), (std::vector<Named>{{"b", 2}, {"b", 3}, {"c", 4}}));
    EXPECT_EQ(a.subtractByKey(b, 5).getNumPartitions(), 5);
    auto views = a.map([](const Named& p) { return std::pair(std::string_view(p.first), p.second); });
    EXPECT_EQ(sorted(views.subtractByKey(b).collect()), (std::vector<Named>{{"b", 2}, {"b", 3}, {"c", 4}}));
    auto laid = a.partitionBy(3);
    EXPECT_EQ(exchanges(laid.subtractByKey(b.partitionBy(3))), 2) << "both lie the same way already";
    EXPECT_EQ(sorted(laid.subtractByKey(b.partitionBy(3)).collect()), (std::vector<Named>{{"b", 2}, {"b", 3}, {"c", 4}}));
  });
}

TEST(RddPairs, CogroupOfThreeAndFour) {
  everywhere([](const Context& sc) {
    auto a = sc.parallelize(std::vector<Pair>{{1, 10}, {2, 20}, {1, 11}}, 2);
    auto b = sc.parallelize(std::vector<Named>{{"x", 1}}, 1).map([](const Named& p) { return std::pair(p.second, p.first); });
    auto c = sc.parallelize(std::vector<std::pair<int, double>>{{3, 0.5}, {2, 1.5}}, 2);
    using Three = std::pair<int, std::tuple<std::vector<int>, std::vector<std::string>, std::vector<double>>>;
    EXPECT_EQ(sorted(a.cogroup(b, c).collect()), (std::vector<Three>{{1, {{10, 11}, {"x"}, {}}}, {2, {{20}, {}, {1.5}}}, {3, {{}, {}, {0.5}}}}));
    auto four = sorted(a.groupWith(b, c, a.mapValues([](int v) { return -v; })).collect());
    ASSERT_EQ(four.size(), 3u);
    EXPECT_EQ(std::get<3>(four[0].second), (std::vector<int>{-10, -11}));
    EXPECT_EQ(a.cogroup(b, c, a, byTens()).getNumPartitions(), 4);
    EXPECT_EQ(sorted(a.groupWith(c).collect()), sorted(a.cogroup(c).collect()));
  });
}

TEST(RddPairs, CombineByKeyWithoutAMapSide) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(100), 4).map([](int x) { return std::pair(x % 3, x); });
    auto create = [](int x) { return std::vector<int>{x}; };
    auto add = [](std::vector<int> all, int x) {
      all.push_back(x);
      return all;
    };
    auto merge = [](std::vector<int> a, const std::vector<int>& b) {
      a.insert(a.end(), b.begin(), b.end());
      return a;
    };
    auto with = pairs.combineByKey(create, add, merge), without = pairs.combineByKey(create, add, merge, 0, false);
    EXPECT_EQ(sorted(without.collect()), sorted(with.collect()));
    EXPECT_EQ(sorted(without.collect()), sorted(pairs.groupByKey().collect())) << "in the order of the records";
    // Of what lies by key there is nothing to exchange.
    auto laid = pairs.partitionBy(5);
    EXPECT_EQ(exchanges(laid.combineByKey(create, add, merge, 0, false)), 1);
    EXPECT_EQ(sorted(laid.combineByKey(create, add, merge, 0, false).collect()), sorted(with.collect()));
    auto calls = sc.longAccumulator();
    auto counted = [calls](std::vector<int> a, const std::vector<int>&) {
      calls.add(1);
      return a;
    };
    pairs.combineByKey(create, add, counted, 2, false).count();
    EXPECT_EQ(calls.value(), 0);
  });
}

TEST(RddPairs, ReduceByKeyLocally) {
  everywhere([](const Context& sc) {
    auto words = sc.parallelize(std::vector<Named>{{"a", 1}, {"b", 2}, {"a", 3}, {"c", 4}, {"a", 5}}, 3);
    EXPECT_EQ(words.reduceByKeyLocally(std::plus<>()), (std::map<std::string, int>{{"a", 9}, {"b", 2}, {"c", 4}}));
    EXPECT_TRUE(sc.emptyRDD<Named>().reduceByKeyLocally(std::plus<>()).empty());
  });
}

TEST(RddPairs, LookupAsksOnlyThePartitionThatCanHaveTheKey) {
  everywhere([](const Context& sc) {
    auto seen = sc.longAccumulator();
    auto pairs = sc.parallelize(upTo(80), 4).map([](int x) { return std::pair(x / 2, x); });
    EXPECT_EQ(pairs.lookup(7), (std::vector<int>{14, 15}));
    EXPECT_TRUE(pairs.lookup(1000).empty());
    auto watch = [seen](int x) {
      seen.add(1);
      return x;
    };
    for (const auto& laid : {pairs.partitionBy(4), pairs.partitionBy(byTens()), pairs.sortByKey(true, 4), pairs.sortByKey(false, 4), pairs.groupByKey().flatMapValues([](std::vector<int> v) { return v; })}) {
      auto watched = laid.mapValues(watch);
      auto before = seen.value();
      EXPECT_EQ(sorted(watched.lookup(7)), (std::vector<int>{14, 15}));
      if (laid.getNumPartitions() > 1) EXPECT_LT(seen.value() - before, 80) << "not all partitions";
      EXPECT_GE(seen.value() - before, 2);
    }
    using Text = std::pair<std::string, int>;
    auto text = sc.parallelize(std::vector<Text>{{"be", 1}, {"to", 2}, {"be", 3}}, 2);
    EXPECT_EQ(text.lookup("be"), (std::vector<int>{1, 3}));
    EXPECT_EQ(text.reduceByKey(std::plus<>(), 3).lookup("be"), (std::vector<int>{4}));
  });
}

TEST(RddPairs, FilterByRangeSkipsPartitions) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(200), 4).map([](int x) { return std::pair(x * 7 % 200, x); });
    auto keys = [](const auto& rdd) { return sorted(rdd.keys().collect()); };
    std::vector<int> want;
    for (int k = 33; k <= 61; ++k) want.push_back(k);
    EXPECT_EQ(keys(pairs.filterByRange(33, 61)), want);
    auto up = pairs.sortByKey(true, 5), down = pairs.sortByKey(false, 5);
    EXPECT_EQ(keys(up.filterByRange(33, 61)), want);
    EXPECT_EQ(keys(down.filterByRange(33, 61)), want);
    EXPECT_LT(up.filterByRange(33, 61).getNumPartitions(), 4);
    EXPECT_LT(down.filterByRange(33, 61).getNumPartitions(), 4);
    EXPECT_EQ(up.filterByRange(-5, -1).count(), 0);
    EXPECT_EQ(up.filterByRange(61, 33).count(), 0) << "nothing lies between";
    EXPECT_EQ(up.filterByRange(0, 199).count(), 200);
    EXPECT_TRUE(std::is_sorted(want.begin(), want.end()));
    auto cached = up.cache();
    EXPECT_EQ(cached.count(), 200);
    EXPECT_EQ(keys(cached.filterByRange(33, 61)), want);
    EXPECT_EQ(cached.filterByRange(33, 61).dependencies()[0].kind, sluice::Dependency::Kind::kNarrow);
  });
}

TEST(RddPairs, RepartitionAndSortWithinPartitions) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(100), 4).map([](int x) { return std::pair(x * 37 % 100, x); });
    auto laid = pairs.repartitionAndSortWithinPartitions(byTens());
    EXPECT_EQ(exchanges(laid), 1);
    auto parts = laid.keys().glom().collect();
    ASSERT_EQ(parts.size(), 4u);
    for (int p = 0; p < 4; ++p) {
      EXPECT_TRUE(std::is_sorted(parts[std::size_t(p)].begin(), parts[std::size_t(p)].end()));
      for (int key : parts[std::size_t(p)]) EXPECT_EQ(key / 10 % 4, p);
    }
    EXPECT_EQ(laid.count(), 100);
    EXPECT_EQ(exchanges(laid.groupByKey()), 1) << "it lies by the partitioner";
    auto again = laid.repartitionAndSortWithinPartitions(byTens(), false);
    EXPECT_EQ(exchanges(again), 1);
    for (const auto& part : again.keys().glom().collect()) EXPECT_TRUE(std::is_sorted(part.rbegin(), part.rend()));
    EXPECT_EQ(pairs.repartitionAndSortWithinPartitions(3).getNumPartitions(), 3);
  });
}

TEST(RddPairs, CountApproxDistinctByKey) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(6000), 4).map([](int x) { return x < 3000 ? std::pair(std::string("many"), x) : std::pair(std::string("few"), x % 10); });
    auto counted = pairs.countApproxDistinctByKey(0.02).collectAsMap();
    EXPECT_NEAR(double(counted.at("many")), 3000, 3000 * 0.06);
    EXPECT_EQ(counted.at("few"), 10) << "small numbers are exact";
    EXPECT_EQ(pairs.countApproxDistinctByKey(0.1, 7).getNumPartitions(), 7);
  });
}

TEST(RddPairs, AggregateAndFoldWithPartitioners) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(50), 3).map([](int x) { return std::pair(x, 1); });
    EXPECT_EQ(pairs.aggregateByKey(0L, [](long a, int b) { return a + b; }, std::plus<>(), byTens()).getNumPartitions(), 4);
    EXPECT_EQ(pairs.foldByKey(0, std::plus<>(), byTens()).getNumPartitions(), 4);
    EXPECT_EQ(pairs.foldByKey(5, std::plus<>(), byTens()).lookup(12), (std::vector<int>{6}));
    EXPECT_EQ(pairs.groupByKey(byTens()).partitioner(), byTens());
  });
}

}  // namespace
