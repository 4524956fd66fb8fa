// Datasets beside each other: unions, sets, products, zips, groups; on every shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"
#include "tests/streams/everywhere.h"

namespace {

using sluice::Context;
using sluice::RDD;
using sluice::testing::Cluster;
using sluice::testing::adviceOf;
using sluice::testing::everywhere;
using sluice::testing::Shape;
using sluice::testing::sorted;
using sluice::testing::temporaryDirectory;
using sluice::testing::upTo;
using Strings = std::vector<std::string>;

TEST(RddSets, PlusIsUnion) {
  everywhere([](const Context& sc) {
    auto sum = sc.parallelize(upTo(3), 2) + sc.parallelize(upTo(2), 1);
    EXPECT_EQ(sum.collect(), (std::vector<int>{0, 1, 2, 0, 1}));
    EXPECT_EQ(sum.getNumPartitions(), 3);
    EXPECT_NE(sum.dependencies().at(0).toString().find("RangeDependency on ("), std::string::npos);
    EXPECT_EQ(sc.union_(std::vector<RDD<int>>{sum, sum, sum}).count(), 15);
    EXPECT_EQ(sc.union_(std::vector<RDD<int>>{}).count(), 0);
  });
}

TEST(RddSets, IntersectionHasEachRecordOnce) {
  everywhere([](const Context& sc) {
    auto a = sc.parallelize(std::vector<int>{1, 2, 2, 3, 3, 3, 7}, 3);
    auto b = sc.parallelize(std::vector<int>{3, 2, 9, 3}, 2);
    EXPECT_EQ(sorted(a.intersection(b).collect()), (std::vector<int>{2, 3}));
    EXPECT_EQ(a.intersection(b, 5).getNumPartitions(), 5);
    EXPECT_TRUE(a.intersection(sc.emptyRDD<int>()).isEmpty());
  });
}

TEST(RddSets, SubtractKeepsDoubles) {
  everywhere([](const Context& sc) {
    auto a = sc.parallelize(Strings{"a", "b", "b", "c", "d", "d"}, 3);
    auto b = sc.parallelize(Strings{"c", "a", "x", "a"}, 2);
    EXPECT_EQ(sorted(a.subtract(b).collect()), (Strings{"b", "b", "d", "d"}));
    EXPECT_EQ(sorted(a.subtract(b, 2).collect()), (Strings{"b", "b", "d", "d"}));
    EXPECT_EQ(sorted(a.subtract(sc.emptyRDD<std::string>()).collect()), (Strings{"a", "b", "b", "c", "d", "d"}));
  });
}

TEST(RddSets, LinesOfTextAgainstOwnedText) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory();
    sc.parallelize(Strings{"x", "y", "y", "z"}, 2).saveAsTextFile(dir + "/lines");
    auto lines = sc.textFile(dir + "/lines/part-*");
    EXPECT_EQ(sorted(lines.intersection(sc.parallelize(Strings{"y", "z", "q"})).collect()), (Strings{"y", "z"}));
    EXPECT_EQ(sorted(lines.subtract(sc.parallelize(Strings{"x"})).collect()), (Strings{"y", "y", "z"}));
    EXPECT_EQ(sc.parallelize(Strings{"x", "w"}).subtract(lines).collect(), (Strings{"w"}));
    using Pair = std::pair<std::string, std::string>;
    EXPECT_EQ(sorted(lines.cartesian(lines).filter([](const auto& p) { return p.first == "x"; }).collect()),
              (std::vector<Pair>{{"x", "x"}, {"x", "y"}, {"x", "y"}, {"x", "z"}}));
    EXPECT_EQ(lines.zip(lines.map([](std::string_view line) { return line.size(); })).count(), 4);
    EXPECT_EQ(sorted(lines.coalesce(5, true).collect()), (Strings{"x", "y", "y", "z"}));
    EXPECT_EQ(lines.coalesce(5, true).getNumPartitions(), 5);
  });
}

