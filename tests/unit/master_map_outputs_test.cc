// Map outputs that jobs leave behind, and later jobs that find them.
#include <gtest/gtest.h>

#include <map>

#include "master/map_outputs.h"
#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

constexpr std::size_t kMaps = 6, kReduces = 6;  // of `counts` in a fleet of three with two slots each

proto::Plan counts(std::uint64_t hash = 11) {
  PlanMaker p(hash);
  return p.output(p.step(p.reduce(p.step(p.constant(6))))).plan;
}
// Three map stages, one below the other.
proto::Plan chain() {
  PlanMaker p(12);
  return p.output(p.step(p.reduce(p.reduce(p.reduce(p.step(p.constant(6))))))).plan;
}

class MapOutputs : public ::testing::Test {
 protected:
  // How many tasks a job ran.
  std::size_t run(std::uint64_t number, const proto::Plan& plan, bool withPlan = true) {
    std::size_t before = ran();
    fleet.runJob(number, plan, withPlan);
    return ran() - before;
  }
  std::size_t ran() {
    for (auto& [id, executor] : fleet.executors) total[id] = executor->ran;
    std::size_t all = 0;
    for (auto& [id, tasks] : total) all += tasks;  // of those that are gone, too
    return all;
  }
  std::size_t left() {
    std::size_t all = 0;
    for (auto& [id, executor] : fleet.executors) all += executor->left.size();
    return all;
  }
  void failResults(proto::Domain domain) {
    fleet.fails = [domain](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t, std::uint32_t) -> std::optional<proto::Failed> {
      if (stage.sink != Stage::Sink::kOutput) return {};
      proto::Failed failed;
      failed.set_domain(domain), failed.set_message("boom");
      return failed;
    };
  }
  Fleet fleet;
  std::map<std::uint64_t, std::size_t> total;
};

TEST_F(MapOutputs, ALaterJobSkipsTheStagesBelow) {
  fleet.named = 100;
  EXPECT_EQ(run(1, counts()), kMaps + kReduces);
  EXPECT_EQ(left(), kMaps);
  EXPECT_EQ(run(2, counts(), false), kReduces);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
  EXPECT_EQ(run(3, counts(), false), kReduces);
  EXPECT_EQ(fleet.results(3), fleet.results(1));
}

TEST_F(MapOutputs, OnlyTheLastOfManyIsReadAgain) {
  fleet.named = 100;
  run(1, chain());
  EXPECT_EQ(run(2, chain(), false), kReduces);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
}

TEST_F(MapOutputs, AreFoundByAPlanOfAnotherStructure) {
  fleet.named = 100;
  run(1, counts());
  EXPECT_EQ(run(2, counts(13)), kReduces);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
}

TEST_F(MapOutputs, OfOtherNodesAreOthersThoughThePlanIsEqual) {
  fleet.named = 100;
  run(1, counts());
  fleet.named = 200;
  EXPECT_EQ(run(2, counts(), false), kMaps + kReduces);
}

TEST_F(MapOutputs, AreNotLookedForByJobsThatNameNone) {
  run(1, counts());
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(run(2, counts(), false), kMaps + kReduces);
}

TEST_F(MapOutputs, OnlyThoseOfALostExecutorAreMadeAgain) {
  fleet.named = 100;
  run(1, counts());
  fleet.kill(2);
  EXPECT_EQ(run(2, counts(), false), 2 + kReduces);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
  EXPECT_EQ(run(3, counts(), false), kReduces) << "and are found by the next";
}

TEST_F(MapOutputs, WhatIsMissingIsMadeFromWhatIsThere) {
  fleet.named = 100;
  run(1, chain());
  fleet.kill(2);
  EXPECT_EQ(run(2, chain(), false), 3 * 2 + kReduces) << "two of each map stage";
  EXPECT_EQ(fleet.results(2), fleet.results(1));
}

TEST_F(MapOutputs, WhatIsNotThereAnyMoreIsMadeInOneGo) {
  fleet.named = 100;
  run(1, counts());
  fleet.executors[3]->left.clear();
  std::size_t launches = fleet.executors[3]->launches.size();
  EXPECT_EQ(run(2, counts(), false), 2 + kReduces);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
  EXPECT_LE(fleet.executors[3]->launches.size() - launches, 3u) << "not one for each of them";
}

