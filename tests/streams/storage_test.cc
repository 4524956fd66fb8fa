// Storage levels: what is kept is not computed again, in as many copies as were asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "sluice/testing.h"

namespace {

using sluice::Seconds;
using sluice::StorageLevel;
using sluice::testing::Cluster;
using sluice::testing::Shape;

std::atomic<int> computed{0};  // of this process, as the executors of these shapes are

// How many records are computed when the dataset is counted, an executor is lost, and it is counted again.
std::int64_t computedWithALoss(Shape shape, StorageLevel level) {
  Cluster cluster(shape);
  const auto& sc = cluster.context();
  computed = 0;
  std::vector<int> numbers(120);
  auto rdd = sc.parallelize(numbers, 6)
                 .map([](int x) {
                   ++computed;
                   return x;
                 })
                 .persist(level);
  EXPECT_EQ(rdd.count(), 120);
  EXPECT_EQ(rdd.count(), 120);
  EXPECT_EQ(computed, 120);
  cluster.clock().advance(Seconds(1));  // copies arrive
  cluster.kill(1);
  EXPECT_EQ(rdd.count(), 120);
  return computed;
}

TEST(Storage, TwoCopiesSurviveTheLossOfAnExecutor) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    EXPECT_EQ(computedWithALoss(shape, StorageLevel::MEMORY_ONLY_2), 120);
    EXPECT_EQ(computedWithALoss(shape, StorageLevel::DISK_ONLY_2), 120);
    EXPECT_EQ(computedWithALoss(shape, StorageLevel::DISK_ONLY_3), 120);
    EXPECT_GT(computedWithALoss(shape, StorageLevel::MEMORY_ONLY), 120);
  }
}

TEST(Storage, LevelsCannotBeChangedWhileTheyHold) {
  Cluster cluster(Shape::kLocal4);
  auto rdd = cluster.context().parallelize(std::vector<int>{1, 2, 3}).persist(StorageLevel::MEMORY_ONLY);
  EXPECT_EQ(rdd.getStorageLevel(), StorageLevel::MEMORY_ONLY);
  try {
    rdd.persist(StorageLevel::DISK_ONLY);
    FAIL();
  } catch (const sluice::Error& error) {
    EXPECT_NE(std::string(error.what()).find("cannot be changed; unpersist it first"), std::string::npos);
  }
  rdd.unpersist();
  EXPECT_EQ(rdd.persist(StorageLevel::DISK_ONLY).getStorageLevel(), StorageLevel::DISK_ONLY);
  EXPECT_EQ(rdd.count(), 3);
}

// Windows over a stream kept in two copies go on from the copies.
TEST(Storage, StreamsKeepCopiesToo) {
  computed = 0;
  Cluster cluster(Shape::kSimulated);
  auto got = cluster.collect(cluster.input<int>({{1, 2}, {3}, {4}, {}, {5}})
                                 .map([](int x) {
                                   ++computed;
                                   return x;
                                 })
                                 .persist(StorageLevel::MEMORY_ONLY_2)
                                 .window(Seconds(5)));
  cluster.runBatches(4);  // the copies of the third are there, too
  cluster.kill(1);
  cluster.runBatches(1);
  auto last = (*got)[4].records();
  std::sort(last.begin(), last.end());
  EXPECT_EQ(last, (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(computed, 5) << "nothing again";
}

}  // namespace
