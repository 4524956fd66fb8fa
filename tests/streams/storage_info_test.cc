// What a context tells of kept datasets.
#include <gtest/gtest.h>

#include <sluice/testing.h>

#include <numeric>
#include <vector>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::Shape;
using testing::everywhere;

TEST(StorageInfo, TellsWhatIsKeptAndWhere) {
  everywhere([](const Context& context) {
    std::vector<std::int64_t> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    auto memory = context.parallelize(numbers, 4).map([](std::int64_t n) { return n * 1000; }).setName("thousands").persist(StorageLevel::MEMORY_ONLY);
    auto disk = context.parallelize(numbers, 3).map([](std::int64_t n) { return n + 1; }).persist(StorageLevel::DISK_ONLY);
    EXPECT_TRUE(context.getRDDStorageInfo().empty()) << "nothing has been computed";
    EXPECT_EQ(memory.count(), 1000);
    auto infos = context.getRDDStorageInfo();
    ASSERT_EQ(infos.size(), 1u);
    EXPECT_EQ(infos[0].id, memory.id());
    EXPECT_NE(infos[0].name.find("thousands"), std::string::npos) << infos[0].name;
    EXPECT_EQ(infos[0].storageLevel, StorageLevel::MEMORY_ONLY);
    EXPECT_EQ(infos[0].numPartitions, 4);
    EXPECT_EQ(infos[0].numCachedPartitions, 4);
    EXPECT_TRUE(infos[0].isCached());
    EXPECT_GT(infos[0].memSize, 1000);
    EXPECT_EQ(infos[0].diskSize, 0);
    EXPECT_EQ(disk.take(1).size(), 1u);  // reads one partition alone
    infos = context.getRDDStorageInfo();
    ASSERT_EQ(infos.size(), 2u);
    EXPECT_EQ(infos[1].numPartitions, 3);
    EXPECT_EQ(infos[1].numCachedPartitions, 1);
    EXPECT_EQ(infos[1].memSize, 0);
    EXPECT_GT(infos[1].diskSize, 0);
    memory.unpersist(), disk.unpersist();
    EXPECT_TRUE(context.getRDDStorageInfo().empty());
  });
}

TEST(StorageInfo, CountsCopiesAndLosses) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    const Context& context = cluster.context();
    auto one = context.range(0, 600, 1, 6).persist(StorageLevel::MEMORY_ONLY), two = context.range(0, 600, 1, 6).persist(StorageLevel::MEMORY_ONLY_2);
    EXPECT_EQ(one.count() + two.count(), 1200);
    cluster.clock().advance(Seconds(1));  // copies arrive
    auto infos = context.getRDDStorageInfo();
    ASSERT_EQ(infos.size(), 2u);
    EXPECT_EQ(infos[1].memSize, 2 * infos[0].memSize);
    EXPECT_EQ(infos[1].numCachedPartitions, 6);
    cluster.kill(0);
    cluster.clock().advance(Seconds(2));
    infos = context.getRDDStorageInfo();
    ASSERT_EQ(infos.size(), 2u);
    EXPECT_LT(infos[0].numCachedPartitions, 6);
    EXPECT_EQ(infos[0].numPartitions, 6);
    EXPECT_EQ(infos[1].numCachedPartitions, 6) << "their copies are elsewhere";
  }
}

TEST(StorageInfo, ComesThroughBrokenSessions) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    testing::Faults faults;
    faults.seed = seed, faults.meanBreakUs = 5'000;
    Cluster cluster(faults, Seconds(1));
    auto kept = cluster.context().range(0, 600, 1, 6).cache();
    EXPECT_EQ(kept.count(), 600);
    for (int i = 0; i < 5; ++i) {
      auto infos = cluster.context().getRDDStorageInfo();
      ASSERT_EQ(infos.size(), 1u);
      EXPECT_EQ(infos[0].numCachedPartitions, 6);
    }
  }
}

TEST(StorageInfo, OfAStoppedContextIsRefused) {
  Context context(Conf().setMaster("local[2]").setAppName("test"));
  Context same(context.core());
  context.stop();
  EXPECT_SAYS("is stopped", same.getRDDStorageInfo());
}

}  // namespace
}  // namespace sluice