TEST_F(MapOutputs, AnExecutorThatJoinedReadsThemToo) {
  fleet.named = 100;
  run(1, counts());
  fleet.join(4);
  fleet.settle();
  EXPECT_EQ(run(2, counts(), false), kReduces);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
}

// A kept input pulls readers off the places where the new epoch would have them: senders have to hear of it.
TEST_F(MapOutputs, AReaderElsewhereIsTold) {
  PlanMaker p(14);
  auto kept = p.step(p.constant(6));
  p.keep(kept);
  auto words = p.step(p.constant(6));
  auto& joined = p.node(proto::NODE_PULL);
  p.edge(joined, kept), p.edge(joined, words, proto::EXCHANGE_HASH);
  joined.set_partitions(6);
  const proto::Plan plan = p.output(joined.id()).plan;
  fleet.named = 100;
  run(1, plan);
  fleet.join(4);
  fleet.settle();
  EXPECT_EQ(run(2, plan, false), 6u);
  EXPECT_EQ(fleet.results(2), fleet.results(1)) << fleet.stuck();
}

TEST_F(MapOutputs, OfAJobThatRunsAreNotTakenByOneThatIsCancelled) {
  fleet.named = 100;
  fleet.paused = true;
  fleet.runJob(1, counts());
  fleet.runJob(2, counts(), false);
  fleet.tell({Role::kDriver, 1}, Fleet::messageOf(&proto::Message::mutable_cancel_job, [](proto::CancelJob& cancel) {
               cancel.set_app(1), cancel.set_number(2), cancel.set_by("me");
             }));
  fleet.paused = false;
  fleet.settle();
  fleet.advance(100);
  EXPECT_EQ(fleet.results(1).size(), kReduces);
  EXPECT_EQ(left(), kMaps);
  EXPECT_EQ(run(3, counts(), false), kReduces);
}

TEST_F(MapOutputs, GoWithTheJobAfterTheirNode) {
  fleet.named = 100;
  run(1, counts());
  std::size_t releases = fleet.executors[1]->releases.size();
  fleet.named.reset();
  const proto::Plan plan = counts();
  for (const auto& node : plan.nodes()) fleet.gone.push_back(node.id() + 100);
  run(2, counts(), false);
  fleet.advance(100);
  EXPECT_EQ(left(), 0u);
  EXPECT_LE(fleet.executors[1]->releases.size() - releases, 2u);
  fleet.named = 100;
  EXPECT_EQ(run(3, counts(), false), kMaps + kReduces);
}

TEST_F(MapOutputs, AFailedJobLeavesNone) {
  fleet.named = 100;
  failResults(proto::DOMAIN_USER);
  fleet.runJob(1, counts());
  ASSERT_EQ(fleet.received(proto::Message::kJobFailed).size(), 1u);
  fleet.advance(100);
  EXPECT_EQ(left(), 0u);
  fleet.fails = nullptr;
  EXPECT_EQ(run(2, counts(), false), kMaps + kReduces);
  EXPECT_EQ(left(), kMaps);
}

TEST_F(MapOutputs, AFailureOfUserCodeLeavesThoseOfEarlierJobs) {
  fleet.named = 100;
  run(1, counts());
  failResults(proto::DOMAIN_USER);
  fleet.runJob(2, counts(), false);
  fleet.fails = nullptr;
  fleet.advance(100);
  EXPECT_EQ(run(3, counts(), false), kReduces);
}

TEST_F(MapOutputs, AFailureOfTheSystemMakesThemSuspect) {
  fleet.named = 100;
  run(1, counts());
  failResults(proto::DOMAIN_SYSTEM);
  fleet.runJob(2, counts(), false);
  fleet.fails = nullptr;
  EXPECT_EQ(run(3, counts(), false), kMaps + kReduces);
  EXPECT_EQ(fleet.results(3), fleet.results(1));
}

TEST_F(MapOutputs, AnExecutorThatComesAgainIsToldWhichStay) {
  fleet.named = 100;
  run(1, counts());
  fleet.executors[1]->left[{777, 0, 0}] = 1;  // it missed that these go
  fleet.breakSession(1, 0);
  fleet.settle();
  EXPECT_FALSE(fleet.executors[1]->left.contains({777, 0, 0}));
  EXPECT_EQ(run(2, counts(), false), kReduces);
}

