// Streams: allocation, decisions in order, outputs, state, ends.
#include "master/allocation.h"
#include "tests/unit/master_streams.h"

namespace sluice::master {
namespace {

// Words counted per batch and printed.
proto::Plan counting(std::int64_t interval = 1000) {
  PlanMaker p(21, interval);
  return p.output(p.reduce(p.step(p.receiver())), proto::OUTPUT_PRINT).plan;
}
proto::Plan ofBatches(const std::vector<int>& counts, proto::OutputKind kind = proto::OUTPUT_PRINT) {
  PlanMaker p(22, 1000);
  return p.output(p.reduce(p.step(p.batches(counts))), kind).plan;
}
proto::Plan windowed(const std::vector<int>& counts) {
  PlanMaker p(24, 1000);
  auto counted = p.reduce(p.step(p.batches(counts)));
  auto window = p.window(counted, 3, 2000);
  auto& again = p.node(proto::NODE_PULL);
  p.edge(again, window, proto::EXCHANGE_HASH);
  again.set_slide_ms(2000);
  return p.output(again.id(), proto::OUTPUT_PRINT).plan;
}

std::vector<std::int64_t> printedTimes(const Fleet& fleet) {
  std::vector<std::int64_t> times;
  for (std::size_t at = 0; (at = fleet.printed.find("Time: ", at)) != std::string::npos; ++at) {
    times.push_back(std::strtoll(fleet.printed.c_str() + at + 6, nullptr, 10) - kZero);
  }
  return times;
}

TEST(MasterStream, BeginsOnTheGrid) {
  Fleet fleet;
  fleet.startStream(counting());
  auto started = fleet.received(proto::Message::kStreamStarted);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].stream_started().zero_ms(), kZero);
  EXPECT_EQ(started[0].stream_started().error(), "");
  EXPECT_NE(receiverAt(fleet, 1), 0u);
  fleet.startStream(counting());  // attaches
  EXPECT_EQ(fleet.received(proto::Message::kStreamStarted).size(), 2u);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kStreamBegun), 1);
}

TEST(MasterStream, ExecutorsHearWhichBatchesAreOver) {
  Fleet fleet;
  fleet.startStream(ofBatches(std::vector<int>(20, 2)));
  for (int t = 0; t < 20; ++t) fleet.advance(1000);
  for (auto& [id, executor] : fleet.executors) {
    std::int64_t below = 0;
    for (const auto& release : executor->releases) {
      if (release.over_below_ms() == 0) continue;
      EXPECT_EQ(release.stream(), 1u);
      EXPECT_GT(release.over_below_ms(), below);
      below = release.over_below_ms();
    }
    EXPECT_GT(below, kZero + 10'000);
    EXPECT_LE(below, kZero + 20'001);
  }
}

TEST(MasterStream, StartedIsToldAfterItIsDurable) {
  Fleet fleet;
  fleet.settle();
  fleet.autoSync = false;
  fleet.startStream(counting());
  EXPECT_TRUE(fleet.received(proto::Message::kStreamStarted).empty());
  EXPECT_EQ(receiverAt(fleet, 1), 0u);
  fleet.sync();
  fleet.settle();
  EXPECT_EQ(fleet.received(proto::Message::kStreamStarted).size(), 1u);
  EXPECT_NE(receiverAt(fleet, 1), 0u);
}

TEST(MasterStream, AllocatesAtTheSealAndPrints) {
  Fleet fleet;
  fleet.startStream(counting());
  auto& receiver = *fleet.executors[receiverAt(fleet, 1)];
  receiver.seal(1, 0, {block(), block()});
  fleet.settle();
  EXPECT_EQ(fleet.count(proto::JournalRecord::kBlocksAccepted), 1);
  fleet.advance(500);  // the tick; not sealed yet
  EXPECT_EQ(fleet.count(proto::JournalRecord::kAllocated), 0);
  receiver.seal(1, kZero + 1000, {block()});
  receiver.seal(1, kZero + 1000, {block()});  // after its seal: of the next batch
  fleet.settle();
  ASSERT_EQ(fleet.count(proto::JournalRecord::kAllocated), 1);
  ASSERT_EQ(fleet.count(proto::JournalRecord::kDecided), 1);
  ASSERT_EQ(fleet.count(proto::JournalRecord::kPublished), 1);
  EXPECT_EQ(doneTimes(fleet), std::vector<std::int64_t>{1000});
  EXPECT_EQ(fleet.received(proto::Message::kBatchDone)[0].batch_done().records(), 30u);
  EXPECT_EQ(fleet.printed.substr(0, 44), std::string(43, '-') + "\n");
  EXPECT_NE(fleet.printed.find("\nTime: 10001000 ms\n" + std::string(43, '-') + "\n("), std::string::npos);
  EXPECT_EQ(fleet.printed.substr(fleet.printed.size() - 3), ")\n\n");
  fleet.expectReplays();
}

TEST(MasterStream, DoesNotWaitForSealsForEver) {
  Fleet fleet;
  fleet.startStream(counting());
  fleet.executors[receiverAt(fleet, 1)]->seal(1, 0, {block()});
  fleet.advance(599);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kAllocated), 0);
  fleet.advance(2);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kAllocated), 1);
}

