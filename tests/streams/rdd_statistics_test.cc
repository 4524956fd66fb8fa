// Trees of aggregations, statistics of numbers, histograms, approximate counts, local iterators, and the ends of other actions.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tests/streams/everywhere.h"

namespace {

using sluice::Context;
using sluice::RDD;
using sluice::StatCounter;
using sluice::testing::Cluster;
using sluice::testing::adviceOf;
using sluice::testing::everywhere;
using sluice::testing::Shape;
using sluice::testing::upTo;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(RddStatistics, TreesGiveWhatTheDriverWould) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(500), 30);
    for (int depth : {1, 2, 3, 5}) {
      EXPECT_EQ(rdd.treeReduce(std::plus<>(), depth), 124750) << depth;
      EXPECT_EQ(rdd.treeAggregate(0L, [](long a, int b) { return a + b; }, std::plus<>(), depth), 124750) << depth;
      // Neighbours are merged: the order of the records stays.
      auto text = rdd.treeAggregate(std::string(), [](std::string all, int x) { return all + char('a' + x % 26); }, std::plus<>(), depth);
      std::string want;
      for (int x = 0; x < 500; ++x) want += char('a' + x % 26);
      EXPECT_EQ(text, want) << depth;
    }
    EXPECT_EQ(sc.parallelize(upTo(3), 20).treeReduce(std::plus<>()), 3) << "most partitions are empty";
    EXPECT_EQ(sc.emptyRDD<int>().treeAggregate(7, std::plus<>(), std::plus<>()), 7);
    EXPECT_EQ(adviceOf([&] { sc.emptyRDD<int>().treeReduce(std::plus<>()); }), "treeReduce: the RDD is empty; use treeAggregate, which has a value to begin with");
    EXPECT_EQ(adviceOf([&] { rdd.treeReduce(std::plus<>(), 0); }), "treeReduce: the depth is 0; it must be above 0");
  });
}

TEST(RddStatistics, TreeLevels) {
  using sluice::detail::treeLevels;
  using Levels = std::vector<std::uint32_t>;
  EXPECT_EQ(treeLevels(4, 2, "x"), Levels());
  EXPECT_EQ(treeLevels(30, 2, "x"), Levels{5});
  EXPECT_EQ(treeLevels(1000, 2, "x"), Levels{31});
  EXPECT_EQ(treeLevels(1000, 3, "x"), (Levels{100, 10}));
  EXPECT_EQ(treeLevels(1000, 1, "x"), Levels());
  EXPECT_EQ(treeLevels(0, 2, "x"), Levels());
}

TEST(RddStatistics, OfNumbers) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(std::vector<double>{1, 2, 4, 8, 16, -3}, 4);
    EXPECT_DOUBLE_EQ(rdd.sum(), 28);
    EXPECT_DOUBLE_EQ(rdd.mean(), 28 / 6.0);
    double squares = 0;
    for (double x : {1, 2, 4, 8, 16, -3}) squares += (x - 28 / 6.0) * (x - 28 / 6.0);
    EXPECT_DOUBLE_EQ(rdd.variance(), squares / 6);
    EXPECT_DOUBLE_EQ(rdd.popVariance(), squares / 6);
    EXPECT_DOUBLE_EQ(rdd.sampleVariance(), squares / 5);
    EXPECT_DOUBLE_EQ(rdd.stdev(), std::sqrt(squares / 6));
    EXPECT_DOUBLE_EQ(rdd.popStdev(), std::sqrt(squares / 6));
    EXPECT_DOUBLE_EQ(rdd.sampleStdev(), std::sqrt(squares / 5));
    StatCounter stats = rdd.stats();
    EXPECT_EQ(stats.count(), 6);
    EXPECT_EQ(stats.max(), 16);
    EXPECT_EQ(stats.min(), -3);
    EXPECT_NEAR(sc.parallelize(upTo(1001), 7).mean(), 500, 1e-9);
    EXPECT_EQ(sc.parallelize(upTo(1001), 7).sum(), 500500);
  });
}

TEST(RddStatistics, OfNothingAndOfOne) {
  everywhere([](const Context& sc) {
    auto none = sc.emptyRDD<double>();
    EXPECT_EQ(none.sum(), 0);
    EXPECT_EQ(none.mean(), 0);
    EXPECT_TRUE(std::isnan(none.variance()));
    EXPECT_EQ(none.stats().max(), -kInfinity);
    EXPECT_EQ(none.stats().toString(), "(count: 0, mean: 0.000000, stdev: NaN, max: -Infinity, min: Infinity)");
    auto one = sc.parallelize(std::vector<double>{2.5}, 3);
    EXPECT_EQ(one.variance(), 0);
    EXPECT_TRUE(std::isnan(one.sampleVariance()));
    EXPECT_EQ(one.stats().toString(), "(count: 1, mean: 2.500000, stdev: 0.000000, max: 2.500000, min: 2.500000)");
    EXPECT_EQ(sc.parallelize(std::vector<double>{1, 2, 3}).stats().toString(), "(count: 3, mean: 2.000000, stdev: 0.816497, max: 3.000000, min: 1.000000)");
  });
}

