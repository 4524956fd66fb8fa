// Streams of files and outputs that are files, as the master sees them: what planners are told, what is counted, what is published when.
#include <algorithm>
#include <utility>

#include "master_fleet.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kZero = 10'000'000;  // the fleet's clock begins half a second later

proto::Plan ofFiles(proto::OutputKind kind = proto::OUTPUT_PRINT, const std::string& checkpoint = "") {
  PlanMaker p(31, 1000);
  auto& source = p.node(proto::NODE_SOURCE);
  source.set_name("textFileStream");
  source.mutable_source()->set_kind(proto::SOURCE_FILES), source.mutable_source()->set_remember_ms(3000);
  p.output(p.step(source.id()), kind);
  p.plan.set_checkpoint_directory(checkpoint), p.plan.set_checkpoint_interval_ms(2000);
  return p.plan;
}

// Planners, whose part the test plays.
class Files : public Fleet {
 public:
  std::uint64_t planner() const {
    for (const auto& [id, executor] : executors) {
      if (executor->receivers.contains(1)) return id;
    }
    return 0;
  }
  const proto::StartReceiver& start() const { return executors.at(planner())->started.back(); }
  // The planner has listed its directory for the batch at t (after zero), and found these.
  void offer(std::int64_t t, const std::vector<std::string>& paths) {
    std::uint64_t id = planner();
    auto incarnation = executors.at(id)->receivers.at(1);
    if (incarnation != incarnation_) incarnation_ = incarnation, next_ = 1;
    tell({Role::kExecutor, id}, messageOf(&proto::Message::mutable_stored, [&](proto::Stored& stored) {
           stored.set_app(1), stored.set_node(1), stored.set_incarnation(incarnation), stored.set_executor(id);
           stored.set_first_sequence(next_), stored.set_sealed_ms(kZero + t);
           for (const auto& path : paths) stored.add_blocks()->mutable_file()->set_path(path), ++next_;
         }));
    settle();
  }
  std::vector<proto::BatchDone> done() const {
    std::vector<proto::BatchDone> all;
    for (const auto& message : received(proto::Message::kBatchDone)) all.push_back(message.batch_done());
    return all;
  }
  std::vector<proto::Publish::Rolling> rolled() const {
    std::vector<proto::Publish::Rolling> all;
    for (const auto& [id, executor] : executors) {
      for (const auto& publish : executor->published) {
        for (const auto& rolling : publish.rolling()) all.push_back(rolling);
      }
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.kept_ms() < b.kept_ms(); });
    return all;
  }

 private:
  std::uint64_t incarnation_ = 0, next_ = 1;
};

std::vector<std::pair<std::string, std::int64_t>> seenOf(const proto::StartReceiver& start) {
  std::vector<std::pair<std::string, std::int64_t>> seen;
  for (int i = 0; i < start.seen_files_size(); ++i) seen.emplace_back(start.seen_files(i), start.seen_ms(i) - kZero);
  return seen;
}
using Seen = std::vector<std::pair<std::string, std::int64_t>>;

TEST(MasterFiles, ABatchKnowsItsFilesAndHowManyRecordsWereRead) {
  Files fleet;
  fleet.recordsRead = 7;
  fleet.startStream(ofFiles());
  fleet.advance(500);
  fleet.offer(1000, {"/in/a", "/in/b", "/in/b"});  // b in two ranges
  auto done = fleet.done();
  ASSERT_EQ(done.size(), 1u);
  ASSERT_EQ(done[0].inputs_size(), 1);
  EXPECT_EQ(done[0].inputs(0).name(), "textFileStream");
  EXPECT_EQ(done[0].inputs(0).records(), 21u) << "three partitions of seven";
  EXPECT_EQ(done[0].records(), 21u);
  ASSERT_EQ(done[0].inputs(0).files_size(), 2);
  EXPECT_EQ(done[0].inputs(0).files(0), "/in/a");
  EXPECT_EQ(done[0].inputs(0).files(1), "/in/b");
  fleet.advance(1000);
  fleet.offer(2000, {});
  EXPECT_EQ(fleet.done().back().inputs(0).files_size(), 0);
  fleet.expectReplays();
}

