// Samples: what is drawn, how many, and that it is the same again. Seeds are fixed, so that no test depends on luck.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/streams/everywhere.h"

namespace {

using sluice::Context;
using sluice::RDD;
using sluice::testing::Cluster;
using sluice::testing::adviceOf;
using sluice::testing::everywhere;
using sluice::testing::Shape;
using sluice::testing::sorted;
using sluice::testing::upTo;
using Pair = std::pair<std::string, int>;

// What `draw` gives is the same on every shape and in every run of it.
template <class Draw> auto sameEverywhere(Draw draw) {
  std::optional<decltype(draw(std::declval<const Context&>()))> first;
  everywhere([&](const Context& sc) {
    auto got = draw(sc);
    if (first) {
      EXPECT_EQ(got, *first);
    }
    first = got;
    EXPECT_EQ(draw(sc), got);
  });
  return *first;
}

TEST(RddSampling, SampleIsRepeatable) {
  auto sample = sameEverywhere([](const Context& sc) { return sc.parallelize(upTo(2000), 5).sample(false, 0.1, 42).collect(); });
  EXPECT_NEAR(double(sample.size()), 200, 60);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(std::set<int>(sample.begin(), sample.end()).size(), sample.size());
  auto other = sameEverywhere([](const Context& sc) { return sc.parallelize(upTo(2000), 5).sample(false, 0.1, 43).collect(); });
  EXPECT_NE(sample, other);
  // Each partition draws by itself.
  auto halves = [](const std::vector<int>& all, int from, int to) { return std::count_if(all.begin(), all.end(), [=](int x) { return x >= from && x < to; }); };
  for (int p = 0; p < 5; ++p) EXPECT_NEAR(double(halves(sample, 400 * p, 400 * (p + 1))), 40, 28) << p;
}

TEST(RddSampling, WithReplacementRecordsComeAgain) {
  auto sample = sameEverywhere([](const Context& sc) { return sc.parallelize(upTo(1000), 4).sample(true, 2.5, 7).collect(); });
  EXPECT_NEAR(double(sample.size()), 2500, 250);
  std::map<int, int> times;
  for (int x : sample) ++times[x];
  std::map<int, int> how;  // of a Poisson distribution with mean 2.5
  for (int x = 0; x < 1000; ++x) ++how[times[x]];
  EXPECT_NEAR(how[0], 1000 * std::exp(-2.5), 35);
  EXPECT_NEAR(how[2], 1000 * std::exp(-2.5) * 3.125, 60);
  EXPECT_NEAR(how[5], 1000 * std::exp(-2.5) * 0.813802, 35);
}

TEST(RddSampling, FractionsAtTheEnds) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(100), 3);
    EXPECT_EQ(rdd.sample(false, 1, 1).collect(), upTo(100));
    EXPECT_EQ(rdd.sample(false, 0, 1).count(), 0);
    EXPECT_EQ(rdd.sample(true, 0, 1).count(), 0);
    EXPECT_EQ(sc.emptyRDD<int>().sample(true, 3, 1).count(), 0);
  });
  Cluster cluster(Shape::kLocal1);
  auto rdd = cluster.context().parallelize(upTo(3));
  EXPECT_EQ(adviceOf([&] { rdd.sample(false, 1.5, 1); }), "sample: the fraction is 1.500000; it must be from 0 to 1, or the sample drawn with replacement");
  EXPECT_EQ(adviceOf([&] { rdd.sample(true, -0.5, 1); }), "sample: the fraction is -0.500000; it must not be below 0");
}

TEST(RddSampling, WithoutASeedOneIsDrawnAtDefinition) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(1000), 3);
    auto a = rdd.sample(false, 0.5), b = rdd.sample(false, 0.5);
    EXPECT_EQ(a.collect(), a.collect());
    EXPECT_NE(a.collect(), b.collect());
  });
}

// Under a union or coalesce a partition has another number in its task: the draw is of its own dataset.
TEST(RddSampling, ItDoesNotMatterWhatStandsAround) {
  everywhere([](const Context& sc) {
    auto sample = sc.parallelize(upTo(500), 5).sample(false, 0.3, 99);
    auto alone = sample.collect();
    EXPECT_EQ(sample.coalesce(2).collect(), alone);
    auto after = (sc.parallelize(std::vector<int>{-1}, 1) + sample).collect();
    after.erase(after.begin());
    EXPECT_EQ(after, alone);
    auto cached = sc.parallelize(upTo(500), 5).sample(false, 0.3, 99);
    cached.cache();
    EXPECT_EQ(cached.collect(), alone);
    EXPECT_EQ(cached.collect(), alone);
  });
}