TEST(MasterStream, AClockThatGoesBackIsSaidOnceAndMakesNoBatchTwice) {
  Fleet fleet;
  fleet.startStream(ofBatches({1, 1, 1, 1, 1}));
  fleet.advance(2000);
  ASSERT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000}));
  auto warnings = [&] {
    return std::count_if(fleet.logged.begin(), fleet.logged.end(), [](const auto& line) { return line.find("the clock has gone back") != std::string::npos; });
  };
  fleet.startStream(ofBatches({1, 1, 1, 1, 1}));  // attaches: an event like any other
  Moment before = fleet.now;
  fleet.now = fleet.now + Milliseconds(-50);  // corrected as it runs
  fleet.startStream(ofBatches({1, 1, 1, 1, 1}));
  EXPECT_EQ(warnings(), 0);
  fleet.now = before + Milliseconds(-5000);
  for (int i = 0; i < 3; ++i) fleet.startStream(ofBatches({1, 1, 1, 1, 1}));
  ASSERT_EQ(warnings(), 1);
  EXPECT_NE(fleet.logged.back().find("the clock has gone back by 5000 ms: the next batch of the stream is made when it shows 10003000 ms, of all that is "
                                     "received until then; no batch is made twice or out of order"),
            std::string::npos)
      << fleet.logged.back();
  fleet.advance(5000);  // it stands where it stood
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000}));
  fleet.advance(2000);
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 3000, 4000}));
  EXPECT_EQ(warnings(), 1);
  fleet.now = fleet.now + Milliseconds(-1000);  // another time
  fleet.startStream(ofBatches({1, 1, 1, 1, 1}));
  EXPECT_EQ(warnings(), 2);
  fleet.advance(2000);
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 3000, 4000, 5000}));
}

TEST(MasterStream, AClockThatGoesBackHoldsUpNobodyWhoIsWaitedFor) {
  Fleet fleet;
  fleet.startStream(counting());
  fleet.executors[receiverAt(fleet, 1)]->seal(1, 0, {block()});
  std::uint64_t gone = receiverAt(fleet, 1) == 3 ? 2 : 3;
  fleet.advance(510);  // the tick; not sealed
  fleet.machine->onSession({Role::kExecutor, gone}, false, fleet.now);
  ASSERT_EQ(fleet.count(proto::JournalRecord::kAllocated), 0);
  fleet.now = fleet.now + Milliseconds(-3'600'000);
  fleet.startStream(counting());  // an event like any other
  fleet.advance(89);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kAllocated), 0);
  fleet.advance(2);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kAllocated), 1) << "its seals are waited for as long as ever";
  auto isGone = [&] {
    return std::any_of(fleet.logged.begin(), fleet.logged.end(), [&](const auto& line) { return line.find("executor " + std::to_string(gone) + " is gone") != std::string::npos; });
  };
  fleet.advance(900);
  EXPECT_FALSE(isGone());
  fleet.advance(20);
  EXPECT_TRUE(isGone()) << "a second after its session ended";
}