TEST(RddSets, CartesianInOrder) {
  everywhere([](const Context& sc) {
    using Pair = std::pair<int, std::string>;
    auto a = sc.parallelize(std::vector<int>{1, 2, 3}, 2);
    auto b = sc.parallelize(Strings{"x", "y"}, 2);
    auto both = a.cartesian(b);
    EXPECT_EQ(both.getNumPartitions(), 4);
    EXPECT_EQ(both.collect(), (std::vector<Pair>{{1, "x"}, {1, "y"}, {2, "x"}, {3, "x"}, {2, "y"}, {3, "y"}}));
    EXPECT_EQ(a.coalesce(1).cartesian(b.coalesce(1)).collect(), (std::vector<Pair>{{1, "x"}, {1, "y"}, {2, "x"}, {2, "y"}, {3, "x"}, {3, "y"}}));
    EXPECT_EQ(a.cartesian(sc.emptyRDD<int>()).count(), 0);
    EXPECT_EQ(sc.emptyRDD<int>().cartesian(a).collect().size(), 0u);
  });
}

// Each side is computed on its own: cached, behind exchanges, itself, and under other narrow nodes.
TEST(RddSets, CartesianOfAnything) {
  everywhere([](const Context& sc) {
    auto numbers = sc.parallelize(upTo(20), 3);
    auto shuffled = numbers.repartition(4);
    auto cached = numbers.map([](int x) { return x + 100; });
    cached.cache();
    auto sums = [](const auto& rdd) { return rdd.map([](const std::pair<int, int>& p) { return long(p.first) * 1000 + p.second; }).reduce(std::plus<>()); };
    long want = 0;
    for (int a = 0; a < 20; ++a)
      for (int b = 0; b < 20; ++b) want += a * 1000 + b;
    EXPECT_EQ(sums(numbers.cartesian(shuffled)), want);
    EXPECT_EQ(sums(shuffled.cartesian(numbers)), want);
    EXPECT_EQ(sums(shuffled.cartesian(shuffled)), want);
    EXPECT_EQ(sums(shuffled.map([](int x) { return x; }).cartesian(numbers.repartition(5))), want);
    EXPECT_EQ(sums(cached.cartesian(shuffled)), want + 400 * 100'000L);
    EXPECT_EQ(sums(cached.cartesian(cached)), want + 400 * 100'100L);
    EXPECT_EQ(sums(shuffled.cartesian(shuffled).coalesce(3)), want);
    EXPECT_EQ(sums(shuffled.cartesian(shuffled) + shuffled.cartesian(shuffled)), 2 * want);
    auto keyed = shuffled.cartesian(numbers).map([](const std::pair<int, int>& p) { return std::pair(p.first % 2, 1); }).reduceByKey(std::plus<>());
    EXPECT_EQ(sorted(keyed.collect()), (std::vector<std::pair<int, int>>{{0, 200}, {1, 200}}));
  });
}

// A task reads a partition that another task of its stage reads as well.
TEST(RddSets, OneExchangeReadByTwoTasks) {
  everywhere([](const Context& sc) {
    auto shuffled = sc.parallelize(upTo(30), 3).repartition(4);
    auto other = sc.parallelize(upTo(30), 3).repartition(8);
    EXPECT_EQ((shuffled + shuffled).count(), 60);
    auto sizes = other.zipPartitions(shuffled + shuffled, [](sluice::Iterator<int>& a, sluice::Iterator<int>& b) {
      int sum = 0;
      for (int x : a) sum += x;
      for (int x : b) sum += x;
      return std::vector<int>{sum};
    });
    EXPECT_EQ(sizes.reduce(std::plus<>()), 3 * 435);
  });
}

TEST(RddSets, Zip) {
  everywhere([](const Context& sc) {
    auto a = sc.parallelize(upTo(7), 3);
    auto names = a.map([](int x) { return std::to_string(x); });
    auto zipped = a.zip(names).collect();
    ASSERT_EQ(zipped.size(), 7u);
    for (int x = 0; x < 7; ++x) EXPECT_EQ(zipped[x], std::pair(x, std::to_string(x)));
    EXPECT_EQ(adviceOf([&] { a.zip(sc.parallelize(upTo(7), 2)); }), "the RDDs have 3 and 2 partitions, but must have the same number; use repartition or join");
    EXPECT_EQ(adviceOf([&] { a.zip(a.filter([](int x) { return x != 5; })).collect(); }),
              "only RDDs with the same number of records in each partition can be zipped: in partition 2 the second one ends after 2 records, the other has more");
  });
}

TEST(RddSets, ZipPartitionsOfTwoToFour) {
  everywhere([](const Context& sc) {
    auto a = sc.parallelize(upTo(6), 2);
    auto b = a.map([](int x) { return x * 10; });
    auto c = a.map([](int x) { return std::to_string(x); });
    using Ints = sluice::Iterator<int>;
    using Texts = sluice::Iterator<std::string>;
    auto count = [](auto& records) {
      int n = 0;
      while (records.hasNext()) records.next(), ++n;
      return n;
    };
    EXPECT_EQ(a.zipPartitions(b, [](Ints& x, Ints& y) {
                 std::vector<int> out;
                 while (x.hasNext() && y.hasNext()) out.push_back(x.next() + y.next());
                 return out;
               }).collect(), (std::vector<int>{0, 11, 22, 33, 44, 55}));
    EXPECT_EQ(a.zipPartitions(b, c, [count](Ints& x, Ints& y, Texts& z) { return std::vector<int>{count(x) * 100 + count(y) * 10 + count(z)}; }).collect(),
              (std::vector<int>{333, 333}));
    EXPECT_EQ(a.zipPartitions(b, c, a, [count](Ints& x, Ints& y, Texts& z, Ints& w) { return std::vector<int>{count(x) + count(y) + count(z) + count(w)}; }).collect(),
              (std::vector<int>{12, 12}));
    EXPECT_EQ(adviceOf([&] { a.zipPartitions(b.coalesce(1), c, [](Ints&, Ints&, Texts&) { return std::vector<int>(); }); }),
              "the RDDs have 2, 1 and 2 partitions, but must have the same number; use repartition or join");
  });
}

// Inside transform the numbers of partitions are not known: the tasks find out.
TEST(RddSets, ZipInsideTransform) {
  using sluice::testing::partitions;
  using Pair = std::pair<int, int>;
  sluice::testing::expectBatches<int, Pair>(
      {partitions<int>({{1}, {2, 3}}), {4}}, [](auto s) { return s.transform([](const RDD<int>& rdd) { return rdd.zip(rdd.map([](int x) { return x * 10; })); }); },
      {partitions<Pair>({{{1, 10}}, {{2, 20}, {3, 30}}}), {{4, 40}}});
  Cluster cluster(Shape::kLocal4);
  auto three = cluster.context().parallelize(upTo(3), 3);
  auto zipped = cluster.collect(cluster.input<int>({partitions<int>({{1}, {2}})}).transform([three](const RDD<int>& rdd) { return rdd.zip(three); }));
  EXPECT_EQ(adviceOf([&] { cluster.runBatches(1); }), "its inputs have 2 and 3 partitions, but must have the same number; use repartition or join");
}

TEST(RddSets, ZipWithIndexAndUniqueId) {
  everywhere([](const Context& sc) {
    auto odd = sc.parallelize(upTo(20), 4).filter([](int x) { return x % 3 == 0; });  // 0 3 | 6 9 | 12 | 15 18
    using Pair = std::pair<int, std::int64_t>;
    EXPECT_EQ(odd.zipWithIndex().collect(), (std::vector<Pair>{{0, 0}, {3, 1}, {6, 2}, {9, 3}, {12, 4}, {15, 5}, {18, 6}}));
    EXPECT_EQ(odd.zipWithUniqueId().collect(), (std::vector<Pair>{{0, 0}, {3, 4}, {6, 1}, {9, 5}, {12, 2}, {15, 3}, {18, 7}}));
    EXPECT_EQ(sc.parallelize(upTo(2), 1).zipWithIndex().collect(), (std::vector<Pair>{{0, 0}, {1, 1}}));
    EXPECT_TRUE(sc.emptyRDD<int>().zipWithIndex().isEmpty());
    // Under other partitions than the task's.
    EXPECT_EQ((odd + odd.zipWithIndex().map([](const Pair& p) { return int(p.second) + 1000; })).collect(),
              (std::vector<int>{0, 3, 6, 9, 12, 15, 18, 1000, 1001, 1002, 1003, 1004, 1005, 1006}));
    EXPECT_EQ(odd.zipWithUniqueId().coalesce(2).collect(), odd.zipWithUniqueId().collect());
  });
}

TEST(RddSets, PartitionsAreNumberedByTheirOwnDataset) {
  everywhere([](const Context& sc) {
    auto numbers = sc.parallelize(upTo(6), 3).mapPartitionsWithIndex([](int p, sluice::Iterator<int>&) { return std::vector<int>{p}; });
    EXPECT_EQ(numbers.collect(), (std::vector<int>{0, 1, 2}));
    EXPECT_EQ((sc.parallelize(upTo(2), 2) + numbers).collect(), (std::vector<int>{0, 1, 0, 1, 2}));
    EXPECT_EQ(numbers.coalesce(1).collect(), (std::vector<int>{0, 1, 2}));
  });
}

TEST(RddSets, ZipWithUniqueIdInsideTransform) {
  using sluice::testing::partitions;
  using Pair = std::pair<std::string, std::int64_t>;
  sluice::testing::expectBatches<std::string, Pair>(
      {partitions<std::string>({{"a", "b"}, {"c"}, {"d"}}), partitions<std::string>({{"a", "b"}})},
      [](auto s) { return s.transform([](const auto& rdd) { return rdd.zipWithUniqueId(); }); },
      {{{"a", 0}, {"b", 3}, {"c", 1}, {"d", 2}}, {{"a", 0}, {"b", 1}}});
}

TEST(RddSets, GroupBy) {
  everywhere([](const Context& sc) {
    auto groups = sc.parallelize(upTo(10), 3).groupBy([](int x) { return x % 3; });
    auto all = groups.collect();
    std::map<int, std::vector<int>> got(all.begin(), all.end());
    EXPECT_EQ(got, (std::map<int, std::vector<int>>{{0, {0, 3, 6, 9}}, {1, {1, 4, 7}}, {2, {2, 5, 8}}}));
    EXPECT_EQ(sc.parallelize(upTo(10), 3).groupBy([](int x) { return x % 3; }, 7).getNumPartitions(), 7);
    auto words = sc.parallelize(Strings{"to", "be", "not"}, 2).groupBy([](std::string_view w) { return w.size(); });
    EXPECT_EQ(words.count(), 2);
  });
}

TEST(RddSets, CollectOfAPartialFunction) {
  everywhere([](const Context& sc) {
    auto halves = sc.parallelize(upTo(9), 2).collect([](int x) { return x % 2 == 0 ? std::optional<double>(x / 2.0) : std::nullopt; });
    EXPECT_EQ(halves.collect(), (std::vector<double>{0, 1, 2, 3, 4}));
  });
}

TEST(RddSets, CoalesceGrowsWithAShuffleOnly) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(40), 4);
    EXPECT_EQ(rdd.coalesce(9).getNumPartitions(), 4);
    EXPECT_EQ(rdd.coalesce(9).collect(), upTo(40));
    EXPECT_EQ(rdd.coalesce(9, true).getNumPartitions(), 9);
    EXPECT_EQ(sorted(rdd.coalesce(9, true).collect()), upTo(40));
    EXPECT_EQ(sorted(rdd.coalesce(2, true).collect()), upTo(40));
    EXPECT_EQ(adviceOf([&] { rdd.coalesce(0); }), "coalesce: the number of partitions is 0; it must be above 0");
  });
}

