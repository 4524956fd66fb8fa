// Executors with a megabyte of memory: operators that run in passes, sort in runs, hold a side on the disk, or say that they cannot.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/streams/everywhere.h"

namespace {

using sluice::Conf;
using sluice::Context;
using sluice::Partitioner;
using sluice::Seconds;
using sluice::testing::Cluster;
using sluice::testing::adviceOf;
using sluice::testing::Shape;
using sluice::testing::sorted;
using sluice::testing::upTo;
using Pair = std::pair<int, std::string>;

constexpr int kRecords = 20000;

void withLittle(const std::function<void(const Context&)>& body) {
  for (Shape shape : {Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape, Seconds(1), Conf().set("sluice.executor.memory", "1m"));
    body(cluster.context());
  }
}

std::string textOf(int x) { return std::string(60, char('a' + x % 26)) + std::to_string(x); }
auto pairs(const Context& sc, int keys) {
  return sc.range(0, kRecords, 1, 5).map([keys](std::int64_t i) { return Pair(int(i % keys), textOf(int(i))); });
}
Partitioner<int> own() {
  return {3, [](int key) { return unsigned(key) % 3; }};
}

TEST(LittleMemory, GroupByKey) {
  withLittle([](const Context& sc) {
    for (bool byOwn : {false, true}) {
      auto rdd = pairs(sc, 500);
      auto groups = (byOwn ? rdd.groupByKey(own()) : rdd.groupByKey(3)).collect();
      ASSERT_EQ(groups.size(), 500u);
      for (const auto& [key, values] : groups) {
        ASSERT_EQ(values.size(), 40u);
        for (int k = 0; k < 40; ++k) ASSERT_EQ(values[std::size_t(k)], textOf(key + 500 * k)) << "in their order";
      }
    }
  });
}

TEST(LittleMemory, DistinctSortSubtractIntersect) {
  withLittle([](const Context& sc) {
    auto texts = sc.range(0, kRecords, 1, 5).map([](std::int64_t i) { return textOf(int(i % 7000)); });
    std::vector<std::string> all;
    for (int i = 0; i < 7000; ++i) all.push_back(textOf(i));
    all = sorted(all);
    EXPECT_EQ(sorted(texts.distinct().collect()), all);
    EXPECT_EQ(texts.distinct().sortBy([](std::string_view text) { return text; }, true, 3).collect(), all);
    auto even = texts.filter([](const std::string& text) { return (text.back() - '0') % 2 == 0; });
    EXPECT_EQ(texts.subtract(even, 3).count(), 10000);
    EXPECT_EQ(texts.intersection(even, 3).count(), 3500);
  });
}

TEST(LittleMemory, RepartitionAndSortWithinPartitions) {
  withLittle([](const Context& sc) {
    auto parts = pairs(sc, 9000).repartitionAndSortWithinPartitions(own()).keys().glom().collect();
    ASSERT_EQ(parts.size(), 3u);
    std::size_t all = 0;
    for (const auto& part : parts) {
      EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
      all += part.size();
    }
    EXPECT_EQ(all, std::size_t(kRecords));
  });
}

// Both sides lie by key already: each record goes through its functions once, however many passes the join makes.
TEST(LittleMemory, NarrowJoinsReadTheirInputsOnce) {
  withLittle([](const Context& sc) {
    auto calls = sc.longAccumulator();
    auto left = pairs(sc, 5000).partitionBy(own()).mapValues([calls](const std::string& text) {
      calls.add(1);
      return text;
    });
    auto right = pairs(sc, 5000).reduceByKey([](std::string a, const std::string&) { return a; }, own()).filter([](const Pair& p) { return p.first % 2 == 0; });
    auto joined = left.join(right);
    EXPECT_EQ(sluice::detail::exchangesOf(joined.node()), 2u);
    EXPECT_EQ(joined.count(), kRecords / 2);
    EXPECT_EQ(calls.value(), kRecords);
    // The union of two that lie the same way, sorted and sampled ones beneath.
    auto both = left.union_(left.filter([](const Pair& p) { return p.first < 100; }));
    EXPECT_EQ(both.cogroup(right).count(), 5000);
    auto ranges = pairs(sc, 5000).sortByKey(true, 3);
    EXPECT_EQ(ranges.groupByKey().mapValues([](const std::vector<std::string>& v) { return v.size(); }).values().reduce(std::plus<>()), std::size_t(kRecords));
  });
}

// What a sample draws depends on the place of a record in its partition; passes must not change it.
TEST(LittleMemory, SamplesUnderPasses) {
  withLittle([](const Context& sc) {
    auto laid = pairs(sc, 4000).partitionBy(own());
    auto sample = laid.sample(false, 0.5, 5);
    auto keys = sorted(sample.keys().collect());
    auto grouped = sample.groupByKey().collect();
    std::vector<int> found;
    for (const auto& [key, values] : grouped) found.insert(found.end(), values.size(), key);
    EXPECT_EQ(sorted(found), keys);
  });
}

TEST(LittleMemory, CartesianOverTheDisk) {
  withLittle([](const Context& sc) {
    auto right = pairs(sc, kRecords).coalesce(2);
    EXPECT_EQ(sc.parallelize(upTo(5), 2).cartesian(right).count(), 5 * kRecords);
  });
}

TEST(LittleMemory, WhatCannotBeSpilledIsSaid) {
  withLittle([](const Context& sc) {
    EXPECT_NE(adviceOf([&] { pairs(sc, 1).groupByKey(2).count(); }).find("the values of one key do not fit into the executor's memory"), std::string::npos);
    EXPECT_NE(adviceOf([&] { pairs(sc, 9).coalesce(1).glom().count(); }).find("a partition that is held as a whole does not fit into the executor's memory"),
              std::string::npos);
    EXPECT_EQ(sc.parallelize(upTo(3)).count(), 3) << "the context lives on";
  });
}

}  // namespace
