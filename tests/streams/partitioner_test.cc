// Partitioners: where keys lie, and which operations need no exchange for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

using sluice::Context;
using sluice::HashPartitioner;
using sluice::Partitioner;
using sluice::RangePartitioner;
using sluice::RDD;
using sluice::testing::Cluster;
using sluice::testing::Shape;
using Pair = std::pair<std::string, int>;

void everywhere(const std::function<void(const Context&)>& body) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    body(cluster.context());
  }
}

const std::vector<Pair> kPairs{{"a", 1}, {"bb", 2}, {"ccc", 3}, {"a", 4}, {"dd", 5}, {"eee", 6}};

Partitioner<std::string> byLength() {
  return {3, [](std::string_view key) { return key.size() - 1; }};
}

std::vector<std::vector<Pair>> layout(const RDD<Pair>& rdd) {
  auto parts = rdd.glom().collect();
  for (auto& part : parts) std::sort(part.begin(), part.end());
  return parts;
}

// How many exchanges the lineage has.
template <class T> int exchanges(const RDD<T>& rdd) {
  return int(sluice::detail::exchangesOf(rdd.node()));
}

TEST(Partitioner, OfTheApplicationPlacesKeys) {
  everywhere([](const Context& sc) {
    auto laid = sc.parallelize(kPairs, 4).partitionBy(byLength());
    EXPECT_EQ(layout(laid), (std::vector<std::vector<Pair>>{{{"a", 1}, {"a", 4}}, {{"bb", 2}, {"dd", 5}}, {{"ccc", 3}, {"eee", 6}}}));
    EXPECT_EQ(laid.partitioner()->numPartitions(), 3);
    EXPECT_EQ(layout(sc.parallelize(kPairs, 4).partitionBy(3, [](std::string_view key) { return key.size() - 1; })), layout(laid));
  });
}

TEST(Partitioner, ViewsAndOwnedKeysLieTogether) {
  everywhere([](const Context& sc) {
    auto words = sc.parallelize(std::vector<std::string>{"a", "bb", "ccc", "a"}, 2);
    // The key of this map is a view of the record while it is written to the exchange.
    auto counts = words.map([](const std::string& word) { return std::pair(std::string_view(word), 1); }).reduceByKey(std::plus<>(), byLength());
    EXPECT_EQ(layout(counts), (std::vector<std::vector<Pair>>{{{"a", 2}}, {{"bb", 1}}, {{"ccc", 1}}}));
  });
}

TEST(Partitioner, EqualOnesJoinWithoutAnExchange) {
  everywhere([](const Context& sc) {
    auto left = sc.parallelize(kPairs, 4).partitionBy(byLength());
    auto right = sc.parallelize(std::vector<Pair>{{"a", 10}, {"ccc", 30}}, 2).partitionBy(byLength());
    EXPECT_EQ(exchanges(left), 1);
    EXPECT_EQ(exchanges(left.join(right)), 2);
    EXPECT_EQ(exchanges(left.join(right, byLength())), 2);
    EXPECT_EQ(exchanges(left.reduceByKey(std::plus<>())), 1);
    EXPECT_EQ(exchanges(left.mapValues([](int x) { return x + 1; }).groupByKey()), 1);
    EXPECT_EQ(exchanges(left.union_(right).reduceByKey(std::plus<>())), 2);
    // One side lies by no key: it comes to the other.
    EXPECT_EQ(exchanges(left.join(sc.parallelize(kPairs, 2))), 2);
    // Another number, or hash: both keys move.
    EXPECT_EQ(exchanges(left.reduceByKey(std::plus<>(), 5)), 2);
    EXPECT_EQ(exchanges(left.reduceByKey(std::plus<>(), HashPartitioner(3))), 2);
    auto joined = left.join(right).collect();
    std::sort(joined.begin(), joined.end());
    using Joined = std::pair<std::string, std::pair<int, int>>;
    EXPECT_EQ(joined, (std::vector<Joined>{{"a", {1, 10}}, {"a", {4, 10}}, {"ccc", {3, 30}}}));
    auto other = left.join(sc.parallelize(std::vector<Pair>{{"a", 10}, {"ccc", 30}}, 2)).collect();
    std::sort(other.begin(), other.end());
    EXPECT_EQ(other, joined);
  });
}

TEST(Partitioner, ByDefaultTheWidestInputDecides) {
  everywhere([](const Context& sc) {
    auto three = sc.parallelize(kPairs, 4).partitionBy(3), seven = sc.parallelize(kPairs, 2).partitionBy(7);
    EXPECT_EQ(three.join(seven).getNumPartitions(), 7);
    EXPECT_EQ(seven.cogroup(three).getNumPartitions(), 7);
    EXPECT_EQ(exchanges(three.join(seven)), 3) << "one of them moves";
    EXPECT_EQ(three.join(sc.parallelize(kPairs, 9)).getNumPartitions(), 3) << "one that lies by key goes before one that does not";
    auto grouped = sc.parallelize(kPairs, 9).groupByKey();  // one for each slot that there is when it runs
    EXPECT_EQ(grouped.getNumPartitions(), int(grouped.glom().collect().size()));
    EXPECT_GE(grouped.getNumPartitions(), int(sc.defaultParallelism()));
  });
}