// Spark's own cases (DoubleRDDSuite).
TEST(RddStatistics, HistogramOfEdges) {
  everywhere([](const Context& sc) {
    using Counts = std::vector<std::int64_t>;
    auto of = [&](std::vector<double> values) { return sc.parallelize(values, 2); };
    EXPECT_EQ(sc.emptyRDD<double>().histogram({0.0, 10.0}), Counts{0});
    EXPECT_EQ(of({10.01, -0.01}).histogram({0.0, 10.0}), Counts{0});
    EXPECT_EQ(of({10.01, -0.01}).histogram({0.0, 4.0, 10.0}), (Counts{0, 0}));
    EXPECT_EQ(of({1, 2, 3, 4}).histogram({0.0, 10.0}), Counts{4});
    EXPECT_EQ(of({1, 2, 3, 4}).histogram({0.0, 10.0}, true), Counts{4});
    EXPECT_EQ(of({1, 2, 3, 5, 6}).histogram({0.0, 5.0, 10.0}), (Counts{3, 2}));
    EXPECT_EQ(of({10, -0.01, 1, 2, 3, 5, 6, 10.01}).histogram({0.0, 5.0, 10.0}, true), (Counts{3, 3})) << "the last one holds its upper edge";
    EXPECT_EQ(of({-0.01, 0.0, 1, 2, 3, 5, 6, 11.0, 11.01, 12.0, 199.0, 200.0, 200.1}).histogram({0.0, 5.0, 11.0, 12.0, 200.0}), (Counts{4, 2, 2, 3}));
    EXPECT_EQ(of({10, 20, std::nan("")}).histogram({0.0, 15.0, 100.0}), (Counts{1, 1})) << "NaN counts nowhere";
    EXPECT_EQ(of({-5, 10.0, kInfinity}).histogram({-kInfinity, 0.0, kInfinity}), (Counts{1, 2}));
    EXPECT_EQ(adviceOf([&] { of({1}).histogram(std::vector<double>{1.0}); }), "histogram: the list of edges must have at least two elements");
    EXPECT_EQ(adviceOf([&] { of({1}).histogram({1.0, 3.0, 3.0}); }), "histogram: the edges must rise; sort them and leave out doubles");
  });
}

TEST(RddStatistics, HistogramOfEvenBuckets) {
  everywhere([](const Context& sc) {
    using Edges = std::vector<double>;
    using Counts = std::vector<std::int64_t>;
    auto of = [&](std::vector<double> values) { return sc.parallelize(values, 2); };
    EXPECT_EQ(of({1, 2, 3, 4}).histogram(1), (std::pair(Edges{1, 4}, Counts{4})));
    EXPECT_EQ(of({1, 2}).histogram(2), (std::pair(Edges{1, 1.5, 2}, Counts{1, 1})));
    EXPECT_EQ(of({1, 2, 3}).histogram(2), (std::pair(Edges{1, 2, 3}, Counts{1, 2})));
    EXPECT_EQ(of({3, 3, 3}).histogram(4), (std::pair(Edges{3, 3}, Counts{3}))) << "one bucket where all are equal";
    EXPECT_EQ(sc.parallelize(upTo(100), 3).histogram(3).second, (Counts{33, 33, 34}));
    auto [edges, counts] = sc.parallelize(upTo(100), 3).map([](int x) { return x / 100.0; }).histogram(10);
    EXPECT_EQ(edges.size(), 11u);
    EXPECT_EQ(edges.back(), 0.99);
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t(0)), 100);
    const char* refused = "histogram of an empty RDD, or of one that has an infinite value or NaN; filter these out, or name the edges";
    EXPECT_EQ(adviceOf([&] { sc.emptyRDD<double>().histogram(2); }), refused);
    EXPECT_EQ(adviceOf([&] { of({1, kInfinity}).histogram(2); }), refused);
    EXPECT_EQ(adviceOf([&] { of({1, std::nan(""), 3}).histogram(2); }), refused);
    EXPECT_EQ(adviceOf([&] { of({1}).histogram(0); }), "histogram: the number of buckets is 0; it must be above 0");
  });
}

TEST(RddStatistics, CountApproxDistinct) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(20000), 4).map([](int x) { return x % 5000; });
    EXPECT_NEAR(double(rdd.countApproxDistinct()), 5000, 5000 * 0.15);
    EXPECT_NEAR(double(rdd.countApproxDistinct(0.01)), 5000, 5000 * 0.03);
    EXPECT_NEAR(double(rdd.countApproxDistinct(12, 0)), 5000, 5000 * 0.05);
    EXPECT_NEAR(double(rdd.countApproxDistinct(14, 25)), 5000, 5000 * 0.025);
    EXPECT_EQ(sc.parallelize(std::vector<std::string>{"a", "b", "a"}).countApproxDistinct(), 2);
    EXPECT_EQ(sc.emptyRDD<int>().countApproxDistinct(), 0);
    EXPECT_EQ(adviceOf([&] { rdd.countApproxDistinct(0.00001); }), "countApproxDistinct: the relative standard deviation is 0.000010; it must be at least 0.00026, which takes 16 MB; count distinct() for an exact number");
    EXPECT_EQ(adviceOf([&] { rdd.countApproxDistinct(3, 0); }), "countApproxDistinct: p is 3; it must be from 4 to 24");
    EXPECT_EQ(adviceOf([&] { rdd.countApproxDistinct(12, 9); }), "countApproxDistinct: p (12) must not be greater than sp (9)");
    EXPECT_EQ(adviceOf([&] { rdd.countApproxDistinct(12, 33); }), "countApproxDistinct: sp is 33; it must be from 0 to 32");
  });
}