TEST(MasterFiles, APlannerThatMovesIsToldWhatWasSeen) {
  Files fleet;
  fleet.startStream(ofFiles());
  EXPECT_EQ(fleet.start().listed_ms(), 0);
  EXPECT_EQ(fleet.start().begun_ms(), fleet.now.time().milliseconds());
  for (int t = 1; t <= 8; ++t) {
    fleet.advance(t == 1 ? 500 : 1000);
    fleet.offer(t * 1000, {"/in/" + std::to_string(t)});
  }
  fleet.kill(fleet.planner());
  fleet.settle();
  EXPECT_EQ(fleet.start().listed_ms(), kZero + 8000);
  auto seen = seenOf(fleet.start());
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front(), (std::pair<std::string, std::int64_t>("/in/3", 3000))) << "as far back as the window may reach: 3 s, and two batches";
  EXPECT_EQ(seen.back(), (std::pair<std::string, std::int64_t>("/in/8", 8000)));
  fleet.expectReplays();
}

TEST(MasterFiles, AnotherMastersPlannerIsToldWhatWasSeen) {
  Files fleet;
  fleet.startStream(ofFiles());
  for (int t = 1; t <= 8; ++t) {
    fleet.advance(t == 1 ? 500 : 1000);
    fleet.offer(t * 1000, {"/in/" + std::to_string(t)});
  }
  std::uint64_t lost = fleet.planner();
  fleet.restartFromSnapshot();
  fleet.executors.erase(lost);
  for (const auto& [id, executor] : fleet.executors) fleet.join(id, true);
  fleet.settle();
  fleet.advance(10'000);
  EXPECT_EQ(fleet.start().listed_ms(), kZero + 8000);
  auto seen = seenOf(fleet.start());
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front(), (std::pair<std::string, std::int64_t>("/in/3", 3000)));
  EXPECT_EQ(seen.back(), (std::pair<std::string, std::int64_t>("/in/8", 8000)));
}