// A join runs in passes over its narrow inputs where memory is short; the sample must not follow them.
TEST(RddSampling, SampleUnderAJoinIsTheSample) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(300), 4).map([](int x) { return std::pair(x, x); }).partitionBy(3);
    auto sample = pairs.sample(false, 0.5, 5);
    EXPECT_EQ(sorted(sample.join(pairs).keys().collect()), sorted(sample.keys().collect()));
  });
}

TEST(RddSampling, RandomSplitIsAPartition) {
  auto sizes = sameEverywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(3000), 4);
    auto parts = rdd.randomSplit({1, 3, 0, 2}, 17);
    std::vector<std::int64_t> sizes;
    std::vector<int> all;
    for (const auto& part : parts) {
      auto records = part.collect();
      sizes.push_back(std::int64_t(records.size()));
      all.insert(all.end(), records.begin(), records.end());
    }
    EXPECT_EQ(sorted(all), upTo(3000)) << "every record is in exactly one part";
    return sizes;
  });
  ASSERT_EQ(sizes.size(), 4u);
  EXPECT_NEAR(double(sizes[0]), 500, 80);
  EXPECT_NEAR(double(sizes[1]), 1500, 120);
  EXPECT_EQ(sizes[2], 0);
  EXPECT_NEAR(double(sizes[3]), 1000, 120);
  Cluster cluster(Shape::kLocal1);
  auto rdd = cluster.context().parallelize(upTo(3));
  EXPECT_EQ(adviceOf([&] { rdd.randomSplit({1, -1}); }), "randomSplit: a weight is -1.000000; weights must not be below 0");
  EXPECT_EQ(adviceOf([&] { rdd.randomSplit({0, 0}); }), "randomSplit: the sum of the weights must be above 0");
}

TEST(RddSampling, TakeSampleIsExact) {
  auto taken = sameEverywhere([](const Context& sc) { return sc.parallelize(upTo(1000), 6).takeSample(false, 50, 3); });
  EXPECT_EQ(taken.size(), 50u);
  EXPECT_EQ(std::set<int>(taken.begin(), taken.end()).size(), 50u);
  EXPECT_FALSE(std::is_sorted(taken.begin(), taken.end())) << "the order is random too";
  auto again = sameEverywhere([](const Context& sc) { return sc.parallelize(upTo(30), 6).takeSample(true, 200, 3); });
  EXPECT_EQ(again.size(), 200u);
  EXPECT_GT(std::set<int>(again.begin(), again.end()).size(), 25u);
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(20), 3);
    EXPECT_EQ(sorted(rdd.takeSample(false, 100, 1)), upTo(20)) << "no more than there are";
    EXPECT_EQ(rdd.takeSample(false, 0, 1).size(), 0u);
    EXPECT_EQ(sc.emptyRDD<int>().takeSample(true, 5, 1).size(), 0u);
    EXPECT_EQ(rdd.takeSample(true, 5).size(), 5u);
    EXPECT_EQ(adviceOf([&] { rdd.takeSample(false, -1); }), "takeSample: the number of records is -1; it must not be below 0");
  });
}

// Over many seeds every record is taken about as often.
TEST(RddSampling, TakeSampleIsFair) {
  Cluster cluster(Shape::kLocal1);
  auto rdd = cluster.context().parallelize(upTo(10), 3);
  std::vector<int> times(10), first(10), again(10);
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    auto taken = rdd.takeSample(false, 3, seed);
    ++first[std::size_t(taken[0])];
    for (int x : taken) ++times[std::size_t(x)];
    for (int x : rdd.takeSample(true, 3, seed)) ++again[std::size_t(x)];
  }
  for (int x = 0; x < 10; ++x) {
    EXPECT_NEAR(times[std::size_t(x)], 300, 60) << x;  // four deviations
    EXPECT_NEAR(first[std::size_t(x)], 100, 38) << x;
    EXPECT_NEAR(again[std::size_t(x)], 300, 66) << x;
  }
}

std::vector<Pair> stratified() {
  std::vector<Pair> pairs;
  for (int x = 0; x < 1200; ++x) pairs.emplace_back(x % 6 == 0 ? "a" : x % 6 < 4 ? "b" : "c", x);  // 200, 600, 400
  return pairs;
}

