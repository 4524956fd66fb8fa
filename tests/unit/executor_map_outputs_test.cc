// Map outputs that stay when their job is over: later jobs push them without making them.
#include "executor_plans.h"

namespace sluice::executor::testing {
namespace {

const std::vector<std::string> kTexts{"a b a\n", "b c\n", "a\n"};
const std::map<std::string, std::int64_t> kExpected{{"a", 3}, {"b", 2}, {"c", 1}};
constexpr std::uint32_t kReader = 5;  // node
constexpr std::uint64_t kName = 105;

// Three map tasks on executor 1, one reducer: where its job wants it.
class LeftMapOutputs : public ::testing::Test {
 protected:
  explicit LeftMapOutputs(std::uint64_t memoryBytes = 64 << 20) : fleet(2, memoryBytes) {
    plan.output(wordCount(plan, kTexts, true, 1), proto::OUTPUT_RESULTS);
    fleet.install(plan, 2);
  }
  std::pair<std::shared_ptr<Envelope>, proto::Launch*> launch(std::int64_t job, std::uint32_t k, std::uint64_t reducerAt, bool named) {
    auto [envelope, launch] = fleet.launch(job, k);
    auto& moved = *launch->add_moved();
    moved.set_node(kReader), moved.set_when_ms(job), moved.set_partition(0), moved.set_executor(reducerAt);
    if (named) launch->add_exchange_nodes(kReader), launch->add_exchange_ids(kName);
    return {envelope, launch};
  }
  void runMaps(std::int64_t job, bool named = true) {
    auto [envelope, launch] = this->launch(job, 0, 2, named);
    for (std::uint32_t p = 0; p < 3; ++p) Fleet::addTask(*launch, 0, job, p);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    while (fleet.runTask(fleet.at(1))) {
    }
  }
  void findMaps(std::int64_t job, std::uint64_t reducerAt = 2, std::uint32_t k = 0, std::uint32_t attempt = 1) {
    auto [envelope, launch] = this->launch(job, k, reducerAt, true);
    for (std::uint32_t p = 0; p < 3; ++p) {
      auto& found = *launch->mutable_found();
      found.add_stage(0), found.add_when_ms(job), found.add_partition(p), found.add_attempt(attempt);
    }
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    EXPECT_TRUE(fleet.at(1).tasks.empty()) << "nothing has to run";
  }
  void reduce(std::int64_t job, std::uint64_t at = 2, std::uint32_t k = 0) {
    auto [envelope, launch] = this->launch(job, k, at, true);
    Fleet::addTask(*launch, 1, job, 0);
    fleet.at(at).machine->onMessage(kMasterPeer, envelope, fleet.now);
  }
  void release(const std::vector<std::int64_t>& jobs, const std::vector<std::uint64_t>& exchanges = {}, bool allBut = false) {
    for (auto& member : fleet.members) {
      auto [envelope, release] = compose(&proto::Message::mutable_release);
      for (std::int64_t job : jobs) release->add_instances(job);
      for (std::uint64_t name : exchanges) release->add_exchanges(name);
      release->set_all_but(allBut);
      member->machine->onMessage(kMasterPeer, envelope, fleet.now);
    }
  }
  std::map<std::string, std::int64_t> taken() {
    auto found = counts(fleet);
    fleet.toMaster.clear();
    return found;
  }
  std::int64_t used() { return fleet.at(1).runtime.store().usedBytes() + fleet.at(2).runtime.store().usedBytes(); }
  // Job 1, from beginning to end.
  void first(bool named = true) {
    runMaps(-1, named);
    reduce(-1);
    fleet.settle();
    EXPECT_EQ(taken(), kExpected);
    release({-1});
  }
  Fleet fleet;
  PlanMaker plan;
};

TEST_F(LeftMapOutputs, ArePushedForTheNextJob) {
  first();
  EXPECT_GT(fleet.at(1).runtime.store().usedBytes(), 0);
  EXPECT_EQ(fleet.at(2).runtime.store().usedBytes(), 0) << "what was pushed goes with its job";
  findMaps(-2);
  EXPECT_EQ(fleet.wire.size(), 3u);
  reduce(-2);
  fleet.settle();
  EXPECT_EQ(taken(), kExpected);
  // And in a third job, to a reducer elsewhere.
  release({-2});
  findMaps(-3, 1);
  EXPECT_TRUE(fleet.wire.empty()) << "it is here";
  reduce(-3, 1, 1);
  fleet.settle();
  EXPECT_EQ(taken(), kExpected);
}

TEST_F(LeftMapOutputs, OfAnUnnamedExchangeGoWithTheirJob) {
  first(false);
  EXPECT_EQ(used(), 0);
  findMaps(-2);
  EXPECT_EQ(fleet.ofKind(proto::Message::kFailed).size(), 3u);
}

TEST_F(LeftMapOutputs, ThatAreNotHereAreLost) {
  findMaps(-2);
  auto failed = fleet.ofKind(proto::Message::kFailed);
  ASSERT_EQ(failed.size(), 3u);
  for (const auto& envelope : failed) {
    EXPECT_EQ(envelope->message.failed().domain(), proto::DOMAIN_LOST);
    EXPECT_EQ(envelope->message.failed().missing_size(), 0);
  }
  EXPECT_TRUE(fleet.wire.empty());
}

TEST_F(LeftMapOutputs, GoWithTheirName) {
  first();
  release({}, {kName + 1});
  EXPECT_GT(used(), 0);
  release({}, {kName});
  EXPECT_EQ(used(), 0);
}

TEST_F(LeftMapOutputs, AllButSomeGo) {
  first();
  release({}, {kName}, true);
  EXPECT_GT(used(), 0);
  release({}, {}, true);
  EXPECT_EQ(used(), 0);
}

TEST_F(LeftMapOutputs, AJobUnderWayReadsOnWhenTheyGo) {
  first();
  findMaps(-2);
  release({}, {kName});
  auto again = std::exchange(fleet.wire, {});  // lost with the session, and sent anew
  fleet.at(1).machine->onSession({Role::kExecutor, 2}, false, fleet.now);
  fleet.at(1).machine->onSession({Role::kExecutor, 2}, true, fleet.now);
  EXPECT_EQ(fleet.wire.size(), again.size());
  reduce(-2);
  fleet.settle();
  EXPECT_EQ(taken(), kExpected);
  release({-2});
  EXPECT_EQ(used(), 0);
}

TEST_F(LeftMapOutputs, ARepeatedLaunchChangesNothing) {
  first();
  findMaps(-2);
  std::size_t pushes = fleet.wire.size();
  findMaps(-2);
  EXPECT_EQ(fleet.wire.size(), pushes);
  findMaps(-2, 2, 1, 2);  // asked for again
  reduce(-2);
  fleet.settle();
  EXPECT_EQ(taken(), kExpected);
}

TEST_F(LeftMapOutputs, TheMasterHearsOfThemInAReport) {
  auto reports = [&] {
    fleet.toMaster.clear();
    fleet.at(1).machine->onSession(kMasterPeer, false, fleet.now);
    fleet.at(1).machine->onSession(kMasterPeer, true, fleet.now);
    auto reports = fleet.ofKind(proto::Message::kReport);
    return reports.size() == 1 && reports[0]->message.report().map_outputs();
  };
  EXPECT_FALSE(reports());
  first();
  EXPECT_TRUE(reports());
  release({}, {kName});
  EXPECT_FALSE(reports());
}

TEST_F(LeftMapOutputs, WhatCannotRunHereAtAllIsRefused) {
  auto [envelope, launch] = this->launch(-2, 0, 2, true);
  launch->set_template_hash(8);
  launch->mutable_found()->add_stage(0), launch->mutable_found()->add_when_ms(-2), launch->mutable_found()->add_partition(0);
  launch->mutable_found()->add_attempt(1);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  ASSERT_EQ(fleet.ofKind(proto::Message::kFailed).size(), 1u);
  EXPECT_EQ(fleet.ofKind(proto::Message::kFailed)[0]->message.failed().domain(), proto::DOMAIN_SYSTEM);
}

// They are the first to leave memory, and are read from the disk.
TEST_F(LeftMapOutputs, AreReadFromTheDisk) {
  first();
  Store& store = fleet.at(1).runtime.store();
  auto other = store.put(ObjectKind::kBlock, Bytes::of(std::string(std::size_t(store.budgetBytes()), 'b')), 1);
  store.makeRoom();
  EXPECT_EQ(store.usedBytes(), store.budgetBytes()) << "the block stays";
  findMaps(-2);
  reduce(-2);
  fleet.settle();
  EXPECT_EQ(taken(), kExpected);
}

}  // namespace
}  // namespace sluice::executor::testing