TEST(RddSets, NamesAndDependencies) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(4), 2).map([](int x) { return std::pair(x, x); });
    auto sums = pairs.reduceByKey(std::plus<>());
    EXPECT_EQ(sums.name(), "reduceByKey");
    ASSERT_EQ(sums.dependencies().size(), 1u);
    EXPECT_EQ(sums.dependencies()[0].kind, sluice::Dependency::Kind::kShuffle);
    EXPECT_EQ(sums.dependencies()[0].id, pairs.id());
    EXPECT_NE(sums.dependencies()[0].toString().find("ShuffleDependency on (" + std::to_string(pairs.id()) + ") map at rdd_sets_test.cc:"), std::string::npos);
    EXPECT_EQ(pairs.dependencies()[0].kind, sluice::Dependency::Kind::kOneToOne);
    auto joined = sums.join(pairs);
    ASSERT_EQ(joined.dependencies().size(), 2u);
    EXPECT_EQ(joined.dependencies()[0].kind, sluice::Dependency::Kind::kOneToOne);
    EXPECT_EQ(joined.dependencies()[1].kind, sluice::Dependency::Kind::kShuffle);
    EXPECT_EQ(pairs.coalesce(1).dependencies()[0].kind, sluice::Dependency::Kind::kNarrow);
    EXPECT_TRUE(sc.parallelize(upTo(1)).dependencies().empty());
    EXPECT_EQ(sums.setName("sums").name(), "sums");
    EXPECT_EQ(pairs.partitions().size(), 2u);
    EXPECT_EQ(pairs.getStorageLevel(), sluice::StorageLevel::NONE);
  });
}

}  // namespace
