// Jobs that read what an earlier one has shuffled: the stages below are skipped.
#include <atomic>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::Shape;
using testing::sorted;
using Pair = std::pair<std::int64_t, std::int64_t>;

std::atomic<int> mapped{0};  // records that went through map, in this process

RDD<Pair> sums(const Context& context, std::int64_t factor = 1) {
  return context.range(0, 100, 1, 4)
      .map([factor](std::int64_t n) {
        ++mapped;
        return Pair(n % 7, n * factor);
      })
      .reduceByKey(std::plus<>(), 3);
}
const std::vector<Pair> kSums{{0, 735}, {1, 750}, {2, 665}, {3, 679}, {4, 693}, {5, 707}, {6, 721}};

// How many records the call maps.
template <class Call> int mappedBy(Call&& call) {
  mapped = 0;
  call();
  return mapped;
}

class ShuffleReuse : public ::testing::TestWithParam<Shape> {};

TEST_P(ShuffleReuse, ALaterJobReadsWhatIsThere) {
  Cluster cluster(GetParam());
  auto all = sums(cluster.context());
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(all.count(), 7); }), 100);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(all.collect()), kSums); }), 0);
  // What is made from it, too.
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(all.mapValues([](std::int64_t n) { return n * 2; }).lookup(3), (std::vector<std::int64_t>{1358})); }), 0);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(all.join(all).count(), 7); }), 0);
}

TEST_P(ShuffleReuse, DatasetsOfEqualStructureAreNotMixedUp) {
  Cluster cluster(GetParam());
  std::vector<RDD<Pair>> kept;  // so that none of them goes
  for (std::int64_t factor = 1; factor <= 5; ++factor) {
    kept.push_back(sums(cluster.context(), factor));
    std::vector<Pair> expected = kSums;
    for (auto& pair : expected) pair.second *= factor;
    EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(kept.back().collect()), expected); }), 100);
  }
  for (std::int64_t factor = 1; factor <= 5; ++factor) {
    std::vector<Pair> expected = kSums;
    for (auto& pair : expected) pair.second *= factor;
    EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(kept[std::size_t(factor - 1)].collect()), expected); }), 0);
  }
}

TEST_P(ShuffleReuse, OfJoinsSortsAndRepartitions) {
  Cluster cluster(GetParam());
  auto pairs = cluster.context().range(0, 60, 1, 4).map([](std::int64_t n) {
    ++mapped;
    return Pair(n, n % 5);
  });
  auto joined = pairs.join(cluster.context().range(0, 60, 2, 3).map([](std::int64_t n) { return Pair(n, -n); }));
  auto first = sorted(joined.collect());
  EXPECT_EQ(first.size(), 30u);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(joined.collect()), first); }), 0);
  auto byKey = pairs.sortByKey(false, 3);  // samples
  auto order = byKey.collect();
  EXPECT_EQ(order.front().first, 59);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(byKey.collect(), order); }), 0);
  auto spread = pairs.repartition(5);
  auto parts = spread.glom().collect();
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(spread.glom().collect(), parts); }), 0);
  auto one = pairs.repartition(1);
  EXPECT_EQ(one.count(), 60);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(one.count(), 60); }), 0);
}

TEST_P(ShuffleReuse, OfShufflesBelowShuffles) {
  Cluster cluster(GetParam());
  auto all = sums(cluster.context());
  auto above = all.map([](const Pair& pair) { return Pair(pair.first % 2, pair.second); }).reduceByKey(std::plus<>(), 2);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(above.collect()), (std::vector<Pair>{{0, 2814}, {1, 2136}})); }), 100);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(all.count(), 7); }), 0) << "the lower one was read on the way";
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(above.count(), 2); }), 0);
}

TEST_P(ShuffleReuse, AccumulatorsCountOnce) {
  Cluster cluster(GetParam());
  auto seen = cluster.context().longAccumulator("seen");
  auto all = cluster.context()
                 .range(0, 100, 1, 4)
                 .map([seen](std::int64_t n) {
                   seen.add(1);
                   return Pair(n % 7, n);
                 })
                 .reduceByKey(std::plus<>(), 3);
  all.count(), all.count();
  EXPECT_EQ(seen.value(), 100) << "the second job ran none of these tasks";
}