TEST(MasterStream, AnEmptyBatchPrintsItsHeaderWithoutALaunch) {
  Fleet fleet;
  fleet.startStream(ofBatches({2, 0, -1, 1}));
  fleet.advance(4000);
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 3000, 4000}));
  EXPECT_EQ(printedTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 4000}));  // no value: nothing, not even a header
  const std::string header = std::string(43, '-') + "\nTime: 10002000 ms\n" + std::string(43, '-') + "\n\n";
  EXPECT_NE(fleet.printed.find(header), std::string::npos);
  std::set<std::int64_t> launched;
  for (auto& [id, executor] : fleet.executors) {
    for (const auto& launch : executor->launches) launched.insert(launch.instance().when_ms() - kZero);
  }
  EXPECT_EQ(launched, (std::set<std::int64_t>{1000, 4000}));
}

TEST(MasterStream, BatchesThatFallBehindEachGetTheirTurn) {
  Fleet fleet;
  fleet.startStream(ofBatches({1, 1, 1, 1, 1, 1}));
  fleet.paused = true;
  fleet.advance(5000);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kAllocated), 5);
  EXPECT_TRUE(doneTimes(fleet).empty());
  fleet.paused = false;
  fleet.runTasks();
  fleet.settle();
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 3000, 4000, 5000}));
  fleet.expectReplays();
}

TEST(MasterStream, FilesArePublishedAfterTheDecisionIsDurable) {
  Fleet fleet;
  fleet.startStream(ofBatches({3, 3}, proto::OUTPUT_FILES));
  fleet.autoSync = false;
  fleet.advance(2000);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kDecided), 2);
  for (auto& [id, executor] : fleet.executors) EXPECT_TRUE(executor->published.empty());
  fleet.autoSync = true;
  fleet.settle();
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000}));
  std::vector<std::string> finals;
  for (auto& [id, executor] : fleet.executors) {
    for (const auto& publish : executor->published) {
      for (const auto& file : publish.files()) finals.push_back(file.final());
    }
  }
  EXPECT_EQ(std::count(finals.begin(), finals.end(), "/out/dir-10001000/_SUCCESS"), 1);
  EXPECT_EQ(std::count(finals.begin(), finals.end(), "/out/dir-10002000/part-00005"), 1);
  EXPECT_EQ(finals.size(), 14u);
}

TEST(MasterStream, DriverFunctionsRunSeriallyAndHoldNothingUp) {
  Fleet fleet;
  fleet.answerDriver = false;
  PlanMaker p(25, 1000);
  auto counts = p.reduce(p.step(p.batches({2, 2, 2})));
  p.output(counts, proto::OUTPUT_PRINT).output(counts, proto::OUTPUT_DRIVER);
  fleet.startStream(p.plan);
  fleet.advance(3000);
  EXPECT_EQ(printedTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 3000}));
  ASSERT_EQ(fleet.received(proto::Message::kRunOutput).size(), 1u);
  EXPECT_TRUE(doneTimes(fleet).empty());
  for (int i = 0; i < 3; ++i) {
    fleet.answer(fleet.received(proto::Message::kRunOutput).back());
    fleet.settle();
  }
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 3000}));
  fleet.expectReplays();
}

TEST(MasterStream, AFailedOutputIsAbandonedAndOthersGoOn) {
  Fleet fleet;
  PlanMaker p(26, 1000);
  auto source = p.batches({2, 2});
  auto good = p.step(source), bad = p.step(source);
  p.output(good, proto::OUTPUT_PRINT).output(bad, proto::OUTPUT_PRINT);
  fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t when, std::uint32_t, std::uint32_t) -> std::optional<proto::Failed> {
    if (stage.root != bad || when != kZero + 1000) return {};
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_USER), failed.set_message("boom");
    return failed;
  };
  fleet.startStream(p.plan);
  fleet.advance(2000);
  auto done = fleet.received(proto::Message::kBatchDone);
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].batch_done().error(), "boom");
  EXPECT_EQ(done[1].batch_done().error(), "");
  EXPECT_EQ(printedTimes(fleet), (std::vector<std::int64_t>{1000, 2000, 2000}));
  fleet.expectReplays();
}