TEST(RddStatistics, LocalIteratorFetchesAPartitionAtATime) {
  everywhere([](const Context& sc) {
    auto seen = sc.longAccumulator();
    auto rdd = sc.parallelize(upTo(40), 4).map([seen](int x) {
      seen.add(1);
      return x;
    });
    std::vector<int> got;
    auto records = rdd.toLocalIterator();
    EXPECT_EQ(seen.value(), 0);
    for (int x : records) {
      got.push_back(x);
      if (got.size() == 1 || got.size() == 11) {
        EXPECT_EQ(seen.value(), got.size() == 1 ? 10 : 20);
      }
    }
    EXPECT_EQ(got, upTo(40));
    EXPECT_FALSE(records.hasNext());
    EXPECT_EQ(adviceOf([&] { records.next(); }), "next() on an iterator that has no more records; ask hasNext() first");
    EXPECT_FALSE(sc.emptyRDD<int>().toLocalIterator().hasNext());
    auto words = sc.parallelize(std::vector<std::string>{"a", "b"}, 5).toLocalIterator();
    EXPECT_EQ(words.next(), "a");
    EXPECT_EQ(words.next(), "b");
    EXPECT_FALSE(words.hasNext());
  });
}

TEST(RddStatistics, LocalIteratorComputesAnExchangeOnce) {
  everywhere([](const Context& sc) {
    auto seen = sc.longAccumulator();
    auto sums = sc.parallelize(upTo(60), 3)
                    .map([seen](int x) {
                      seen.add(1);
                      return std::pair(x % 6, 1);
                    })
                    .reduceByKey(std::plus<>(), 5);
    int keys = 0;
    for (const auto& [key, count] : sums.toLocalIterator()) {
      EXPECT_EQ(count, 10);
      ++keys;
    }
    EXPECT_EQ(keys, 6);
    EXPECT_EQ(seen.value(), 60);
  });
}

TEST(RddStatistics, ExtremesByAComparison) {
  everywhere([](const Context& sc) {
    auto words = sc.parallelize(std::vector<std::string>{"to", "be", "or", "not", "that"}, 3);
    auto shorter = [](const std::string& a, const std::string& b) { return a.size() < b.size(); };
    EXPECT_EQ(words.max(shorter), "that");
    EXPECT_EQ(words.min(shorter), "to") << "the first of equals";
    EXPECT_EQ(words.max(), "to");
    EXPECT_EQ(adviceOf([&] { sc.emptyRDD<int>().max(); }), "reduce: the RDD is empty; use fold, which has a value to begin with");
  });
}

TEST(RddStatistics, ActionsOnNothing) {
  everywhere([](const Context& sc) {
    auto none = sc.emptyRDD<int>();
    EXPECT_EQ(none.getNumPartitions(), 0);
    EXPECT_TRUE(none.isEmpty());
    EXPECT_TRUE(none.take(3).empty());
    EXPECT_EQ(none.count(), 0);
    EXPECT_TRUE(sc.parallelize(std::vector<int>{}, 5).isEmpty());
    EXPECT_FALSE(sc.parallelize(std::vector<int>{1}, 5).isEmpty());
    EXPECT_EQ(adviceOf([&] { none.first(); }), "first: the RDD is empty");
    EXPECT_EQ(sc.parallelize(std::vector<int>{4}, 7).first(), 4);
    EXPECT_TRUE(none.top(2).empty());
    EXPECT_EQ(none.fold(3, std::plus<>()), 3);
  });
}

// Of the RDD of a batch only the master knows in how many partitions it lies.
TEST(RddStatistics, PartitionsOfABatch) {
  for (auto shape : {Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    std::vector<std::vector<int>> taken;
    std::vector<std::size_t> indexed;
    std::vector<int> counts;
    cluster.input<int>({sluice::testing::partitions<int>({{}, {}, {}, {}, {}, {}, {1}, {2, 3}}), {5}}).foreachRDD([&](const RDD<int>& rdd) {
      counts.push_back(rdd.getNumPartitions());
      taken.push_back(rdd.take(2));
      indexed.push_back(rdd.zipWithIndex().collect().size());
    });
    cluster.runBatches(3);
    ASSERT_EQ(counts.size(), 3u);
    EXPECT_EQ(counts[0], 8);
    EXPECT_EQ(taken, (std::vector<std::vector<int>>{{1, 2}, {5}, {}}));
    EXPECT_EQ(indexed, (std::vector<std::size_t>{3, 1, 0}));
  }
}

}  // namespace