TEST(Partitioner, IsKeptByWhatLeavesTheKeysAlone) {
  everywhere([](const Context& sc) {
    auto laid = sc.parallelize(kPairs, 4).partitionBy(byLength());
    auto lies = [](const auto& rdd) { return rdd.partitioner() == byLength(); };
    EXPECT_TRUE(lies(laid.mapValues([](int x) { return x + 1; })));
    EXPECT_TRUE(lies(laid.flatMapValues([](int x) { return std::vector<int>{x, x}; })));
    EXPECT_TRUE(lies(laid.filter([](const Pair& p) { return p.second > 1; })));
    EXPECT_TRUE(lies(laid.mapPartitions([](sluice::Iterator<Pair>& records) {
      std::vector<Pair> all;
      for (const auto& record : records) all.push_back(record);
      return all;
    }, true)));
    EXPECT_FALSE(laid.map([](const Pair& p) { return p; }).partitioner()) << "it may have changed the key";
    EXPECT_FALSE(laid.repartition(3).partitioner());
  });
}

TEST(Partitioner, UnionOfEqualOnesLiesTheSameWay) {
  everywhere([](const Context& sc) {
    auto left = sc.parallelize(std::vector<Pair>{{"a", 1}, {"bb", 2}}).partitionBy(byLength());
    auto right = sc.parallelize(std::vector<Pair>{{"ccc", 3}, {"a", 4}}).partitionBy(byLength());
    EXPECT_EQ(layout(left.union_(right)), (std::vector<std::vector<Pair>>{{{"a", 1}, {"a", 4}}, {{"bb", 2}}, {{"ccc", 3}}}));
  });
}

TEST(Partitioner, RangesFollowASample) {
  everywhere([](const Context& sc) {
    std::vector<std::pair<int, int>> pairs;
    for (int i = 0; i < 1000; ++i) pairs.emplace_back(i * 37 % 1000, i);
    auto rdd = sc.parallelize(pairs, 5);
    RangePartitioner<int> ranges(4, rdd);
    EXPECT_EQ(ranges.numPartitions(), 4);
    auto parts = rdd.partitionBy(ranges).glom().collect();
    ASSERT_EQ(parts.size(), 4u);
    int last = -1;
    for (auto& part : parts) {
      EXPECT_GT(part.size(), 125u);
      std::sort(part.begin(), part.end());
      EXPECT_GT(part.front().first, last);
      last = part.back().first;
    }
    auto sorted = rdd.sortByKey(true, 4);
    EXPECT_EQ(exchanges(sorted.groupByKey()), 1);
    auto keys = sorted.keys().collect();
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
    auto down = rdd.sortByKey(false, 4).keys().collect();
    EXPECT_TRUE(std::is_sorted(down.rbegin(), down.rend()));
  });
}

TEST(Partitioner, AnotherPartitionThanThereIsFailsTheJob) {
  Cluster cluster(Shape::kLocal4);
  auto bad = cluster.context().parallelize(kPairs).partitionBy(2, [](std::string_view) { return 2; });
  try {
    bad.count();
    FAIL();
  } catch (const sluice::Error& error) {
    EXPECT_NE(std::string(error.what()).find("named a partition that does not exist; return 0 up to the number of partitions - 1"), std::string::npos) << error.what();
  }
  auto errorOf = [](auto call) {
    try {
      call();
    } catch (const sluice::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(errorOf([&] { cluster.context().parallelize(kPairs).partitionBy(0); }).find("the number of partitions is 0; it must be above 0"), std::string::npos);
  EXPECT_EQ(errorOf([] { Partitioner<int>(0, [](int) { return 0; }); }), "Partitioner: the number of partitions is 0; it must be above 0");
  auto pairs = cluster.context().parallelize(std::vector<std::pair<int, int>>{{1, 1}});
  EXPECT_EQ(errorOf([&] { RangePartitioner<int>(0, pairs); }), "RangePartitioner: the number of partitions is 0; it must be above 0");
}

TEST(Partitioner, EqualityIsOfFunctionAndCaptures) {
  auto made = [](int by) { return Partitioner<int>(4, [by](int key) { return unsigned(key / by) % 4; }); };
  EXPECT_EQ(made(2), made(2));
  EXPECT_FALSE(made(2) == made(3));
  EXPECT_EQ(Partitioner<int>(4), Partitioner<int>(HashPartitioner(4)));
  EXPECT_FALSE(Partitioner<int>(4) == made(2));
}

// Streams: state and windows keep the layout of the application's partitioner.
TEST(Partitioner, StreamsKeepTheLayout) {
  using sluice::Milliseconds;
  using sluice::Seconds;
  sluice::testing::How how;
  how.checkpoint = true;
  how.midway = {sluice::testing::Midway::kNothing, sluice::testing::Midway::kExecutorLoss, sluice::testing::Midway::kRestore};
  how.shapes = {Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};
  sluice::testing::expectBatches<Pair, Pair>(
      {{{"a", 1}, {"bb", 1}}, {{"a", 2}}, {}, {{"ccc", 5}}},
      [](auto s) {
        return s.updateStateByKey([](const std::vector<int>& values, std::optional<int> sum) -> std::optional<int> {
          int all = sum.value_or(0);
          for (int v : values) all += v;
          return all;
        }, byLength());
      },
      {{{"a", 1}, {"bb", 1}}, {{"a", 3}, {"bb", 1}}, {{"a", 3}, {"bb", 1}}, {{"a", 3}, {"bb", 1}, {"ccc", 5}}}, how);
  sluice::testing::expectBatches<Pair, Pair>(
      {{{"a", 1}, {"bb", 1}}, {{"a", 2}}, {}, {{"ccc", 5}}},
      [](auto s) { return s.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(2), Seconds(1), byLength(), [](const Pair& p) { return p.second != 0; }); },
      {{{"a", 1}, {"bb", 1}}, {{"a", 3}, {"bb", 1}}, {{"a", 2}}, {{"ccc", 5}}}, how);
}

}  // namespace