TEST(MasterStream, AFailedStateStopsTheStreamBefore) {
  Fleet fleet;
  fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t when, std::uint32_t, std::uint32_t) -> std::optional<proto::Failed> {
    if (stage.sink != Stage::Sink::kKeep || when != kZero + 2000) return {};
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_USER), failed.set_message("boom");
    return failed;
  };
  fleet.startStream(stateful({1, 1, 1}));
  fleet.advance(5000);
  auto stopped = fleet.received(proto::Message::kStreamStopped);
  ASSERT_EQ(stopped.size(), 1u);
  EXPECT_EQ(stopped[0].stream_stopped().error(), "batch 10002000: boom");
  auto done = fleet.received(proto::Message::kBatchDone);
  ASSERT_EQ(done.size(), 2u);
  EXPECT_TRUE(done[1].batch_done().stopped());
  EXPECT_EQ(printedTimes(fleet), std::vector<std::int64_t>{1000});
}

// A window over counts that are kept, state over the window, two slides, one output of each.
proto::Plan everything(const std::string& directory) {
  PlanMaker p(29, 1000);
  auto counted = p.reduce(p.step(p.batches({3, 2, 0, 4, 1, 2, -1, 3, 1, 2, 2, 1})));
  auto window = p.window(counted, 3);
  auto state = p.state(window);
  auto slow = p.window(counted, 4, 2000);
  auto& again = p.node(proto::NODE_PULL);
  p.edge(again, slow, proto::EXCHANGE_HASH);
  again.set_slide_ms(2000);
  p.output(again.id(), proto::OUTPUT_PRINT).output(p.step(state), proto::OUTPUT_PRINT).output(state, proto::OUTPUT_FILES);
  p.plan.set_checkpoint_directory(directory), p.plan.set_checkpoint_interval_ms(3000);
  return p.plan;
}

// Executors are lost in the middle of batches; what is printed is what is printed without. They let go of what the marks say.
TEST(MasterStream, HealsFromLoss) {
  for (const auto& plan : {ofBatches({3, 2, 0, 4, 1}), stateful({3, 2, 0, 4, 1}), windowed({3, 2, 0, 4, 1, 1}),
                           stateful(std::vector<int>(12, 2), "/checkpoints"), everything("/checkpoints")}) {
    const int seconds = plan.checkpoint_directory().empty() ? 6 : 12;
    Fleet calm(4);
    calm.startStream(plan);
    calm.advance(seconds * 1000);
    ASSERT_EQ(int(doneTimes(calm).size()), seconds);
    for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " template " + std::to_string(plan.template_hash()));
      Fleet fleet(4);
      fleet.startStream(plan);
      fleet.randomly(seed);
      std::set<std::uint64_t> alive{1, 2, 3, 4};
      for (int second = 1; second <= seconds; ++second) {
        fleet.paused = true;
        fleet.advance(1000);
        fleet.settleRandomly(int(fleet.random() % 40));
        if (fleet.random() % 2 == 0 && alive.size() > 1) {
          auto victim = std::next(alive.begin(), std::ptrdiff_t(fleet.random() % alive.size()));
          fleet.kill(*victim);
          alive.erase(victim);
        }
        if (fleet.random() % 4 == 0) fleet.join(10 + std::uint64_t(second)), alive.insert(10 + std::uint64_t(second));
        if (fleet.random() % 3 == 0) fleet.breakSession(*alive.begin(), int(fleet.random() % 4));
        fleet.settleRandomly(int(fleet.random() % 40));
        fleet.paused = false;
        fleet.runTasks();
        fleet.settle();
      }
      ASSERT_EQ(doneTimes(fleet), doneTimes(calm)) << fleet.stuck();
      ASSERT_EQ(fleet.printed, calm.printed);
      fleet.expectReplays();
    }
  }
}

