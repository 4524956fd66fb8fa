// The progress line of a terminal: what it shows, and when it is written.
#include <gtest/gtest.h>

#include "client/console_progress.h"
#include "client/job_board.h"

namespace sluice {
namespace {

proto::Progress::Stage stage(std::uint32_t id, std::uint32_t done, std::uint32_t running, std::uint32_t tasks, std::int64_t ageMs = 5000) {
  proto::Progress::Stage stage;
  stage.set_id(id), stage.set_done(done), stage.set_running(running), stage.set_tasks(tasks), stage.set_age_ms(ageMs);
  return stage;
}

TEST(ProgressLine, LooksAsSparksDoes) {
  EXPECT_EQ(progressLine({stage(3, 12, 4, 40)}, 40), "[Stage 3:=====>           (12 + 4) / 40]");
  EXPECT_EQ(progressLine({stage(3, 0, 4, 40)}, 40), "[Stage 3:>                 (0 + 4) / 40]");
  EXPECT_EQ(progressLine({stage(3, 39, 1, 40)}, 40), "[Stage 3:================>(39 + 1) / 40]");
  EXPECT_EQ(progressLine({stage(3, 40, 0, 40)}, 40), "[Stage 3:=================(40 + 0) / 40]");
  EXPECT_EQ(progressLine({stage(1234, 12, 4, 40)}, 24), "[Stage 1234:(12 + 4) / 40]") << "the numbers, however narrow it is";
  EXPECT_EQ(progressLine({stage(1, 0, 0, 0)}, 30), "[Stage 1:>        (0 + 0) / 0]");
  EXPECT_EQ(progressLine({}, 80), "");
}

TEST(ProgressLine, ShowsThreeStagesAtMostSideBySide) {
  std::string line = progressLine({stage(1, 1, 1, 2), stage(2, 0, 1, 2), stage(3, 0, 1, 2), stage(4, 0, 1, 2)}, 90);
  EXPECT_EQ(line.size(), 90u);
  EXPECT_EQ(line, progressLine({stage(1, 1, 1, 2)}, 30) + progressLine({stage(2, 0, 1, 2)}, 30) + progressLine({stage(3, 0, 1, 2)}, 30));
}

TEST(ProgressLine, IsWrittenOverItselfWhenItChanges) {
  ProgressLine line;
  std::vector stages = {stage(1, 1, 1, 4)};
  std::string first = line.update(0, stages, 41);
  EXPECT_EQ(first, "\r" + progressLine(stages, 40) + "\r");
  EXPECT_EQ(line.update(1000, stages, 41), "") << "nothing has changed";
  stages = {stage(1, 2, 1, 4)};
  EXPECT_EQ(line.update(1100, stages, 41), "\r" + progressLine(stages, 40) + "\r");
  stages = {stage(1, 3, 1, 4)};
  EXPECT_EQ(line.update(1299, stages, 41), "") << "at most every 200 ms";
  EXPECT_EQ(line.update(1300, stages, 41), "\r" + progressLine(stages, 40) + "\r");
  EXPECT_EQ(line.update(61'299, stages, 41), "");
  EXPECT_NE(line.update(61'300, stages, 41), "") << "once a minute, or the connection may end";
}

TEST(ProgressLine, LeavesNothingBehind) {
  ProgressLine line;
  EXPECT_EQ(line.update(0, {}, 41), "");
  EXPECT_EQ(line.clear(), "");
  line.update(0, {stage(1, 1, 1, 4)}, 41);
  EXPECT_EQ(line.update(50, {}, 41), "\r" + std::string(40, ' ') + "\r") << "at once";
  EXPECT_EQ(line.update(300, {}, 41), "");
  line.update(400, {stage(1, 1, 1, 4)}, 41);
  EXPECT_EQ(line.clear(), "\r" + std::string(40, ' ') + "\r") << "something else is to be written";
  EXPECT_NE(line.update(401, {stage(1, 1, 1, 4)}, 41), "") << "and then it comes back";
  EXPECT_EQ(line.update(1000, {stage(1, 2, 1, 4)}, 31).size(), 2u + 40u) << "a narrower one covers the wider one";
}

// ---- What it is made from ----

proto::Progress progress(std::initializer_list<std::pair<std::uint64_t, std::vector<proto::Progress::Stage>>> jobs, bool ended = false) {
  proto::Progress progress;
  for (const auto& [number, stages] : jobs) {
    auto& job = *progress.add_jobs();
    job.set_number(number), job.set_ended(ended);
    for (const auto& stage : stages) *job.add_stages() = stage;
  }
  return progress;
}
std::vector<std::uint32_t> ids(const std::vector<proto::Progress::Stage>& stages) {
  std::vector<std::uint32_t> ids;
  for (const auto& stage : stages) ids.push_back(stage.id());
  return ids;
}

TEST(JobBoard, StagesAreActiveWhileSomeOfTheirTasksAreToCome) {
  JobBoard board;
  EXPECT_FALSE(board.told());
  board.take(progress({{1, {stage(7, 0, 0, 4), stage(5, 4, 0, 4), stage(6, 0, 1, 4), stage(8, 2, 0, 4), stage(9, 0, 1, 1, 10)}}}), 1000);
  EXPECT_TRUE(board.told());
  EXPECT_EQ(ids(board.activeStages(1000, 1000)), (std::vector<std::uint32_t>{6, 8}));
  EXPECT_EQ(ids(board.activeStages(1990, 1000)), (std::vector<std::uint32_t>{6, 8, 9})) << "old enough by now";
  board.take(progress({{1, {stage(6, 4, 0, 4)}}}, true), 2000);
  EXPECT_TRUE(board.activeStages(9000, 0).empty());
  EXPECT_EQ(board.stage(6)->done(), 4u) << "what has ended is known";
  EXPECT_EQ(board.stage(8)->done(), 2u);
  EXPECT_FALSE(board.stage(77));
}

TEST(JobBoard, JobsByGroup) {
  JobBoard board;
  auto in = [](const char* group) { return std::make_shared<LocalProperties::Map>(LocalProperties::Map{{LocalProperties::kGroup, group}}); };
  board.began(1, in("a")), board.began(2, nullptr), board.began(3, in("a")), board.began(4, in("b"));
  google::protobuf::RepeatedField<std::uint32_t> stages;
  stages.Add(10), stages.Add(11);
  board.ended(1, true, stages), board.ended(3, false, {});
  std::string_view a = "a", c = "c";
  EXPECT_EQ(board.ofGroup(&a), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(board.ofGroup(nullptr), (std::vector<std::int64_t>{2}));
  EXPECT_TRUE(board.ofGroup(&c).empty());
  EXPECT_EQ(board.active(), (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(board.job(1)->end, JobBoard::End::kWell);
  EXPECT_EQ(board.job(1)->stages, (std::vector<std::uint32_t>{10, 11}));
  EXPECT_EQ(board.job(3)->end, JobBoard::End::kFailed);
  EXPECT_FALSE(board.job(5));
  EXPECT_FALSE(board.job(0));
  EXPECT_FALSE(board.job(-1));
}

TEST(JobBoard, TheOldestAreForgotten) {
  JobBoard board;
  for (std::uint64_t n = 1; n <= 1500; ++n) board.began(n, nullptr);
  EXPECT_FALSE(board.job(500));
  EXPECT_TRUE(board.job(501));
  board.ended(3, true, {});  // nobody knows it any more
  EXPECT_EQ(board.active().size(), 1000u);
}

}  // namespace
}  // namespace sluice
