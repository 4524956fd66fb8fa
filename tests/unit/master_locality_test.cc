// Places that the application gave to inputs: which executor the master gives a task to.
#include <map>
#include <set>

#include "common/preferred_places.h"
#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

using Places = std::vector<std::string>;

std::uint32_t placed(PlanMaker& p, const std::vector<Places>& places) {
  std::uint32_t id = p.constant(int(places.size()));
  auto& source = *p.plan.mutable_nodes(int(id) - 1)->mutable_source();
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (const auto& place : places[i]) source.mutable_inputs(int(i))->add_places(place);
  }
  return id;
}

proto::Plan stepOver(const std::vector<Places>& places, std::uint64_t hash = 11) {
  PlanMaker p(hash);
  return p.output(p.step(placed(p, places))).plan;
}

// The executor of each task of the stage.
std::map<std::uint32_t, std::uint64_t> placesOf(const Fleet& fleet, std::uint32_t stage = 0) {
  std::map<std::uint32_t, std::uint64_t> at;
  for (const auto& [id, executor] : fleet.executors) {
    for (const auto& launch : executor->launches) {
      for (int i = 0; i < launch.tasks().stage_size(); ++i) {
        if (launch.tasks().stage(i) == stage) at[launch.tasks().partition(i)] = id;
      }
    }
  }
  return at;
}

using At = std::map<std::uint32_t, std::uint64_t>;

TEST(MasterLocality, TasksRunOnTheHostsThatTheirInputsName) {
  Fleet fleet;  // three executors of two slots: host1, host2, host3
  fleet.runJob(1, stepOver({{"host3"}, {"host3"}, {"host1"}, {"host1"}, {"host2"}, {"host2"}}));
  EXPECT_EQ(placesOf(fleet), (At{{0, 3}, {1, 3}, {2, 1}, {3, 1}, {4, 2}, {5, 2}}));
  EXPECT_EQ(fleet.results(1).size(), 6u);
}

TEST(MasterLocality, AnExecutorIsNamedByHostAndId) {
  Fleet fleet;
  fleet.runJob(1, stepOver({{"executor_host2_2"}, {"executor_host2_9"}, {"executor_nowhere_2"}}));
  EXPECT_EQ(placesOf(fleet), (At{{0, 2}, {1, 2}, {2, 3}})) << "an id that is gone stands for its host, as in Spark; the last is unknown";
}

TEST(MasterLocality, AHintNeverMakesAStageNeedMoreRoundsOfItsSlots) {
  Fleet fleet;
  fleet.runJob(1, stepOver({{"host1"}, {"host1"}, {"host1"}, {"host1"}}));
  std::map<std::uint64_t, int> tasks;
  for (auto [partition, executor] : placesOf(fleet)) ++tasks[executor];
  EXPECT_EQ(tasks[1], 2) << "as many as it has slots";
  EXPECT_EQ(tasks[2], 1);
  EXPECT_EQ(tasks[3], 1);
  Fleet twoRounds;
  twoRounds.runJob(1, stepOver({{"host1"}, {"host1"}, {"host1"}, {"host1"}, {}, {}, {}}));
  EXPECT_EQ(placesOf(twoRounds).at(3), 1u) << "seven tasks on six slots need two rounds, and so may four on two";
}

TEST(MasterLocality, WhoHasFewerChoicesComesFirst) {
  Fleet fleet(2, 1);
  fleet.runJob(1, stepOver({{"host1", "host2"}, {"host1"}}));
  EXPECT_EQ(placesOf(fleet), (At{{0, 2}, {1, 1}}));
}

TEST(MasterLocality, PlacesReachThroughUnionsAndNarrowSteps) {
  Fleet fleet;
  PlanMaker p(12);
  auto a = p.step(placed(p, {{"host2"}, {"host3"}}));
  auto b = placed(p, {{"host2"}, {}});
  auto& both = p.node(proto::NODE_UNION);
  p.edge(both, a), p.edge(both, b);
  fleet.runJob(1, p.output(p.step(both.id())).plan);
  auto at = placesOf(fleet);
  EXPECT_EQ(at.at(0), 2u);
  EXPECT_EQ(at.at(1), 3u);
  EXPECT_EQ(at.at(2), 2u);
}

TEST(MasterLocality, ATaskOfSeveralInputsGoesWhereMostOfThemAre) {
  Fleet fleet;
  PlanMaker p(13);
  auto a = placed(p, {{"host1", "host3"}, {"host2"}}), b = placed(p, {{"host3"}, {"host1"}});
  auto& zip = p.node(proto::NODE_PULL);
  p.edge(zip, a), p.edge(zip, b);
  fleet.runJob(1, p.output(zip.id()).plan);
  auto at = placesOf(fleet);
  EXPECT_EQ(at.at(0), 3u);
  EXPECT_NE(at.at(1), 3u);
}

TEST(MasterLocality, ATaskThatFailedThereRunsElsewhere) {
  Fleet fleet;
  fleet.fails = [](std::uint64_t executor, const Stage&, std::int64_t, std::uint32_t, std::uint32_t) -> std::optional<proto::Failed> {
    if (executor != 1) return std::nullopt;
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_SYSTEM), failed.set_message("no disk");
    return failed;
  };
  fleet.runJob(1, stepOver({{"host1"}}));
  EXPECT_EQ(fleet.results(1).size(), 1u);
}

TEST(MasterLocality, ALostHostHoldsNobodyUp) {
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, stepOver({{"host1"}, {"host1"}}));
  fleet.kill(1);
  fleet.paused = false;
  fleet.settle();
  EXPECT_EQ(fleet.results(1).size(), 2u);
}

TEST(MasterLocality, ARepairCountsTheTasksThatAreThere) {
  Fleet fleet;
  fleet.paused = true;
  std::vector<Places> places{{"host1"}, {"host1"}, {"host3", "host1"}, {"host3", "host1"}};
  fleet.runJob(1, stepOver(places));
  ASSERT_EQ(placesOf(fleet), (At{{0, 1}, {1, 1}, {2, 3}, {3, 3}}));
  fleet.kill(3);
  fleet.settle();
  EXPECT_EQ(placesOf(fleet), (At{{0, 1}, {1, 1}, {2, 2}, {3, 2}})) << "host1 has as many tasks as slots already";
}

TEST(MasterLocality, AKeptValueIsReadWhereItIs) {
  Fleet fleet;
  PlanMaker p(14);
  auto data = placed(p, {{"host3"}, {"host3"}});
  p.keep(data);
  fleet.runJob(1, p.output(p.step(data)).plan);
  EXPECT_EQ(placesOf(fleet, 0), (At{{0, 3}, {1, 3}}));
  EXPECT_EQ(placesOf(fleet, 1), (At{{0, 3}, {1, 3}}));
}

TEST(PreferredPlaces, AreParsedAsSparkWritesThem) {
  auto parsed = [](std::string_view text) {
    NamedPlace place = parsePlace(text);
    return std::pair(std::string(place.host), place.executor);
  };
  EXPECT_EQ(parsed("host1"), std::pair(std::string("host1"), std::uint64_t(0)));
  EXPECT_EQ(parsed("executor_a_b_12"), std::pair(std::string("a_b"), std::uint64_t(12)));
  EXPECT_EQ(parsed("executor_12"), std::pair(std::string("executor_12"), std::uint64_t(0)));
  EXPECT_EQ(parsed("executor_a_x"), std::pair(std::string("executor_a_x"), std::uint64_t(0)));
  EXPECT_EQ(parsed("executor_a_"), std::pair(std::string("executor_a_"), std::uint64_t(0)));
}

}  // namespace
}  // namespace sluice::master