TEST(MasterStream, AReceiverStartsElsewhereAndItsBlocksStay) {
  Fleet fleet;
  fleet.startStream(counting());
  std::uint64_t first = receiverAt(fleet, 1);
  std::uint64_t copy = fleet.executors[first]->started[0].copies_to(0);
  fleet.executors[first]->seal(1, 0, {block(100, {first, copy}), block(100, {first})});
  fleet.settle();
  fleet.kill(first);
  fleet.settle();
  std::uint64_t second = receiverAt(fleet, 1);
  ASSERT_NE(second, 0u);
  EXPECT_EQ(fleet.executors[second]->started[0].incarnation(), 2u);
  fleet.executors[second]->seal(1, kZero + 1000, {block()});
  fleet.advance(600);
  EXPECT_EQ(doneTimes(fleet), std::vector<std::int64_t>{1000});
  EXPECT_EQ(std::count_if(fleet.logged.begin(), fleet.logged.end(), [](const auto& line) { return line.find("data lost") != std::string::npos; }), 1);
  // What the old one says is not taken any more.
  fleet.expectReplays();
}

TEST(MasterStream, AReceiverStartsOnThePreferredHostIfThereIsOne) {
  for (const char* host : {"host3", "nowhere"}) {
    Fleet fleet;
    proto::Plan plan = counting();
    for (auto& node : *plan.mutable_nodes()) {
      if (node.kind() == proto::NODE_SOURCE) node.mutable_source()->set_preferred_host(host);
    }
    fleet.startStream(plan);
    if (host == std::string("host3")) EXPECT_EQ(receiverAt(fleet, 1), 3u);
    else EXPECT_NE(receiverAt(fleet, 1), 0u) << "anywhere rather than nowhere";
  }
}

TEST(MasterStream, DrainProcessesWhatCame) {
  Fleet fleet;
  fleet.startStream(counting());
  fleet.executors[receiverAt(fleet, 1)]->seal(1, 0, {block()});
  fleet.settle();
  drain(fleet);
  EXPECT_EQ(doneTimes(fleet), std::vector<std::int64_t>{1000});
  ASSERT_EQ(fleet.received(proto::Message::kStreamStopped).size(), 1u);
  fleet.advance(5000);
  EXPECT_EQ(doneTimes(fleet).size(), 1u);
  fleet.expectReplays();
}

TEST(MasterStream, DrainMakesNoBatchOfItsOwn) {
  Fleet fleet;
  fleet.startStream(ofBatches({1, 1, 1}));
  fleet.advance(2000);
  drain(fleet);
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000}));
  EXPECT_EQ(fleet.received(proto::Message::kStreamStopped).size(), 1u);
}

TEST(MasterStream, StopNowDoesNotWait) {
  Fleet fleet;
  fleet.startStream(ofBatches({1, 1, 1}));
  fleet.paused = true;
  fleet.advance(2000);
  drain(fleet, true);
  EXPECT_EQ(fleet.received(proto::Message::kStreamStopped).size(), 1u);
}

TEST(MasterStream, PlansOfTheDriverAreAskedForInOrder) {
  Fleet fleet;
  PlanMaker p(27, 1000);
  p.output(p.reduce(p.batches({})), proto::OUTPUT_PRINT);
  p.plan.set_driver_planned(true);
  fleet.startStream(p.plan);
  fleet.advance(2000);
  auto asked = fleet.received(proto::Message::kPlanFor);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].plan_for().when_ms(), kZero + 1000);
  for (std::uint64_t i = 1; i <= 2; ++i) {
    PlanMaker one(100 + i, 1000);
    one.output(one.reduce(one.constant(int(i))), proto::OUTPUT_PRINT);
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_planned, [&](proto::Planned& planned) {
      planned.set_app(1), planned.set_stream(1), planned.set_when_ms(kZero + std::int64_t(i) * 1000);
      *planned.mutable_plan() = one.plan;
    }));
  }
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000}));
  fleet.expectReplays();
}