TEST(MasterFiles, ARestoredPlannerGoesOnWhereTheCheckpointWas) {
  Files before;
  before.startStream(ofFiles(proto::OUTPUT_PRINT, "/checkpoints"));
  before.advance(500);
  before.offer(1000, {"/in/1"});
  before.advance(1000);
  before.offer(2000, {"/in/2"});
  ASSERT_FALSE(before.manifests.empty());
  EXPECT_EQ(before.manifests.back().when_ms(), kZero + 2000);
  Files after;
  after.manifest = before.manifests.back();
  after.now = before.now + Milliseconds(100'000);
  after.startStream(ofFiles(proto::OUTPUT_PRINT, "/checkpoints"));
  EXPECT_EQ(after.start().listed_ms(), kZero + 2000);
  EXPECT_EQ(after.start().begun_ms(), kZero) << "what came while the stream was down is new";
  EXPECT_EQ(seenOf(after.start()), (Seen{{"/in/1", 1000}, {"/in/2", 2000}}));
}

TEST(MasterFiles, RolledFilesAreAppendedInOrderOfBatches) {
  Files fleet;
  auto plan = ofFiles(proto::OUTPUT_ROLLING);
  plan.mutable_outputs(0)->set_roll_bytes(77), plan.mutable_outputs(0)->set_roll_age_ms(5000);
  plan.mutable_outputs(0)->set_compression(proto::COMPRESSION_LZ4);
  fleet.startStream(plan);
  fleet.autoSync = false;
  fleet.advance(500);
  fleet.offer(1000, {"/in/a", "/in/b"});
  EXPECT_TRUE(fleet.rolled().empty()) << "not before the decision is durable";
  fleet.autoSync = true;
  fleet.advance(1000);
  fleet.offer(2000, {"/in/c"});
  auto rolled = fleet.rolled();
  ASSERT_EQ(rolled.size(), 2u);
  EXPECT_EQ(rolled[0].directory(), "/out/dir");
  EXPECT_EQ(rolled[0].staged_size(), 2);
  EXPECT_EQ(rolled[0].roll_bytes(), 77);
  EXPECT_EQ(rolled[0].roll_age_ms(), 5000);
  EXPECT_EQ(rolled[0].extension(), ".lz4");
  EXPECT_EQ(rolled[0].owner().rfind("application ", 0), 0u) << rolled[0].owner();
  EXPECT_EQ(rolled[0].begun_ms(), rolled[1].begun_ms());
  EXPECT_EQ(rolled[0].replayed_ms(), 0);
  EXPECT_EQ(rolled[0].kept_ms(), kZero + 1000) << "nobody restores it";
  EXPECT_EQ(rolled[1].staged_size(), 1);
  EXPECT_EQ(fleet.done().size(), 2u);
  fleet.expectReplays();
}

TEST(MasterFiles, TheEndOfAStreamFinishesRolledFiles) {
  Files fleet;
  fleet.startStream(ofFiles(proto::OUTPUT_ROLLING));
  fleet.advance(500);
  fleet.offer(1000, {"/in/a"});
  fleet.driver(Fleet::messageOf(&proto::Message::mutable_drain, [&](proto::Drain& drain) { drain.set_app(1), drain.set_stream(1); }));
  fleet.settle();
  auto rolled = fleet.rolled();
  ASSERT_EQ(rolled.size(), 2u);
  EXPECT_EQ(std::count_if(rolled.begin(), rolled.end(), [](const auto& r) { return r.finish() && r.staged_size() == 0; }), 1);
  EXPECT_EQ(fleet.received(proto::Message::kStreamStopped).size(), 1u);
  EXPECT_EQ(fleet.done().size(), 1u) << "the end is no batch";
  fleet.expectReplays();
}

TEST(MasterFiles, WhatComesAgainIsTakenBackFromRolledFiles) {
  auto restored = [](proto::Plan plan) {
    plan.set_checkpoint_directory("/checkpoints");
    Files fleet;
    proto::Manifest manifest;
    manifest.set_format(1), manifest.set_when_ms(kZero + 2000), manifest.set_zero_ms(kZero), manifest.set_interval_ms(1000);
    manifest.set_generation(1), manifest.set_default_partitions(6);
    fleet.manifest = manifest;
    fleet.now = Moment::of(Time(kZero + 5300));
    fleet.startStream(plan);
    fleet.advance(1500);
    auto rolled = fleet.rolled();
    EXPECT_FALSE(rolled.empty());
    if (rolled.empty()) return std::int64_t(-1);
    EXPECT_EQ(rolled[0].owner(), "checkpoint /checkpoints");
    EXPECT_EQ(rolled[0].begun_ms(), kZero + 5300);
    EXPECT_EQ(rolled[0].kept_ms(), kZero + 2000);
    return rolled[0].replayed_ms();
  };
  EXPECT_EQ(restored(ofFiles(proto::OUTPUT_ROLLING)), kZero + 2000);
  PlanMaker received(32, 1000);
  received.output(received.step(received.receiver()), proto::OUTPUT_ROLLING);
  EXPECT_EQ(restored(received.plan), 0) << "what was received does not come again";
}

TEST(MasterFiles, ACheckpointWaitsForTheFilesOfItsBatches) {
  Files fleet;
  fleet.answerPublish = false;
  fleet.startStream(ofFiles(proto::OUTPUT_FILES, "/checkpoints"));
  fleet.advance(500);
  fleet.offer(1000, {"/in/a"});
  fleet.advance(1000);
  fleet.offer(2000, {"/in/b"});
  EXPECT_TRUE(fleet.manifests.empty()) << "a run that is restored from it would not publish them";
  fleet.answerPublish = true;
  for (auto& [id, executor] : fleet.executors) {
    for (const auto& publish : std::exchange(executor->published, {})) executor->answer(publish);
  }
  fleet.settle();
  ASSERT_EQ(fleet.manifests.size(), 1u);
  EXPECT_EQ(fleet.manifests[0].when_ms(), kZero + 2000);
}

}  // namespace
}  // namespace sluice::master
