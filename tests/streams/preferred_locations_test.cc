// Places given to makeRDD, and what RDD::preferredLocations says of them.
#include <sluice/executor_resource.h>

#include <map>
#include <optional>
#include <set>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::everywhere;
using testing::Shape;
using testing::sorted;
using Places = std::vector<std::string>;

const std::vector<std::pair<int, Places>> kPlaced = {{10, {"host3"}}, {11, {"host3", "executor_host1_1"}}, {12, {}}};

TEST(PreferredLocations, EachRecordIsAPartitionWithItsPlaces) {
  everywhere([](const Context& sc) {
    auto rdd = sc.makeRDD(kPlaced);
    EXPECT_EQ(rdd.getNumPartitions(), 3);
    EXPECT_EQ(rdd.collect(), (std::vector<int>{10, 11, 12}));
    EXPECT_EQ(rdd.preferredLocations(rdd.partitions()[0]), Places{"host3"});
    EXPECT_EQ(rdd.preferredLocations({1}), (Places{"host3", "executor_host1_1"}));
    EXPECT_EQ(rdd.preferredLocations({2}), Places{});
  });
}

TEST(PreferredLocations, ReachThroughWhatNeedsNoExchange) {
  everywhere([](const Context& sc) {
    auto rdd = sc.makeRDD(kPlaced);
    auto mapped = rdd.map([](int x) { return x + 1; }).filter([](int x) { return x > 0; });
    EXPECT_EQ(mapped.preferredLocations({0}), Places{"host3"});
    auto both = sc.parallelize({1, 2}, 2).union_(mapped);
    EXPECT_EQ(both.preferredLocations({1}), Places{});
    EXPECT_EQ(both.preferredLocations({2}), Places{"host3"});
    EXPECT_EQ(rdd.coalesce(1).preferredLocations({0}), Places{"host3"}) << "what most of its inputs name";
    EXPECT_EQ(rdd.zip(mapped).preferredLocations({1}), (Places{"host3", "executor_host1_1"}));
    EXPECT_EQ(rdd.repartition(3).preferredLocations({0}), Places{}) << "an exchange brings its rows from everywhere";
    auto kept = rdd.map([](int x) { return x; }).cache();
    EXPECT_EQ(kept.preferredLocations({0}), Places{"host3"});
    EXPECT_EQ(kept.map([](int x) { return x; }).preferredLocations({0}), Places{"host3"});
    EXPECT_EQ(sc.range(0, 4, 1, 2).preferredLocations({0}), Places{});
  });
}

TEST(PreferredLocations, AskedOfNoPartitionAreAnError) {
  Cluster cluster(Shape::kLocal1);
  auto rdd = cluster.context().makeRDD(kPlaced);
  EXPECT_SAYS("preferredLocations: there is no partition 3; the RDD has 3", rdd.preferredLocations({3}));
  EXPECT_SAYS("preferredLocations: there is no partition -1; the RDD has 3", rdd.preferredLocations({-1}));
}

TEST(PreferredLocations, OfAStateAreNone) {
  Cluster cluster(Shape::kLocal1);
  cluster.streaming().checkpoint(testing::temporaryDirectory());
  auto pairs = cluster.context().parallelize(std::vector<std::pair<int, int>>{{1, 10}}, 1);
  auto state = cluster.streaming().constantStream(pairs).updateStateByKey([](const std::vector<int>& added, const std::optional<int>& sum) {
    return std::optional(sum.value_or(0) + int(added.size()));
  });
  Places said = {"nobody asked"};
  state.foreachRDD([&](const auto& rdd) { said = rdd.preferredLocations({0}); });
  cluster.runBatches(2);
  EXPECT_EQ(said, Places{}) << "it is made of all batches before";
}

TEST(PreferredLocations, WithACountThePairsAreTheRecords) {
  Cluster cluster(Shape::kLocal1);
  auto pairs = cluster.context().makeRDD(kPlaced, 2);
  EXPECT_EQ(pairs.getNumPartitions(), 2);
  EXPECT_EQ(pairs.collect(), kPlaced);
}

// Something that each executor makes for itself.
struct Here {};

TEST(PreferredLocations, TasksRunThere) {
  Cluster cluster(Shape::kInProcess);
  std::vector<std::pair<int, Places>> placed;
  for (int host : {3, 1, 2}) placed.push_back({host, {"host" + std::to_string(host)}});  // not where they would be otherwise
  auto where = [](int host) {
    auto here = executorResource("here", [] { return Here(); });
    return std::pair(host, reinterpret_cast<std::uintptr_t>(&*here));
  };
  std::map<int, std::uintptr_t> first;
  for (auto [host, at] : cluster.context().makeRDD(placed).map(where).collect()) first[host] = at;
  EXPECT_EQ((std::set<std::uintptr_t>{first[1], first[2], first[3]}).size(), 3u) << "each on an executor of its own";
  std::vector<std::pair<int, Places>> again;
  for (int host : {2, 3, 1}) again.push_back({host, {"executor_host" + std::to_string(host) + "_" + std::to_string(host)}});
  for (auto [host, at] : cluster.context().makeRDD(again).map(where).collect()) EXPECT_EQ(at, first[host]) << "host" << host;
}

}  // namespace
}  // namespace sluice