// The driver's function threw: its batch is left out, functions and all, and the next one is planned.
TEST(MasterStream, ABatchThatTheDriverCannotPlanIsLeftOut) {
  Fleet fleet;
  PlanMaker p(27, 1000);
  auto words = p.reduce(p.batches({1, 1}));
  p.output(words, proto::OUTPUT_PRINT);
  p.output(words, proto::OUTPUT_DRIVER);
  p.plan.set_driver_planned(true);
  fleet.startStream(p.plan);
  auto plan = [&](std::int64_t whenMs, const std::string& error) {
    fleet.advance(kZero + whenMs - fleet.now.time().milliseconds());
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_planned, [&](proto::Planned& planned) {
      planned.set_app(1), planned.set_stream(1), planned.set_when_ms(kZero + whenMs), planned.set_error(error);
      if (error.empty()) *planned.mutable_plan() = p.plan;
    }));
  };
  plan(1000, "transform at main.cc:3: no such table");
  plan(2000, "");
  EXPECT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000, 2000}));
  auto done = fleet.received(proto::Message::kBatchDone);
  EXPECT_EQ(done[0].batch_done().error(), "transform at main.cc:3: no such table");
  EXPECT_FALSE(done[0].batch_done().stopped());
  EXPECT_EQ(done[1].batch_done().error(), "");
  EXPECT_EQ(printedTimes(fleet), std::vector<std::int64_t>{2000});
  auto functions = fleet.received(proto::Message::kRunOutput);
  ASSERT_EQ(functions.size(), 1u);
  EXPECT_EQ(functions[0].run_output().when_ms(), kZero + 2000);
  fleet.expectReplays();
}

// A state would lack what the batch had.
TEST(MasterStream, ABatchThatTheDriverCannotPlanStopsAStreamWithAState) {
  Fleet fleet;
  PlanMaker p(28, 1000);
  p.output(p.step(p.state(p.step(p.batches({1, 1})))), proto::OUTPUT_PRINT);
  p.plan.set_driver_planned(true);
  fleet.startStream(p.plan);
  fleet.advance(600);
  fleet.driver(Fleet::messageOf(&proto::Message::mutable_planned, [&](proto::Planned& planned) {
    planned.set_app(1), planned.set_stream(1), planned.set_when_ms(kZero + 1000), planned.set_error("no such table");
  }));
  auto stopped = fleet.received(proto::Message::kStreamStopped);
  ASSERT_EQ(stopped.size(), 1u);
  EXPECT_EQ(stopped[0].stream_stopped().error(), "the driver cannot plan batch " + std::to_string(kZero + 1000) + ": no such table");
}

TEST(MasterStream, AnotherMasterGoesOnWhereTheJournalEnds) {
  std::vector<int> counts{3, 1, 2, 4, 1, 2};
  Fleet calm;
  calm.startStream(stateful(counts));
  calm.advance(6000);
  Fleet fleet;
  fleet.startStream(stateful(counts));
  fleet.advance(3000);
  fleet.paused = true;
  fleet.advance(1000);  // allocated, not decided
  fleet.queue.clear(), fleet.timers.clear();
  Machine old(fleet.options, fleet);
  std::swap(fleet.machine, *std::make_unique<std::unique_ptr<Machine>>(std::make_unique<Machine>(fleet.options, fleet)));
  auto records = fleet.journal;
  for (std::size_t i = 0; i < records.size(); ++i) ASSERT_TRUE(fleet.machine->replay(i + 1, records[i]).ok());
  fleet.machine->start(fleet.now);
  fleet.paused = false;
  for (std::uint64_t id : {1, 2, 3}) fleet.join(id, true);
  fleet.settle();
  fleet.runTasks();
  fleet.settle();
  fleet.advance(2000);
  EXPECT_EQ(fleet.printed, calm.printed);
  fleet.expectReplays();
}

