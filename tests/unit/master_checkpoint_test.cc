// Checkpoints of streams: when they are taken, what they hold of states and windows, and streams that go on from them.
#include "tests/unit/master_streams.h"

namespace sluice::master {
namespace {

TEST(MasterCheckpoint, CheckpointsAreTakenAndTwoAreKept) {
  Fleet fleet;
  fleet.startStream(stateful(std::vector<int>(20, 2), "/checkpoints"));
  fleet.advance(9000);
  ASSERT_EQ(fleet.manifests.size(), 4u);
  EXPECT_EQ(fleet.manifests[3].when_ms(), kZero + 8000);
  EXPECT_EQ(fleet.manifests[3].files_size(), 6);
  EXPECT_EQ(fleet.manifests[3].zero_ms(), kZero);
  EXPECT_EQ(fleet.manifests[3].files(0).uid(), "n3");
  fleet.expectReplays();
  // Only what can be asked for is kept: the last version, and batches since the older checkpoint.
  for (auto& [id, executor] : fleet.executors) EXPECT_LE(executor->kept.size(), 20u);
}

// What a function still asks for may have to be made again after a loss, of the state before its batch.
TEST(MasterCheckpoint, CheckpointsAreOfBatchesWhoseFunctionsHaveEnded) {
  Fleet fleet;
  fleet.answerDriver = false;
  PlanMaker p(27, 1000);
  auto state = p.state(p.step(p.batches(std::vector<int>(20, 2))));
  p.output(p.step(state), proto::OUTPUT_DRIVER);
  p.plan.set_checkpoint_directory("/checkpoints"), p.plan.set_checkpoint_interval_ms(2000);
  fleet.startStream(p.plan);
  fleet.advance(9000);
  EXPECT_TRUE(fleet.manifests.empty());
  for (int i = 0; i < 5; ++i) {
    fleet.answer(fleet.received(proto::Message::kRunOutput).back());
    fleet.settle();
  }
  ASSERT_EQ(fleet.manifests.size(), 2u);
  EXPECT_EQ(fleet.manifests[1].when_ms(), kZero + 4000);
  EXPECT_EQ(fleet.manifests[1].files_size(), 6);
  fleet.expectReplays();
}

// It needs its plan for that, which it has forgotten, and no task comes that would bring it.
TEST(MasterCheckpoint, AnExecutorWhoseSessionBrokeWritesWhatItHolds) {
  Fleet fleet;
  fleet.startStream(stateful(std::vector<int>(20, 2), "/checkpoints"));
  fleet.advance(5000);
  for (std::uint64_t id : {1, 2, 3}) fleet.breakSession(id, 0);
  drain(fleet);
  ASSERT_FALSE(fleet.manifests.empty());
  EXPECT_EQ(fleet.manifests.back().when_ms(), kZero + 5000);
}

TEST(MasterCheckpoint, RestoresFromACheckpoint) {
  std::vector<int> counts{3, 1, 2, 4, 1, 2, 3, 1};
  Fleet calm;
  calm.startStream(stateful(counts));
  calm.advance(8000);
  Fleet before;
  before.startStream(stateful(counts, "/checkpoints"));
  before.advance(5000);
  drain(before);
  ASSERT_FALSE(before.manifests.empty());
  EXPECT_EQ(before.manifests.back().when_ms(), kZero + 5000);  // the last one, of the stop
  Fleet after;
  after.manifest = before.manifests.back();
  after.now = before.now;
  after.startStream(stateful(counts, "/checkpoints"));
  auto started = after.received(proto::Message::kStreamStarted);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].stream_started().zero_ms(), kZero);
  EXPECT_EQ(started[0].stream_started().restored_ms(), kZero + 5000);
  EXPECT_EQ(started[0].stream_started().generation(), 2u);
  after.advance(3000);
  EXPECT_EQ(before.printed + after.printed, calm.printed);
  after.kill(1);  // and its state can be restored or recomputed
  after.expectReplays();
}

TEST(MasterCheckpoint, RestoresWhatWasMissedIfItStandsInThePlan) {
  std::vector<int> counts{3, 1, 2, 4, 1, 2, 3, 1};
  Fleet calm;
  calm.startStream(stateful(counts));
  calm.advance(8000);
  Fleet before;
  before.startStream(stateful(counts, "/checkpoints"));
  before.advance(4000);
  drain(before);
  Fleet after;
  after.manifest = before.manifests.back();
  after.now = before.now + Milliseconds(3000);
  after.startStream(stateful(counts, "/checkpoints"));
  after.advance(1000);
  EXPECT_EQ(before.printed + after.printed, calm.printed);
}

