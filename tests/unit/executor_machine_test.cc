// The machine alone: pushes in any order and more than once, repeated launches, reports, what it lets go of.
#include "executor_plans.h"
#include "worker/executor/shuffle.h"

namespace sluice::executor::testing {
namespace {

const std::vector<std::string> kTexts{"a b a\n", "b c\n", "a\n"};
const std::map<std::string, std::int64_t> kExpected{{"a", 3}, {"b", 2}, {"c", 1}};

// Three map tasks on executor 1, one reducer on executor 2.
class TwoExecutors : public ::testing::Test {
 protected:
  TwoExecutors() : fleet(2) {
    plan.output(wordCount(plan, kTexts, true, 1), proto::OUTPUT_RESULTS);
    fleet.install(plan, 2);
  }
  // placeOf puts the one reducer on executor 1: it is moved to 2.
  void route(proto::Launch& launch, std::uint64_t executor) {
    auto& moved = *launch.add_moved();
    moved.set_node(5), moved.set_when_ms(-1), moved.set_partition(0), moved.set_executor(executor);
  }
  void launchMaps() {
    auto [envelope, launch] = fleet.launch(-1);
    route(*launch, 2);
    for (std::uint32_t p = 0; p < 3; ++p) Fleet::addTask(*launch, 0, -1, p);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  }
  void launchReduce() {
    auto [envelope, launch] = fleet.launch(-1);
    route(*launch, 2);
    Fleet::addTask(*launch, 1, -1, 0);
    fleet.at(2).machine->onMessage(kMasterPeer, envelope, fleet.now);
  }
  void runMaps() {
    while (fleet.runTask(fleet.at(1))) {
    }
  }
  Fleet fleet;
  PlanMaker plan;
};

TEST_F(TwoExecutors, PushesInAnyOrderTwiceAndBeforeTheLaunch) {
  launchMaps();
  runMaps();
  ASSERT_EQ(fleet.wire.size(), 3u);
  auto pushes = std::exchange(fleet.wire, {});
  for (int i : {2, 0, 2}) fleet.deliver(1, 2, std::get<2>(pushes[std::size_t(i)]));
  launchReduce();
  EXPECT_TRUE(fleet.at(2).tasks.empty()) << "one map partition is missing";
  fleet.deliver(1, 2, std::get<2>(pushes[1]));
  EXPECT_EQ(fleet.at(2).tasks.size(), 1u);
  fleet.deliver(1, 2, std::get<2>(pushes[1]));
  fleet.settle();
  EXPECT_EQ(counts(fleet), kExpected);
  EXPECT_TRUE(fleet.at(2).tasks.empty());
}

// An attempt whose end was lost counts for nothing; another complete one wins, and later ones are dropped.
TEST_F(TwoExecutors, OnlyCompleteAttemptsCount) {
  launchReduce();
  auto push = [&](std::uint32_t map, std::uint32_t attempt, std::uint32_t chunk, bool last, std::vector<Count> rows) {
    auto [envelope, push] = compose(&proto::Message::mutable_push);
    push->set_app(1), push->set_node(5), push->set_edge(0), push->set_when_ms(-1), push->set_scope_ms(-1);
    push->set_map_partition(map), push->set_attempt(attempt), push->set_chunk(chunk), push->set_last(last);
    push->add_reducer(0), push->add_rows(rows.size());
    envelope->attachments.push_back(Bytes::of(rowsOf(rows)));
    push->set_checksum(pushChecksum(envelope->attachments));
    fleet.deliver(1, 2, envelope);
  };
  push(0, 1, 0, false, {{"wrong", 1}});  // the session breaks here
  push(0, 2, 1, true, {{"wrong", 2}});   // an end without its beginning
  push(0, 2, 0, false, {{"x", 1}});
  push(0, 2, 1, true, {{"y", 2}});
  push(0, 1, 1, true, {{"late", 9}});
  push(1, 1, 0, true, {});
  EXPECT_TRUE(fleet.at(2).tasks.empty());
  push(2, 1, 0, true, {{"x", 5}});
  fleet.settle();
  EXPECT_EQ(counts(fleet), (std::map<std::string, std::int64_t>{{"x", 6}, {"y", 2}}));
}

TEST_F(TwoExecutors, WhatWasPushedIsKeptAndPushedAgain) {
  launchMaps();
  runMaps();
  fleet.wire.clear();  // lost with the session
  fleet.at(1).machine->onSession({Role::kExecutor, 2}, false, fleet.now);
  fleet.at(1).machine->onSession({Role::kExecutor, 2}, true, fleet.now);
  EXPECT_EQ(fleet.wire.size(), 3u);
  // The reducer moves to executor 1 itself: nothing has to be sent.
  fleet.wire.clear();
  auto [envelope, launch] = fleet.launch(-1, 1);
  route(*launch, 1);
  Fleet::addTask(*launch, 1, -1, 0, 2);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  EXPECT_TRUE(fleet.wire.empty());
  fleet.settle();
  EXPECT_EQ(counts(fleet), kExpected);
}

// Below a dataset that is persisted exchanges last longer than their job, and the next one may be of other members.
TEST(ExecutorMachine, AMapThatIsMadeAgainIsPushedToTheMembersOfItsLaunch) {
  Fleet fleet(3);
  PlanMaker plan;
  auto& counted = wordCount(plan, kTexts, true, 1);
  counted.mutable_keep()->set_keep(true);
  plan.output(counted, proto::OUTPUT_RESULTS);
  fleet.install(plan, 2);
  auto makeMaps = [&](std::int64_t job, std::uint64_t epoch) {
    auto [envelope, launch] = fleet.launch(job);
    launch->set_epoch(epoch);
    for (std::uint32_t p = 0; p < 3; ++p) Fleet::addTask(*launch, 0, 0, p);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    int made = 0;
    while (fleet.runTask(fleet.at(1))) ++made;
    EXPECT_EQ(made, 3);
  };
  makeMaps(-1, 1);
  EXPECT_TRUE(fleet.wire.empty()) << "the reducer is here";
  auto [moving, moved] = fleet.launch(-1, 1);
  auto& route = *moved->add_moved();
  route.set_node(5), route.set_when_ms(0), route.set_partition(0), route.set_executor(2);
  fleet.at(1).machine->onMessage(kMasterPeer, moving, fleet.now);
  EXPECT_EQ(std::exchange(fleet.wire, {}).size(), 3u);
  auto [envelope, install] = compose(&proto::Message::mutable_install);
  install->set_template_hash(7);
  *install->mutable_captures() = plan.captures();
  install->mutable_captures()->set_version(1);
  *install->mutable_epoch() = fleet.epoch(2);
  install->mutable_epoch()->set_epoch(2);
  install->mutable_epoch()->mutable_members()->DeleteSubrange(0, 2);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  makeMaps(-2, 2);
  ASSERT_EQ(fleet.wire.size(), 3u);
  for (const auto& [from, to, push] : fleet.wire) EXPECT_EQ(to, 3u);
}

// A push that waits for room is for some reducers; more of them come to the same executor meanwhile.
TEST(ExecutorMachine, ReducersThatComeLaterDoNotTakeThePlaceOfOthers) {
  constexpr std::uint32_t kReducers = 4;
  Fleet fleet(2);
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += std::to_string(i) + "-a-long-word-of-its-own\n";
  PlanMaker plan;
  plan.output(wordCount(plan, {text}, true, kReducers), proto::OUTPUT_RESULTS);
  fleet.install(plan, kReducers);
  auto epoch = fleet.epoch(kReducers);
  auto moveAllTo2 = [&](proto::Launch& launch) {
    for (std::uint32_t r = 0; r < kReducers; ++r) {
      if (epoch.members(int(placeOf(epoch, r, kReducers))).executor() == 2) continue;
      auto& route = *launch.add_moved();
      route.set_node(5), route.set_when_ms(-1), route.set_partition(r), route.set_executor(2);
    }
    EXPECT_GT(launch.moved_size(), 0);
    EXPECT_LT(launch.moved_size(), int(kReducers));
  };
  auto [maps, mapLaunch] = fleet.launch(-1);
  Fleet::addTask(*mapLaunch, 0, -1, 0);
  fleet.at(1).machine->onMessage(kMasterPeer, maps, fleet.now);
  while (fleet.runTask(fleet.at(1)) || fleet.runWork(fleet.at(1))) {
  }
  ASSERT_TRUE(fleet.deliverOne());
  auto [moving, moved] = fleet.launch(-1, 1);
  moveAllTo2(*moved);
  fleet.at(1).machine->onMessage(kMasterPeer, moving, fleet.now);
  auto [reduces, reduceLaunch] = fleet.launch(-1);
  moveAllTo2(*reduceLaunch);
  for (std::uint32_t r = 0; r < kReducers; ++r) Fleet::addTask(*reduceLaunch, 1, -1, r);
  fleet.at(2).machine->onMessage(kMasterPeer, reduces, fleet.now);
  fleet.settle();
  std::size_t done = 0;
  for (const auto& envelope : fleet.ofKind(proto::Message::kPrepared)) done += std::size_t(envelope->message.prepared().results_size());
  EXPECT_EQ(done, kReducers);
}

TEST_F(TwoExecutors, RepeatedAndReleasedLaunchesAreIgnored) {
  launchMaps();
  launchMaps();
  EXPECT_EQ(fleet.at(1).tasks.size(), 3u);
  fleet.settle();
  launchReduce();
  fleet.settle();
  EXPECT_EQ(counts(fleet), kExpected);
  for (auto& member : fleet.members) {
    auto [envelope, release] = compose(&proto::Message::mutable_release);
    release->add_instances(-1);
    member->machine->onMessage(kMasterPeer, envelope, fleet.now);
  }
  for (auto& member : fleet.members) EXPECT_EQ(member->runtime.store().usedBytes(), 0);
  launchMaps();
  EXPECT_TRUE(fleet.at(1).tasks.empty());
}

TEST_F(TwoExecutors, AnOlderMasterIsRefused) {
  auto [newer, cancel] = compose(&proto::Message::mutable_cancel_instance);
  newer->message.set_term(5);
  fleet.at(1).machine->onMessage(kMasterPeer, newer, fleet.now);
  launchMaps();  // term 0
  EXPECT_TRUE(fleet.at(1).tasks.empty());
  EXPECT_EQ(fleet.ofKind(proto::Message::kRefused).at(0)->message.refused().term(), 5u);
}

TEST_F(TwoExecutors, CancelledTasksDoNotRun) {
  launchMaps();
  auto [envelope, cancel] = compose(&proto::Message::mutable_cancel_instance);
  cancel->mutable_instance()->set_when_ms(-1);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  runMaps();
  EXPECT_TRUE(fleet.wire.empty());
  EXPECT_TRUE(fleet.ofKind(proto::Message::kFailed).empty());
}

// A task that was given to a slot, and goes on after the job was cancelled.
struct CancelledWhileItRuns : TwoExecutors {
  std::shared_ptr<const TaskSpec> begin(std::uint64_t killAfterMs) {
    launchMaps();
    auto task = fleet.at(1).tasks.front();
    auto [envelope, cancel] = compose(&proto::Message::mutable_cancel_instance);
    cancel->mutable_instance()->set_when_ms(-1), cancel->set_kill_after_ms(killAfterMs);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    EXPECT_TRUE(task->cancelled->load());
    return task;
  }
  bool waits() { return fleet.at(1).timers.contains({kReapTimer, std::uint64_t(-1)}); }
};

TEST_F(CancelledWhileItRuns, IsWaitedForAsLongAsItTakes) {
  begin(0);
  EXPECT_FALSE(waits());
}

TEST_F(CancelledWhileItRuns, TakesTheExecutorWithItIfItGoesOnForTooLong) {
  begin(300);
  ASSERT_TRUE(waits());
  fleet.fire(fleet.at(1), kReapTimer);
  EXPECT_EQ(fleet.at(1).gaveUp, "3 task(s) of the cancelled job 1 did not stop within 300 ms");
}

TEST_F(CancelledWhileItRuns, IsForgottenWhenItEnds) {
  begin(300);
  while (!fleet.at(1).tasks.empty()) {
    EXPECT_TRUE(waits());
    fleet.runTask(fleet.at(1));
  }
  EXPECT_FALSE(waits());
  EXPECT_EQ(fleet.at(1).gaveUp, "");
}

TEST(ExecutorMachine, PreparedIsCoalescedByTime) {
  Fleet fleet(1);
  PlanMaker plan;
  auto& lines = plan.source<std::string_view>({{"a", 0}, {"b", 0}, {"c", 0}}, true);
  plan.output(lines, proto::OUTPUT_RESULTS);
  fleet.install(plan, 1);
  fleet.launchAll(-1);
  fleet.runTask(fleet.at(1));
  fleet.runTask(fleet.at(1));
  EXPECT_TRUE(fleet.ofKind(proto::Message::kPrepared).empty());
  fleet.fire(fleet.at(1), kReportTimer);
  ASSERT_EQ(fleet.ofKind(proto::Message::kPrepared).size(), 1u);
  EXPECT_EQ(fleet.ofKind(proto::Message::kPrepared)[0]->message.prepared().results_size(), 2);
  fleet.settle();
  EXPECT_EQ(fleet.ofKind(proto::Message::kPrepared).size(), 2u);
  // A new session with the master hears all of it again, after the report.
  fleet.toMaster.clear();
  fleet.at(1).machine->onSession(kMasterPeer, false, fleet.now);
  fleet.at(1).machine->onSession(kMasterPeer, true, fleet.now);
  EXPECT_EQ(fleet.toMaster.at(0).second->message.body_case(), proto::Message::kReport);
  EXPECT_EQ(fleet.ofKind(proto::Message::kPrepared).size(), 2u);
}

TEST(ExecutorMachine, ANewEpochDialsTheMembersOfLowerNumber) {
  Fleet fleet(3);
  fleet.at(3).machine->onSession({Role::kExecutor, 1}, false, fleet.now);
  PlanMaker plan;
  plan.output(plan.source<std::string_view>({{"a", 0}}, true), proto::OUTPUT_RESULTS);
  fleet.install(plan, 1);
  EXPECT_EQ(fleet.at(3).connects, (std::vector<Peer>{{Role::kExecutor, 1}}));
}

TEST(ExecutorMachine, AnUnknownTemplateFailsItsTasks) {
  Fleet fleet(1);
  auto [envelope, launch] = fleet.launch(-1);
  Fleet::addTask(*launch, 0, -1, 0);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  ASSERT_EQ(fleet.ofKind(proto::Message::kFailed).size(), 1u);
  EXPECT_NE(fleet.ofKind(proto::Message::kFailed)[0]->message.failed().message().find("not installed"), std::string::npos);
}

TEST(ExecutorMachine, ForgetsPlansWhenItIsTold) {
  for (bool all : {false, true}) {
    Fleet fleet(1);
    PlanMaker plan;
    plan.output(plan.source<std::string_view>({{"a", 0}}, true), proto::OUTPUT_RESULTS);
    auto run = [&](std::int64_t when) {
      auto [envelope, launch] = fleet.launch(when);
      Fleet::addTask(*launch, 0, when, 0);
      fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
      fleet.settle();
    };
    fleet.install(plan, 1);
    run(-1);
    EXPECT_EQ(fleet.ofKind(proto::Message::kPrepared).size(), 1u);
    auto [envelope, release] = compose(&proto::Message::mutable_release);
    if (all) release->set_all_templates(true);
    else release->add_templates(7);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    run(-2);
    EXPECT_EQ(fleet.ofKind(proto::Message::kFailed).size(), 1u);
    fleet.install(plan, 1);
    run(-3);
    EXPECT_EQ(fleet.ofKind(proto::Message::kPrepared).size(), 2u);
  }
}

// What is remembered of a batch shows when it is launched once more: a known one is not run again.
TEST(ExecutorMachine, ForgetsBatchesThatAreOver) {
  Fleet fleet(1);
  PlanMaker plan;
  plan.output(plan.source<std::string_view>({{"a", 0}}, true), proto::OUTPUT_RESULTS);
  fleet.install(plan, 1);
  auto run = [&](std::int64_t when, std::uint32_t stream) {
    auto [envelope, launch] = fleet.launch(when);
    launch->mutable_instance()->set_stream(stream);
    Fleet::addTask(*launch, 0, when, 0);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    fleet.settle();
    return fleet.ofKind(proto::Message::kPrepared).size();
  };
  auto over = [&](std::uint32_t stream, std::int64_t belowMs) {
    auto [envelope, release] = compose(&proto::Message::mutable_release);
    release->set_stream(stream), release->set_over_below_ms(belowMs);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  };
  EXPECT_EQ(run(1000, 1), 1u);
  EXPECT_EQ(run(2000, 1), 2u);
  EXPECT_EQ(run(2000, 1), 2u);
  over(1, 2000);
  over(2, 9000);
  EXPECT_EQ(run(2000, 1), 2u);
  EXPECT_EQ(run(1000, 1), 3u);
  // A stream that goes on from an earlier checkpoint in the same application has batches of the same times.
  EXPECT_EQ(run(2000, 2), 4u);
  EXPECT_EQ(run(2000, 1), 4u) << "the earlier stream has ended";
}

// What an exchange at time 0 holds goes with the dataset, but not what a later job makes of the same.
TEST(ExecutorMachine, DropsExchangesOfDatasetsThatAreGone) {
  Fleet fleet(1);
  PlanMaker plan;
  proto::Node& counts = wordCount(plan, {"a b a", "b"});
  counts.mutable_keep()->set_keep(true);
  plan.output(counts, proto::OUTPUT_RESULTS);
  fleet.install(plan, 2);
  auto used = [&] { return fleet.at(1).runtime.store().usedBytes(); };
  auto release = [&](auto fill) {
    auto [envelope, message] = compose(&proto::Message::mutable_release);
    fill(*message);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  };
  auto drop = [&](std::int64_t instance) {
    release([&](proto::Release& message) {
      auto* dropped = message.add_dropped();
      dropped->set_node(counts.id()), dropped->add_instances(instance);
    });
  };
  auto run = [&](std::int64_t when) {
    auto [envelope, launch] = fleet.launch(when);
    for (const Stage& stage : fleet.view->stages()) {
      for (std::uint32_t p = 0; p < 2; ++p) Fleet::addTask(*launch, stage.index, stage.sink == Stage::Sink::kOutput ? when : 0, p);
    }
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    fleet.settle();
  };
  run(-1);
  ASSERT_EQ(testing::counts(fleet), (std::map<std::string, std::int64_t>{{"a", 2}, {"b", 2}}));
  release([](proto::Release& message) { message.add_instances(-1); });
  release([&](proto::Release& message) { message.add_unpersisted(counts.id()); });
  std::int64_t exchanged = used();
  drop(-7);
  EXPECT_EQ(used(), exchanged);
  run(-2);
  release([&](proto::Release& message) { message.add_unpersisted(counts.id()); });
  drop(-1);
  EXPECT_EQ(used(), exchanged) << "a later job used it, too";
  release([&](proto::Release& message) {
    auto* dropped = message.add_dropped();
    dropped->set_node(counts.id()), dropped->add_instances(-1), dropped->add_instances(-2);
  });
  EXPECT_LT(used(), exchanged);
}

// A kept value that lies on another executor is fetched; one that nobody has is reported as lost.
TEST(ExecutorMachine, KeptValuesAreFetchedOrLost) {
  Fleet fleet(2);
  PlanMaker plan;
  auto& source = plan.source<std::int64_t>({{rowsOf<std::int64_t>({1, 2, 3}), 3}}, false);
  source.mutable_keep()->set_keep(true);
  plan.output(source, proto::OUTPUT_RESULTS);
  fleet.install(plan, 1);
  auto [keep, keepLaunch] = fleet.launch(-1);
  Fleet::addTask(*keepLaunch, 0, 0, 0);
  fleet.at(1).machine->onMessage(kMasterPeer, keep, fleet.now);
  auto readIt = [&](std::int64_t when, std::uint64_t at) {
    auto [envelope, launch] = fleet.launch(when);
    Fleet::addTask(*launch, 1, when, 0);
    if (at != 0) {
      auto& route = *launch->add_kept();
      route.set_node(1), route.set_when_ms(0), route.set_partition(0), route.set_executor(at);
    }
    fleet.at(2).machine->onMessage(kMasterPeer, envelope, fleet.now);
  };
  readIt(-2, 1);  // while it is still being made: the answer waits
  while (fleet.deliverOne()) {
  }
  EXPECT_TRUE(fleet.at(2).tasks.empty());
  fleet.settle();
  EXPECT_EQ(fleet.results<std::int64_t>()[0], (std::vector<std::int64_t>{1, 2, 3}));
  auto [unpersist, release] = compose(&proto::Message::mutable_release);
  release->add_unpersisted(1);
  for (auto& member : fleet.members) member->machine->onMessage(kMasterPeer, unpersist, fleet.now);
  readIt(-3, 1);
  readIt(-4, 0);
  fleet.settle();
  auto failed = fleet.ofKind(proto::Message::kFailed);
  ASSERT_EQ(failed.size(), 2u);
  std::set<std::uint64_t> asked;
  for (const auto& envelope : failed) {
    EXPECT_EQ(envelope->message.failed().domain(), proto::DOMAIN_LOST);
    ASSERT_EQ(envelope->message.failed().missing_size(), 1);
    EXPECT_EQ(envelope->message.failed().missing(0).node(), 1u);
    asked.insert(envelope->message.failed().missing(0).executor());
  }
  EXPECT_EQ(asked, (std::set<std::uint64_t>{1})) << "both wait for the answer of one";
}

// Executor 1 keeps a value larger than its memory, and 2 has asked for it.
class LargeValue : public ::testing::Test {
 protected:
  static constexpr std::int64_t kBudget = 16 << 20, kRows = 4'000'000;
  LargeValue() : fleet(2, kBudget), from(fleet.at(1)), to(fleet.at(2)) {
    std::vector<std::int64_t> numbers(kRows);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::int64_t(i * 0x9e3779b97f4a7c15ull);
    PlanMaker plan;
    auto& source = plan.source<std::int64_t>({{rowsOf(numbers), numbers.size()}}, false);
    source.mutable_keep()->set_keep(true), source.mutable_keep()->set_disk(true);
    plan.output(source, proto::OUTPUT_RESULTS);
    fleet.install(plan, 1);
    auto [keep, keepLaunch] = fleet.launch(-1);
    Fleet::addTask(*keepLaunch, 0, 0, 0);
    from.machine->onMessage(kMasterPeer, keep, fleet.now);
    fleet.settle();
    auto [envelope, launch] = fleet.launch(-2);
    Fleet::addTask(*launch, 1, -2, 0);
    auto& route = *launch->add_kept();
    route.set_node(1), route.set_when_ms(0), route.set_partition(0), route.set_executor(1);
    to.machine->onMessage(kMasterPeer, envelope, fleet.now);
    EXPECT_EQ(fleet.wire.size(), 1u);
    EXPECT_TRUE(fleet.deliverOne());
  }
  std::int64_t onTheWire() const {
    std::int64_t bytes = 0;
    for (const auto& [sender, receiver, message] : fleet.wire) {
      for (const Bytes& attachment : message->attachments) bytes += std::int64_t(attachment.size());
    }
    return bytes;
  }
  void expectItCame() const {
    EXPECT_TRUE(fleet.ofKind(proto::Message::kFailed).empty());
    auto prepared = fleet.ofKind(proto::Message::kPrepared);
    ASSERT_EQ(prepared.size(), 2u);
    EXPECT_EQ(prepared.back()->message.prepared().results(0).rows(), std::uint64_t(kRows));
  }
  Fleet fleet;
  Member &from, &to;
};

// Who sends waits for the receiver, and the receiver for its disk: neither holds more than its budget and what may be on the way.
TEST_F(LargeValue, ItsSenderWaitsUntilThereIsRoom) {
  constexpr std::int64_t kOnTheWay = 2 << 20;
  const std::int64_t budget = to.runtime.store().budgetBytes();
  for (bool busy = true; busy;) {  // all but the receiver's disk
    busy = false;
    while (fleet.runWork(from)) busy = true;
    ASSERT_LE(onTheWire(), kOnTheWay);
    busy |= fleet.deliverOne();
    ASSERT_LE(to.runtime.store().usedBytes(), budget + kOnTheWay);
  }
  EXPECT_GT(to.runtime.store().usedBytes(), budget);
  EXPECT_TRUE(to.tasks.empty()) << "the value was not to be here yet";
  for (int i = 0; to.tasks.empty(); ++i) {
    ASSERT_LT(i, 10'000) << "it came to a stand";
    while (fleet.runWork(to) || fleet.runWork(from)) ASSERT_LE(to.runtime.store().usedBytes(), budget + kOnTheWay);
    ASSERT_LE(onTheWire(), kOnTheWay);
    fleet.deliverOne();
  }
  fleet.settle();
  expectItCame();
}

// What was under way in an old session is not mixed with what the new one asks for.
TEST_F(LargeValue, WhatIsOnItsWayGoesWithItsSession) {
  for (int broken = 0; broken < 4; ++broken) {
    for (int i = 0; i < broken; ++i) fleet.runWork(from), fleet.deliverOne();
    fleet.wire.clear();
    for (bool up : {false, true}) {
      from.machine->onSession({Role::kExecutor, 2}, up, fleet.now);
      to.machine->onSession({Role::kExecutor, 1}, up, fleet.now);
    }
    ASSERT_TRUE(fleet.deliverOne()) << "asked again";
  }
  fleet.settle();
  expectItCame();
}

// A driver that fetches a large result is sent no more than it takes.
TEST(ExecutorMachine, AResultGoesToTheDriverAsItTakesIt) {
  constexpr std::int64_t kRows = 4'000'000, kOnTheWay = 2 << 20;
  constexpr Peer kDriver{Role::kDriver, 1};
  Fleet fleet(1, 16 << 20);
  std::vector<std::int64_t> numbers(kRows);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::int64_t(i * 0x9e3779b97f4a7c15ull);
  PlanMaker plan;
  plan.output(plan.source<std::int64_t>({{rowsOf(numbers), numbers.size()}}, false), proto::OUTPUT_RESULTS);
  fleet.install(plan, 1);
  fleet.launchAll(-1);
  fleet.settle();
  Member& member = fleet.at(1);
  member.machine->onSession(kDriver, true, fleet.now);
  auto [envelope, get] = compose(&proto::Message::mutable_get);
  get->set_app(1), get->set_request(3);
  get->mutable_instance()->set_app(1), get->mutable_instance()->set_when_ms(-1);
  get->mutable_result()->set_output(0), get->mutable_result()->set_partition(0);
  member.machine->onMessage(kDriver, envelope, fleet.now);
  std::uint64_t rows = 0;
  bool more = true;
  for (int i = 0; more; ++i) {
    ASSERT_LT(i, 10'000) << "it came to a stand";
    while (fleet.runWork(member)) {
    }
    std::int64_t bytes = 0;
    for (const auto& message : std::exchange(fleet.toDriver, {})) {
      more = message->message.got().more(), rows = message->message.got().rows();
      for (const Bytes& attachment : message->attachments) bytes += std::int64_t(attachment.size());
    }
    ASSERT_LE(bytes, kOnTheWay);
    auto [reply, taken] = compose(&proto::Message::mutable_taken);
    taken->set_bytes(std::uint64_t(bytes));
    member.machine->onMessage(kDriver, reply, fleet.now);
  }
  EXPECT_EQ(rows, std::uint64_t(kRows));
}

TEST(ExecutorMachine, CheckpointAndRestore) {
  Fleet fleet(2);
  TemporaryFolder folder;
  PlanMaker plan;
  auto& source = plan.source<std::int64_t>({{rowsOf<std::int64_t>({4, 5}), 2}}, false);
  source.mutable_keep()->set_keep(true);
  source.set_uid("numbers");
  plan.output(source, proto::OUTPUT_RESULTS);
  fleet.install(plan, 1);
  auto [keep, keepLaunch] = fleet.launch(-1);
  Fleet::addTask(*keepLaunch, 0, 0, 0);
  fleet.at(1).machine->onMessage(kMasterPeer, keep, fleet.now);
  fleet.settle();
  auto [take, checkpoint] = compose(&proto::Message::mutable_take_checkpoint);
  checkpoint->set_when_ms(7000), checkpoint->set_directory(folder.path());
  checkpoint->add_nodes(1), checkpoint->add_partitions(0);
  fleet.at(1).machine->onMessage(kMasterPeer, take, fleet.now);
  fleet.settle();
  const auto& written = fleet.ofKind(proto::Message::kCheckpointWritten).at(0)->message.checkpoint_written();
  ASSERT_EQ(written.error(), "");
  ASSERT_EQ(written.files_size(), 1);
  EXPECT_EQ(written.files(0).uid(), "numbers");
  EXPECT_EQ(written.files(0).rows(), 2u);
  EXPECT_TRUE(written.files(0).name().starts_with("state-7000-"));
  auto [restore, request] = compose(&proto::Message::mutable_restore);
  request->set_when_ms(8000), request->set_directory(folder.path());
  *request->add_files() = written.files(0);
  fleet.at(2).machine->onMessage(kMasterPeer, restore, fleet.now);
  fleet.settle();
  const auto& restored = fleet.ofKind(proto::Message::kRestored).at(0)->message.restored();
  EXPECT_EQ(restored.error(), "");
  EXPECT_EQ(restored.files_size(), 1);
  fleet.toMaster.clear();
  fleet.at(2).machine->onSession(kMasterPeer, true, fleet.now);
  const auto& report = fleet.ofKind(proto::Message::kReport).at(0)->message.report();
  ASSERT_EQ(report.kept_size(), 1);
  EXPECT_EQ(report.kept(0).when_ms(), 8000);
}

}  // namespace
}  // namespace sluice::executor::testing