// The receiver goes on as if nothing had been, and what it told while there was no master is not lost.
TEST(MasterStream, AnotherMasterTakesUpTheReceiversThatRun) {
  Fleet fleet;
  fleet.startStream(counting());
  std::uint64_t id = receiverAt(fleet, 1);
  fleet.executors[id]->seal(1, 0, {block()});
  fleet.executors[id]->seal(1, kZero + 1000, {block()});
  fleet.settle();
  fleet.advance(600);
  ASSERT_EQ(doneTimes(fleet), (std::vector<std::int64_t>{1000}));
  fleet.restart();
  // One that was opened elsewhere before, and is not wanted any more, and the one that counts, with two blocks more.
  std::uint64_t other = id == 1 ? 2 : 1;
  auto report = [&](std::uint64_t executor, std::uint64_t incarnation, std::uint64_t first) {
    fleet.machine->onSession({Role::kExecutor, executor}, true, fleet.now);
    fleet.tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_report, [&](proto::Report& report) {
                 report.set_app(1), report.set_executor(executor), report.set_host("host"), report.set_slots(2);
                 auto& stored = *report.add_receivers();
                 stored.set_app(1), stored.set_node(1), stored.set_incarnation(incarnation), stored.set_executor(executor);
                 stored.set_first_sequence(first), stored.set_sealed_ms(kZero + 2000);
                 for (std::uint64_t i = 0; i < 2; ++i) {
                   auto* b = stored.add_blocks();
                   *b = block(100, {executor});
                   b->mutable_block()->set_source(1), b->mutable_block()->set_incarnation(incarnation), b->mutable_block()->set_sequence(first + i);
                 }
               }));
  };
  int accepted = 0, closed = 0;
  auto look = [&] {
    fleet.sync();
    for (const auto& [to, envelope] : fleet.queue) {
      accepted += to.id == id && envelope->message.has_accepted() && envelope->message.accepted().sequence() == 3;
      closed += to.id == other && envelope->message.has_close_receiver() && envelope->message.close_receiver().incarnation() == 0;
    }
  };
  report(other, 0, 1);  // that with the receiver is waited for
  report(id, 1, 2);
  look();
  fleet.settle();
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kReceiverOpened), 1) << "the one from before";
  fleet.advance(1000);
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kDecided), 2);
  std::uint64_t blocks = 0;
  for (const auto& record : fleet.journal) {
    if (!record.has_allocated() || record.allocated().when_ms() != kZero + 2000) continue;
    for (const auto& partition : record.allocated().sources(0).partitions()) blocks += std::uint64_t(partition.inputs_size());
  }
  EXPECT_EQ(blocks, 2u);
  fleet.expectReplays();
}

TEST(MasterStream, AnotherMasterWaitsForAReceiverThatIsGoneOnlySoLong) {
  Fleet fleet;
  fleet.startStream(counting());
  std::uint64_t id = receiverAt(fleet, 1), other = id == 1 ? 2 : 1;
  fleet.restart();
  fleet.join(other, true);
  fleet.settle();
  fleet.advance(9'999);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kReceiverOpened), 1);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kDecided), 0);
  fleet.advance(1);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kReceiverOpened), 2);
  EXPECT_TRUE(fleet.executors[other]->receivers.contains(1));
  EXPECT_EQ(fleet.logged.back(), "app-19700101024640-0001: executor " + std::to_string(id) + " has not come back since the master was started again");
  fleet.advance(1000);
  EXPECT_GT(fleet.count(proto::JournalRecord::kDecided), 0);
  // It comes too late.
  fleet.join(id, true);
  bool refused = false;
  for (const auto& [to, envelope] : fleet.queue) refused |= to.id == id && envelope->message.has_refused();
  EXPECT_TRUE(refused);
}