std::map<std::string, std::int64_t> sizes(const RDD<Pair>& rdd) { return rdd.countByKey(); }

TEST(RddSampling, SampleByKey) {
  auto counts = sameEverywhere([](const Context& sc) {
    auto rdd = sc.parallelize(stratified(), 5);
    auto all = sizes(rdd.sampleByKey(false, {{"a", 1.0}, {"b", 0.5}, {"c", 0.0}}, 11));
    auto more = sizes(rdd.sampleByKey(true, {{"a", 3.0}, {"b", 0.0}, {"c", 0.25}}, 11));
    return std::pair(all, more);
  });
  EXPECT_EQ(counts.first["a"], 200);
  EXPECT_NEAR(double(counts.first["b"]), 300, 50);
  EXPECT_EQ(counts.first.count("c"), 0u);
  EXPECT_NEAR(double(counts.second["a"]), 600, 100);
  EXPECT_NEAR(double(counts.second["c"]), 100, 40);
  Cluster cluster(Shape::kLocal1);
  auto rdd = cluster.context().parallelize(stratified(), 2);
  EXPECT_EQ(adviceOf([&] { rdd.sampleByKey(false, {{"a", 1.0}, {"b", 0.5}}, 1).count(); }), "no fraction is given for the key c; give one, which may be 0");
  EXPECT_EQ(adviceOf([&] { rdd.sampleByKey(false, {{"a", 2.0}}, 1); }),
            "sampleByKey: the fraction is 2.000000; it must be from 0 to 1, or the sample drawn with replacement");
}

TEST(RddSampling, SampleByKeyExactIsExact) {
  auto samples = sameEverywhere([](const Context& sc) {
    auto rdd = sc.parallelize(stratified(), 5);
    auto all = sorted(rdd.sampleByKeyExact(false, {{"a", 0.013}, {"b", 0.5}, {"c", 1.0}}, 23).collect());
    auto more = sorted(rdd.sampleByKeyExact(true, {{"a", 2.5}, {"b", 0.1}, {"c", 0.0}}, 23).collect());
    return std::pair(all, more);
  });
  auto count = [](const std::vector<Pair>& all, const char* key) { return std::count_if(all.begin(), all.end(), [&](const Pair& p) { return p.first == key; }); };
  EXPECT_EQ(count(samples.first, "a"), 3);  // ceil(2.6)
  EXPECT_EQ(count(samples.first, "b"), 300);
  EXPECT_EQ(count(samples.first, "c"), 400);
  EXPECT_EQ(std::set<Pair>(samples.first.begin(), samples.first.end()).size(), samples.first.size());
  EXPECT_EQ(count(samples.second, "a"), 500);
  EXPECT_EQ(count(samples.second, "b"), 60);
  EXPECT_EQ(count(samples.second, "c"), 0);
  EXPECT_LT(std::set<Pair>(samples.second.begin(), samples.second.end()).size(), 260u);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Cluster cluster(Shape::kLocal4);
    auto rdd = cluster.context().parallelize(stratified(), 3);
    auto got = sizes(rdd.sampleByKeyExact(seed % 2 == 0, {{"a", 0.33}, {"b", 0.01}, {"c", 0.7}}, seed));
    EXPECT_EQ(got, (std::map<std::string, std::int64_t>{{"a", 66}, {"b", 6}, {"c", 280}})) << seed;
  }
}

// With a seed each batch draws alike, without one each its own; a batch that is computed again draws the same.
TEST(RddSampling, StreamsDrawByBatch) {
  Cluster cluster(Shape::kInProcess);
  using Batches = sluice::testing::Batches<int>;
  auto in = cluster.input<int>(Batches(3, upTo(400)));
  auto seeded = cluster.collect(in.transform([](const RDD<int>& rdd) { return rdd.sample(false, 0.5, 5); }));
  auto drawn = in.transform([](const RDD<int>& rdd) { return rdd.sample(false, 0.5); });
  auto once = cluster.collect(drawn);
  auto twice = cluster.collect(drawn);
  cluster.runBatches(3);
  EXPECT_EQ(seeded->at(0).records(), seeded->at(1).records());
  EXPECT_NE(once->at(0).records(), once->at(1).records());
  for (int t = 0; t < 3; ++t) EXPECT_EQ(once->at(std::size_t(t)).records(), twice->at(std::size_t(t)).records());
}

}  // namespace