TEST_P(ShuffleReuse, MayBeTurnedOff) {
  Cluster cluster(GetParam(), Seconds(1), Conf().set("sluice.shuffle.reuse", "false"));
  auto all = sums(cluster.context());
  all.count();
  EXPECT_EQ(mappedBy([&] { all.count(); }), 100);
}

TEST_P(ShuffleReuse, AfterAFailureItIsMadeAnew) {
  Cluster cluster(GetParam());
  auto all = sums(cluster.context());
  auto bad = all.map([](const Pair& pair) {
    if (pair.first == 3) throw std::runtime_error("three");
    return pair;
  });
  EXPECT_THROW(bad.count(), Error);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(all.collect()), kSums); }), 100) << "the failed job left nothing";
  EXPECT_THROW(bad.count(), Error);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(all.collect()), kSums); }), 0);
}

TEST_P(ShuffleReuse, ACheckpointTakesItsPlace) {
  Cluster cluster(GetParam(), Seconds(1), Conf().set("sluice.shuffle.reuse", "false"));
  cluster.context().setCheckpointDir(testing::temporaryDirectory());
  auto all = sums(cluster.context());
  all.checkpoint();
  all.count();
  EXPECT_EQ(sorted(all.collect()), kSums);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(all.collect()), kSums); }), 0);
}

TEST_P(ShuffleReuse, InABatchsFunction) {
  Cluster cluster(GetParam());
  auto counted = std::make_shared<std::vector<int>>();
  auto input = cluster.input<std::int64_t>({{1, 2, 3}, {4, 5}});
  input.foreachRDD([counted](const RDD<std::int64_t>& batch) {
    auto byKey = batch
                     .map([](std::int64_t n) {
                       ++mapped;
                       return Pair(n % 2, n);
                     })
                     .reduceByKey(std::plus<>());
    mapped = 0;
    byKey.count();
    counted->push_back(mapped);
    byKey.collect();
    counted->push_back(mapped);
  });
  cluster.runBatches(2);
  EXPECT_EQ(*counted, (std::vector<int>{3, 3, 2, 2}));
}

INSTANTIATE_TEST_SUITE_P(Shapes, ShuffleReuse, ::testing::Values(Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess),
                         [](const auto& info) {
                           std::string name = testing::nameOf(info.param);
                           std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
                           return name;
                         });

TEST(ShuffleReuseLoss, OnlyWhatWasLostIsMadeAgain) {
  Cluster cluster(Shape::kInProcess);
  auto all = sums(cluster.context());
  all.count();
  cluster.kill(1);
  int again = mappedBy([&] { EXPECT_EQ(sorted(all.collect()), kSums); });
  EXPECT_GT(again, 0);
  EXPECT_LT(again, 100);
  EXPECT_EQ(mappedBy([&] { EXPECT_EQ(sorted(all.collect()), kSums); }), 0);
}

// Jobs over the same data from several threads, while executors are lost: whatever is found, all see the same.
TEST(ShuffleReuseLoss, JobsSideBySideSeeTheSame) {
  Cluster cluster(Shape::kInProcess);
  auto all = sums(cluster.context());
  auto above = all.map([](const Pair& pair) { return Pair(pair.first % 2, pair.second); }).reduceByKey(std::plus<>(), 2);
  for (int round = 0; round < 6; ++round) {
    auto a = all.collectAsync();
    auto b = above.collectAsync();
    auto c = all.collectAsync();
    if (round == 2 || round == 4) cluster.kill(round / 2);
    EXPECT_EQ(sorted(a.get()), kSums);
    EXPECT_EQ(sorted(b.get()), (std::vector<Pair>{{0, 2814}, {1, 2136}}));
    EXPECT_EQ(sorted(c.get()), kSums);
  }
}

}  // namespace
}  // namespace sluice
