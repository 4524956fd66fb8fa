// Broadcast values on a table: blocks from the master and from each other, damaged and lost ones, values that nobody has.
#include <xxhash.h>

#include "executor_plans.h"
#include "worker/executor/control.h"

namespace sluice::executor::testing {
namespace {

constexpr std::uint64_t kValue = 77, kBlockBytes = 100;

// What the tasks make: the hash of the value that they read.
auto hashOfValue = [](std::string_view) {
  std::string_view value = currentTask()->broadcast(kValue);
  return std::int64_t(XXH3_64bits(value.data(), value.size()));
};

struct Shared : ::testing::Test {
  Shared() {
    for (int i = 0; i < 950; ++i) bytes += char('a' + i * i % 26);
    for (std::size_t at = 0; at < bytes.size(); at += kBlockBytes) blocks.push_back(bytes.substr(at, kBlockBytes));
  }

  void open(int executors) {
    fleet = std::make_unique<Fleet>(executors);
    std::vector<std::pair<std::string, std::uint64_t>> lines(std::size_t(executors), {"x", 0});
    auto& source = plan.source<std::string_view>(lines, true);
    plan.output(plan.step<std::int64_t>(source, ops::Map<std::string_view, std::int64_t, decltype(hashOfValue)>::of(hashOfValue), "map"), proto::OUTPUT_RESULTS);
    plan.captures().add_broadcasts(kValue);
    fleet->install(plan, 1);
  }
  // The master says how the value is fetched.
  void tell(std::uint64_t executor, std::vector<std::uint64_t> holders) {
    auto [envelope, install] = compose(&proto::Message::mutable_install);
    install->set_template_hash(7);
    *install->mutable_captures() = plan.captures();
    install->mutable_captures()->set_version(1);
    *install->mutable_epoch() = fleet->epoch(1);
    auto& value = *install->add_broadcasts();
    value.set_id(kValue), value.set_size(bytes.size()), value.set_block_bytes(kBlockBytes);
    for (const auto& block : blocks) value.add_checksums(XXH3_64bits(block.data(), block.size()));
    for (std::uint64_t holder : holders) value.add_holders(holder);
    fleet->at(executor).machine->onMessage(kMasterPeer, envelope, fleet->now);
  }
  // What the master was asked since the last time: (executor, request, block).
  struct Asked {
    std::uint64_t executor, request;
    std::uint32_t block;
  };
  std::vector<Asked> asked() {
    std::vector<Asked> found;
    for (const auto& [from, envelope] : std::exchange(fleet->toMaster, {})) {
      if (envelope->message.has_get()) found.push_back({from, envelope->message.get().request(), envelope->message.get().broadcast_block()});
      else rest.emplace_back(from, envelope);
    }
    return found;
  }
  void answer(const Asked& get, std::string block, bool present = true) {
    auto [envelope, got] = compose(&proto::Message::mutable_got);
    got->set_request(get.request), got->set_present(present);
    if (present) envelope->attachments.push_back(Bytes::of(std::move(block)));
    fleet->at(get.executor).machine->onMessage(kMasterPeer, envelope, fleet->now);
  }
  // Serves all that is asked until nothing more happens; counts the blocks.
  void serve() {
    for (bool busy = true; busy;) {
      fleet->settle();
      busy = false;
      for (const Asked& get : asked()) answer(get, blocks.at(get.block)), ++served[get.executor], busy = true;
    }
    for (auto& entry : rest) fleet->toMaster.push_back(std::move(entry));
    rest.clear();
  }
  void drop(proto::Release release, std::uint64_t executor) {
    auto envelope = std::make_shared<Envelope>();
    *envelope->message.mutable_release() = std::move(release);
    fleet->at(executor).machine->onMessage(kMasterPeer, envelope, fleet->now);
  }
  bool timed(std::uint64_t executor) { return fleet->at(executor).timers.contains({kTimer, 0}); }
  void later(std::uint64_t executor) {
    fleet->now = fleet->now + Milliseconds(2'000);
    fleet->fire(fleet->at(executor), kTimer);
  }
  void expectResults(std::size_t tasks) {
    auto results = fleet->results<std::int64_t>();
    EXPECT_EQ(results.size(), tasks);
    for (const auto& [partition, records] : results) EXPECT_EQ(records, (std::vector<std::int64_t>{std::int64_t(XXH3_64bits(bytes.data(), bytes.size()))}));
  }
  std::string failure() {
    auto failed = fleet->ofKind(proto::Message::kFailed);
    return failed.empty() ? "" : failed[0]->message.failed().message();
  }

  static constexpr std::uint32_t kTimer = kBroadcastTimer;
  std::string bytes;
  std::vector<std::string> blocks;
  PlanMaker plan;
  std::unique_ptr<Fleet> fleet;
  std::vector<std::pair<std::uint64_t, EnvelopePtr>> rest;
  std::map<std::uint64_t, int> served;
};

TEST_F(Shared, TasksWaitForAllBlocks) {
  open(1);
  tell(1, {});
  fleet->launchAll(-1);
  fleet->settle();
  EXPECT_TRUE(fleet->at(1).tasks.empty());
  auto first = asked();
  EXPECT_EQ(first.size(), 4u) << "so many at once";
  for (const auto& get : first) answer(get, blocks.at(get.block));
  fleet->settle();
  EXPECT_TRUE(fleet->results<std::int64_t>().empty());
  serve();
  EXPECT_EQ(served[1], 6);
  expectResults(1);
}

TEST_F(Shared, TheMasterGivesEachBlockOnceAndExecutorsTheRest) {
  open(3);
  tell(1, {}), tell(2, {1}), tell(3, {1, 2});
  fleet->launchAll(-1);
  serve();
  expectResults(3);
  EXPECT_EQ(served, (std::map<std::uint64_t, int>{{1, 10}}));
}

TEST_F(Shared, EachBeginsElsewhere) {
  open(3);
  std::set<std::uint32_t> firsts;
  for (std::uint64_t executor : {1, 2, 3}) tell(executor, {});
  fleet->launchAll(-1);
  std::set<std::uint64_t> seen;
  for (const auto& get : asked()) {
    if (seen.insert(get.executor).second) firsts.insert(get.block);
    answer(get, blocks.at(get.block));
  }
  EXPECT_GT(firsts.size(), 1u);
  serve();
  expectResults(3);
}

// A part is given while the rest is still missing.
TEST_F(Shared, HoldersOfAPartServeIt) {
  open(2);
  tell(1, {});
  fleet->launchAll(-1);
  auto get = asked();
  ASSERT_EQ(get.size(), 4u);
  tell(2, {1});
  for (const auto& one : get) answer(one, blocks.at(one.block));  // executor 1 has four blocks, and waits for six
  auto [question, body] = compose(&proto::Message::mutable_get);
  body->set_request(5), body->set_broadcast(kValue), body->set_broadcast_block(get[0].block);
  fleet->at(1).machine->onMessage({Role::kExecutor, 2}, question, fleet->now);
  bool found = false;
  for (const auto& [from, to, envelope] : fleet->wire) {
    if (from != 1 || !envelope->message.has_got() || envelope->message.got().request() != 5) continue;
    found = true;
    ASSERT_TRUE(envelope->message.got().present());
    EXPECT_EQ(envelope->attachments.at(0).view(), blocks.at(get[0].block));
  }
  EXPECT_TRUE(found);
}

TEST_F(Shared, ADamagedBlockIsAskedForElsewhere) {
  open(2);
  tell(1, {});
  fleet->launchAll(-1);
  serve();
  tell(2, {1});
  fleet->launchAll(-2);
  int damaged = 0;
  for (int i = 0; i < 100; ++i) {  // the first block that comes from executor 1 is not what it was
    if (fleet->wire.empty()) break;
    auto [from, to, envelope] = fleet->wire.front();
    fleet->wire.pop_front();
    if (from == 1 && envelope->message.has_got() && damaged == 0) {
      auto bad = std::make_shared<Envelope>(*envelope);
      std::string text(bad->attachments.at(0).view());
      text[3] ^= 1, ++damaged;
      bad->attachments[0] = Bytes::of(std::move(text));
      envelope = std::move(bad);
    }
    fleet->deliver(from, to, envelope);
  }
  EXPECT_EQ(damaged, 1);
  serve();
  EXPECT_EQ(served[2], 1);
  expectResults(2);
  ASSERT_FALSE(fleet->at(2).logs.empty());
  EXPECT_NE(fleet->at(2).logs[0].find("is damaged; it is asked for again"), std::string::npos);
}

TEST_F(Shared, AHolderThatIsLostMidwayIsReplacedByTheMaster) {
  open(2);
  tell(1, {});
  fleet->launchAll(-1);
  serve();
  tell(2, {1});
  fleet->launchAll(-2);
  fleet->dead.insert(1);
  fleet->at(2).machine->onSession({Role::kExecutor, 1}, false, fleet->now);
  fleet->wire.clear();
  serve();
  EXPECT_EQ(served[2], 10);
}

TEST_F(Shared, AHolderThatDoesNotAnswerIsNotWaitedForForLong) {
  open(2);
  tell(1, {}), tell(2, {1});
  fleet->launchAll(-1);
  fleet->wire.clear();  // the questions are lost
  EXPECT_TRUE(timed(2));
  later(2);
  serve();
  EXPECT_EQ(served[2], 4);
  expectResults(2);
}

TEST_F(Shared, WhatTheMasterWasAskedIsAskedAgainInANewSession) {
  open(1);
  tell(1, {});
  fleet->launchAll(-1);
  EXPECT_EQ(asked().size(), 4u);  // lost
  fleet->at(1).machine->onSession(kMasterPeer, false, fleet->now);
  fleet->at(1).machine->onSession(kMasterPeer, true, fleet->now);
  serve();
  EXPECT_EQ(served[1], 10);
  expectResults(1);
}

TEST_F(Shared, AnswersThatComeTwiceOrLateDoNoHarm) {
  open(1);
  tell(1, {}), tell(1, {});
  fleet->launchAll(-1);
  auto get = asked();
  for (int times : {1, 2}) {
    (void)times;
    for (const auto& one : get) answer(one, blocks.at(one.block));
  }
  serve();
  EXPECT_EQ(served[1], 6);
  for (const auto& one : get) answer(one, "late");
  expectResults(1);
}

TEST_F(Shared, WhatNobodyHasIsTriedAgainAndThenTold) {
  open(1);
  tell(1, {});
  fleet->launchAll(-1);
  int rounds = 0;
  for (; timed(1) && rounds < 10; ++rounds) {
    for (bool busy = true; busy;) {
      busy = false;
      for (const auto& get : asked()) answer(get, "", false), busy = true;
    }
    EXPECT_EQ(failure(), "");
    later(1);
  }
  EXPECT_EQ(rounds, 3);
  fleet->settle();
  asked();
  for (auto& entry : rest) fleet->toMaster.push_back(std::move(entry));
  EXPECT_NE(failure().find("the broadcast value 77 is not here any more"), std::string::npos) << failure();
}

TEST_F(Shared, UnpersistDropsItAndItIsFetchedAgainWhenUsed) {
  open(1);
  tell(1, {});
  fleet->launchAll(-1);
  serve();
  EXPECT_EQ(served[1], 10);
  fleet->launchAll(-2);
  serve();
  EXPECT_EQ(served[1], 10) << "it is here";
  proto::Release release;
  release.add_unpersisted_broadcasts(kValue), release.set_request(4);
  drop(release, 1);
  ASSERT_EQ(fleet->ofKind(proto::Message::kDropped).size(), 1u);
  EXPECT_EQ(fleet->ofKind(proto::Message::kDropped)[0]->message.dropped().request(), 4u);
  Bytes value;
  EXPECT_FALSE(fleet->at(1).runtime.broadcast(kValue, value));
  fleet->launchAll(-3);
  serve();
  EXPECT_EQ(served[1], 20);
  expectResults(1);
}

TEST_F(Shared, ATaskThatRunsKeepsWhatWasUnpersisted) {
  open(1);
  tell(1, {});
  fleet->launchAll(-1);
  for (bool busy = true; busy;) {
    busy = false;
    for (const Asked& get : asked()) answer(get, blocks.at(get.block)), busy = true;
  }
  ASSERT_EQ(fleet->at(1).tasks.size(), 1u);
  proto::Release release;
  release.add_unpersisted_broadcasts(kValue);
  drop(release, 1);
  serve();
  expectResults(1);
}

TEST_F(Shared, DestroyedMeansGone) {
  open(1);
  tell(1, {});
  fleet->launchAll(-1);
  serve();
  proto::Release release;
  release.add_destroyed_broadcasts(kValue);
  drop(release, 1);
  fleet->launchAll(-2);
  serve();
  EXPECT_EQ(served[1], 10);
  EXPECT_NE(failure().find("the broadcast value 77 is not here any more"), std::string::npos) << failure();
}

}  // namespace
}  // namespace sluice::executor::testing