TEST_F(MapOutputs, ANodeThatIsNotOfThePlanIsRefused) {
  fleet.tell({Role::kDriver, 1}, Fleet::messageOf(&proto::Message::mutable_run_job, [&](proto::RunJob& run) {
               run.set_app(1), run.set_number(1), run.set_template_hash(11);
               withPlan(run, counts());
               run.add_exchange_nodes(99), run.add_exchange_ids(99);
             }));
  fleet.settle();
  ASSERT_EQ(fleet.received(proto::Message::kJobFailed).size(), 1u);
  EXPECT_NE(fleet.received(proto::Message::kJobFailed)[0].job_failed().message().find("not of the plan"), std::string::npos);
}

TEST_F(MapOutputs, ANumberThatNoJobHasIsRefused) {
  fleet.named = ~0u;
  for (std::uint64_t number : {std::uint64_t(0), ~std::uint64_t(0) << 32 | 1}) {
    fleet.runJob(number, counts());
    EXPECT_FALSE(fleet.received(proto::Message::kJobFailed).empty());
    fleet.toDriver.clear();
  }
}

TEST(MapOutputHints, AreOfOneNodeEdgeAndNumberOfPartitions) {
  master::MapOutputs hints;
  const MapOutputId id{~0ull, 1, 6};
  master::Run run;
  run.reset(2);
  run.parts[0].at = 3, run.parts[1].at = 4;
  run.reducers = std::make_shared<std::vector<std::uint32_t>>(5);
  hints.note(id, run);
  EXPECT_FALSE(hints.any(id, run)) << "nobody named it";
  hints.know(~0ull);
  hints.note(id, run);
  EXPECT_EQ(hints.at(id, 1, run), 4u);
  EXPECT_EQ(hints.at({~0ull, 0, 6}, 1, run), kNowhere);
  EXPECT_EQ(hints.at({~0ull, 1, 4}, 1, run), kNowhere);
  EXPECT_EQ(hints.at({7, 1, 6}, 1, run), kNowhere);
  master::Run other;
  other.reset(3);
  other.reducers = run.reducers;
  EXPECT_EQ(hints.at(id, 1, other), kNowhere);
  hints.lose(id, 4);
  EXPECT_EQ(hints.at(id, 1, run), kNowhere);
  EXPECT_EQ(hints.at(id, 0, run), 3u);
  EXPECT_TRUE(hints.forget(~0ull));
  EXPECT_FALSE(hints.any(id, run));
  EXPECT_FALSE(hints.forget(~0ull));
}

// Jobs after jobs; executors are lost, join, miss messages and forget what they have.
TEST_F(MapOutputs, AnythingMayBeLostAtAnyMoment) {
  for (const auto& plan : {counts(), chain()}) {
    Fleet calm(4);
    calm.runJob(1, plan);
    auto expected = calm.results(1);
    for (std::uint64_t seed = 1; seed <= seeds(400); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " template " + std::to_string(plan.template_hash()));
      Fleet fleet(4);
      fleet.settle();
      fleet.randomly(seed);
      fleet.named = 100;
      std::uint64_t next = 5;
      for (std::uint64_t job = 1; job <= 5; ++job) {
        fleet.askForJob(job, plan);
        fleet.settleRandomly(int(fleet.random() % 120));
        auto any = fleet.executors.begin();
        std::advance(any, fleet.random() % fleet.executors.size());
        switch (fleet.random() % 5) {
          case 0: any->second->left.clear(); break;
          case 1: fleet.breakSession(any->first, int(fleet.random() % 4)); break;
          case 2:
            fleet.kill(any->first);
            fleet.settleRandomly(10);
            fleet.join(next++);
            break;
          case 3:
            for (const auto& node : plan.nodes()) fleet.gone.push_back(node.id() + *fleet.named);
            fleet.named = *fleet.named + 100;
            break;
          default: fleet.settle();
        }
      }
      fleet.settle();
      for (std::uint64_t job = 1; job <= 5; ++job) ASSERT_EQ(fleet.results(job), expected) << "job " << job << "\n" << fleet.stuck();
    }
  }
}

}  // namespace
}  // namespace sluice::master