TEST(MasterCheckpoint, SkipsWhatWasMissedOfReceivers) {
  PlanMaker p(28, 1000);
  auto state = p.state(p.receiver());
  p.output(state, proto::OUTPUT_PRINT);
  p.plan.set_checkpoint_directory("/checkpoints");
  Fleet before;
  before.startStream(p.plan);
  before.executors[receiverAt(before, 1)]->seal(1, kZero + 1000, {block()});
  before.advance(600);
  drain(before);
  ASSERT_FALSE(before.manifests.empty());
  Fleet after;
  after.manifest = before.manifests.back();
  after.now = before.now + Milliseconds(60'000);
  after.startStream(p.plan);
  std::int64_t resumed = after.now.time().milliseconds() / 1000 * 1000;
  after.executors[receiverAt(after, 1)]->seal(1, resumed + 1000, {block()});
  after.advance(1000);
  EXPECT_EQ(doneTimes(after), std::vector<std::int64_t>{resumed + 1000 - kZero});
  int stateTasks = 0;
  for (auto& [id, executor] : after.executors) {
    for (const auto& launch : executor->launches) stateTasks += launch.tasks().stage_size();
  }
  EXPECT_LE(stateTasks, 6 + 6 + 1);  // one batch, not sixty
}

// ---- what windows hold ----

// Counts of what was received, over four batches.
proto::Plan windowed() {
  PlanMaker p(29, 1000);
  p.output(p.window(p.reduce(p.receiver()), 4), proto::OUTPUT_PRINT);
  p.plan.set_checkpoint_directory("/checkpoints"), p.plan.set_checkpoint_interval_ms(2000);
  return p.plan;
}
constexpr std::uint32_t kReceiver = 1, kPane = 2;

// A block for each of the first batches, nothing for those after.
void receive(Fleet& fleet, int from, int to, int blocks) {
  for (int batch = from; batch < to; ++batch) {
    std::vector<proto::Input> received;
    if (batch < blocks) received.push_back(block());
    fleet.executors[receiverAt(fleet, kReceiver)]->seal(kReceiver, kZero + (batch + 1) * 1000, received);
    fleet.advance(1000);
  }
}

int panesWritten(const Fleet& fleet) {
  int all = 0;
  for (const auto& [id, executor] : fleet.executors) all += executor->panesWritten;
  return all;
}

std::vector<std::int64_t> panesOf(const proto::Manifest& manifest) {
  std::set<std::int64_t> times;
  for (const auto& file : manifest.files()) {
    if (file.pane() && file.node() == kPane) times.insert((file.when_ms() - kZero) / 1000);
  }
  return {times.begin(), times.end()};
}

TEST(MasterCheckpoint, ACheckpointHoldsWhatWindowsStillReadAndWritesItOnce) {
  Fleet fleet;
  fleet.startStream(windowed());
  receive(fleet, 0, 9, 100);
  ASSERT_EQ(fleet.manifests.size(), 4u);
  EXPECT_EQ(panesOf(fleet.manifests[0]), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(panesOf(fleet.manifests[3]), (std::vector<std::int64_t>{6, 7, 8})) << "the window of batch 9 reads 6, 7, 8 and itself";
  EXPECT_EQ(fleet.manifests[3].files(0).uid(), "n2");
  EXPECT_EQ(panesWritten(fleet), 8 * 6);
  fleet.expectReplays();
}

TEST(MasterCheckpoint, WindowsGoOnFromACheckpoint) {
  for (int before : {3, 4, 6}) {
    SCOPED_TRACE(before);
    Fleet calm;
    calm.startStream(windowed());
    receive(calm, 0, 9, 3);
    Fleet first;
    first.startStream(windowed());
    receive(first, 0, before, 3);
    drain(first);
    Fleet second;
    second.manifest = first.manifests.back();
    second.now = first.now;
    second.startStream(windowed());
    receive(second, before, 9, 3);
    EXPECT_EQ(first.printed + second.printed, calm.printed);
    second.expectReplays();
  }
}

// An executor that restored them may be lost, and the master too: they are read again.
TEST(MasterCheckpoint, RestoredWindowsOutliveExecutorsAndMasters) {
  Fleet calm;
  calm.startStream(windowed());
  receive(calm, 0, 8, 3);
  Fleet first;
  first.startStream(windowed());
  receive(first, 0, 4, 3);
  drain(first);
  Fleet second;
  second.manifest = first.manifests.back();
  second.now = first.now;
  second.startStream(windowed());
  receive(second, 4, 5, 3);
  const std::uint64_t lost = receiverAt(second, kReceiver) == 1 ? 2 : 1;
  second.kill(lost);
  receive(second, 5, 6, 3);
  second.restart();
  for (std::uint64_t id : {1, 2, 3}) {
    if (id != lost) second.join(id);
  }
  second.settle();
  second.advance(20'000);
  EXPECT_EQ(second.printed.find(calm.printed.substr(first.printed.size())), 0u) << second.stuck();
  second.expectReplays();
}

// What is lost of earlier batches is made again for the checkpoint, though no window asks for it just then.
TEST(MasterCheckpoint, ACheckpointHasWhatWasLostMadeAgain) {
  PlanMaker p(30, 1000);
  p.output(p.window(p.reduce(p.receiver()), 6, 6000), proto::OUTPUT_PRINT);
  p.plan.set_checkpoint_directory("/checkpoints"), p.plan.set_checkpoint_interval_ms(3000);
  Fleet fleet;
  fleet.startStream(p.plan);
  receive(fleet, 0, 2, 100);
  for (std::uint64_t id : {1, 2, 3}) {
    if (receiverAt(fleet, kReceiver) == id) continue;
    fleet.kill(id);
    break;
  }
  receive(fleet, 2, 3, 100);
  EXPECT_TRUE(fleet.manifests.empty()) << "it waits for the next batch";
  receive(fleet, 3, 5, 100);
  ASSERT_FALSE(fleet.manifests.empty());
  EXPECT_EQ(panesOf(fleet.manifests[0]), (std::vector<std::int64_t>{1, 2, 3, 4}));
  fleet.expectReplays();
}

proto::Failed boom() {
  proto::Failed failed;
  failed.set_domain(proto::DOMAIN_USER), failed.set_message("boom");
  return failed;
}

// Batches go on, and so do checkpoints, without what cannot be made.
TEST(MasterCheckpoint, WhatWindowsWantAndCannotBeMadeHoldsNothingUp) {
  PlanMaker p(31, 1000);
  auto counts = p.reduce(p.receiver());
  p.output(p.window(counts, 3, 3000), proto::OUTPUT_PRINT);
  p.plan.set_checkpoint_directory("/checkpoints"), p.plan.set_checkpoint_interval_ms(2000);
  Fleet fleet;
  fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t when, std::uint32_t, std::uint32_t) -> std::optional<proto::Failed> {
    return stage.root == counts && stage.sink == Stage::Sink::kKeep && when == kZero + 2000 ? std::optional(boom()) : std::nullopt;
  };
  fleet.startStream(p.plan);
  receive(fleet, 0, 9, 100);
  EXPECT_EQ(doneTimes(fleet).size(), 9u) << fleet.stuck();
  ASSERT_GE(fleet.manifests.size(), 3u);
  EXPECT_EQ(panesOf(fleet.manifests[0]), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(panesOf(fleet.manifests[2]), (std::vector<std::int64_t>{})) << "at 6 all windows up to it are over";
  fleet.expectReplays();
}

// A window of windows needs what is lost for good, and so does what the next one would read of it.
TEST(MasterCheckpoint, ALossOfAnEarlierBatchThatCannotBeMadeAgainHoldsNothingUp) {
  PlanMaker p(32, 1000);
  auto counts = p.reduce(p.receiver());
  p.output(p.window(p.window(counts, 4), 4), proto::OUTPUT_PRINT);
  p.plan.set_checkpoint_directory("/checkpoints"), p.plan.set_checkpoint_interval_ms(10'000);
  Fleet fleet;
  fleet.startStream(p.plan);
  receive(fleet, 0, 3, 100);
  fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t when, std::uint32_t, std::uint32_t) -> std::optional<proto::Failed> {
    return stage.root == counts && stage.sink == Stage::Sink::kKeep && when <= kZero + 3000 ? std::optional(boom()) : std::nullopt;
  };
  fleet.kill(receiverAt(fleet, kReceiver) == 1 ? 2 : 1);
  receive(fleet, 3, 12, 100);
  EXPECT_EQ(doneTimes(fleet).size(), 12u) << fleet.stuck();
  fleet.expectReplays();
}

// Nobody knows which task it was; after four crashes the batch goes on without what is not there. The window does not slide in this batch, so
// that nothing else wants what crashes.
TEST(MasterCheckpoint, APaneThatKillsExecutorsIsGivenUp) {
  PlanMaker p(33, 1000);
  p.output(p.window(p.reduce(p.batches({2, 2, 2, 2})), 4, 4000), proto::OUTPUT_PRINT);
  p.plan.set_checkpoint_directory("/checkpoints"), p.plan.set_checkpoint_interval_ms(10'000);
  Fleet fleet(6);
  fleet.startStream(p.plan);
  fleet.paused = true;
  fleet.advance(1000);
  for (std::uint64_t id = 1; id <= 4; ++id) {
    fleet.kill(id, "in map at a.cc:1");
    fleet.settle();
  }
  EXPECT_EQ(fleet.received(proto::Message::kBatchDone).size(), 1u);
  fleet.paused = false;
  fleet.runTasks();
  fleet.advance(3000);
  EXPECT_EQ(fleet.received(proto::Message::kBatchDone).size(), 4u) << fleet.stuck();
  fleet.expectReplays();
}

TEST(MasterCheckpoint, RefusesACheckpointOfAnotherGrid) {
  Fleet fleet;
  proto::Manifest manifest;
  manifest.set_when_ms(kZero), manifest.set_zero_ms(kZero), manifest.set_interval_ms(500);
  fleet.manifest = manifest;
  fleet.startStream(stateful({1}, "/checkpoints"));
  auto started = fleet.received(proto::Message::kStreamStarted);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_NE(started[0].stream_started().error().find("batch interval of 500 ms"), std::string::npos);
}

}  // namespace
}  // namespace sluice::master