TEST(MasterStream, AcceptsBlocksOnceAndInOrder) {
  Fleet fleet;
  fleet.startStream(counting());
  std::uint64_t id = receiverAt(fleet, 1);
  auto stored = [&](std::uint64_t first, int count, std::uint64_t incarnation = 1) {
    fleet.tell({Role::kExecutor, id}, Fleet::messageOf(&proto::Message::mutable_stored, [&](proto::Stored& stored) {
                 stored.set_app(1), stored.set_node(1), stored.set_incarnation(incarnation), stored.set_executor(id);
                 stored.set_first_sequence(first);
                 for (int i = 0; i < count; ++i) {
                   auto* b = stored.add_blocks();
                   *b = block(100, {id});
                   b->mutable_block()->set_sequence(first + std::uint64_t(i));
                 }
               }));
    fleet.settle();
  };
  stored(0, 2);
  stored(0, 3);  // two of them again
  stored(0, 1, 9);
  int blocks = 0;
  for (const auto& record : fleet.journal) {
    if (record.has_blocks_accepted()) blocks += record.blocks_accepted().blocks_size();
  }
  EXPECT_EQ(blocks, 3);
}

// What is missing was accepted by a master that could not write it down: nobody will send it again, and what follows is not held up.
TEST(MasterStream, BlocksThatAMasterForgotAreSaidToBeLost) {
  Fleet fleet;
  fleet.startStream(counting());
  std::uint64_t id = receiverAt(fleet, 1);
  auto stored = [&](std::uint64_t first) {
    fleet.tell({Role::kExecutor, id}, Fleet::messageOf(&proto::Message::mutable_stored, [&](proto::Stored& stored) {
                 stored.set_app(1), stored.set_node(1), stored.set_incarnation(1), stored.set_executor(id), stored.set_first_sequence(first);
                 auto* b = stored.add_blocks();
                 *b = block(100, {id});
                 b->mutable_block()->set_sequence(first);
               }));
    fleet.settle();
  };
  stored(1);
  stored(5);
  stored(6);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kBlocksAccepted), 3);
  EXPECT_EQ(std::count_if(fleet.logged.begin(), fleet.logged.end(), [](const auto& line) { return line.find("data lost: blocks 2 to 4 of source 1") != std::string::npos; }), 1);
  fleet.expectReplays();
}

// The driver asks for the end before the executor with the receiver has come.
TEST(MasterStream, AReceiverThatIsTakenUpByAStreamThatDrainsIsClosed) {
  Fleet fleet;
  fleet.startStream(counting());
  std::uint64_t id = receiverAt(fleet, 1);
  fleet.restart();
  drain(fleet);
  fleet.machine->onSession({Role::kExecutor, id}, true, fleet.now);
  fleet.tell({Role::kExecutor, id}, Fleet::messageOf(&proto::Message::mutable_report, [&](proto::Report& report) {
               report.set_app(1), report.set_executor(id), report.set_host("host"), report.set_slots(2);
               auto& stored = *report.add_receivers();
               stored.set_app(1), stored.set_node(1), stored.set_incarnation(1), stored.set_executor(id);
             }));
  fleet.sync();
  int closed = 0;
  for (const auto& [to, envelope] : fleet.queue) {
    closed += to.id == id && envelope->message.has_close_receiver() && envelope->message.close_receiver().drain() && envelope->message.close_receiver().incarnation() == 1;
  }
  EXPECT_EQ(closed, 1);
}

// ---- blocks to partitions ----

TEST(MasterAllocation, OnePartitionForEachBlockWhileTheyAreFewerThanSlots) {
  EXPECT_EQ(partitionsOfBlocks({block(1, {1}), block(1, {1})}, 4).size(), 2u);
}
TEST(MasterAllocation, MergesNeighboursOfOneExecutor) {
  std::vector<proto::Input> blocks(10, block(1000, {1}));
  EXPECT_EQ(partitionsOfBlocks(blocks, 4).size(), 4u);
}
TEST(MasterAllocation, DoesNotMergeAcrossExecutorsOrLargeBlocks) {
  std::vector<proto::Input> mixed;
  for (int i = 0; i < 10; ++i) mixed.push_back(block(1000, {std::uint64_t(i % 2) + 1}));
  EXPECT_EQ(partitionsOfBlocks(mixed, 4).size(), 10u);
  std::vector<proto::Input> large(10, block(70'000, {1}));
  EXPECT_EQ(partitionsOfBlocks(large, 4).size(), 10u);
}

}  // namespace
}  // namespace sluice::master
