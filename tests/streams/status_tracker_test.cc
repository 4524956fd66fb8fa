// How jobs and stages get on, as the application sees it; stages and tasks that are ended by their numbers; pools.
#include <gtest/gtest.h>

#include <sluice/task_context.h>
#include <sluice/testing.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::thrownBy;
using testing::Cluster;
using testing::Shape;

// Tasks wait at the gate until it is opened.
struct Gate {
  std::atomic<int> arrived{0};
  std::atomic<bool> open{false};
  void pass() {
    ++arrived;
    arrived.notify_all();
    while (!open && !TaskContext::get()->isInterrupted()) std::this_thread::yield();
  }
  void waitFor(int tasks) {
    for (int now = arrived; now < tasks; now = arrived) arrived.wait(now);
  }
};
Gate gate;
struct Gated : ::testing::Test {
  Gated() { gate.arrived = 0, gate.open = false; }
};

Conf onFourSlots() { return Conf().setMaster("local[4]").setAppName("test"); }

// What the master tells comes within 100 ms or so: asked again until it is there.
template <class Ask, class Good> auto until(Ask ask, Good good) {
  for (;;) {
    auto answer = ask();
    if (good(answer)) return answer;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // it does not call back
  }
}

using StatusTrackers = Gated;

TEST_F(StatusTrackers, TellOfJobsAndStagesThatRun) {
  Context context(onFourSlots());
  auto tracker = context.statusTracker();
  EXPECT_TRUE(tracker.getActiveJobIds().empty());
  EXPECT_TRUE(tracker.getActiveStageIds().empty());
  context.setJobGroup("g", "counts");
  auto job = context.range(0, 12, 1, 6).map([](std::int64_t n) {
    if (TaskContext::get()->partitionId() >= 2) gate.pass();
    return std::pair(n % 3, n);
  }).reduceByKey(std::plus<>(), 5).collectAsync();
  gate.waitFor(4);
  auto active = until([&] { return tracker.getActiveStageIds(); }, [](const auto& ids) { return !ids.empty(); });
  EXPECT_EQ(active, (std::vector<int>{0}));
  auto stage = until([&] { return *tracker.getStageInfo(0); }, [](const StageInfo& s) { return s.numActiveTasks == 4 && s.numCompletedTasks == 2; });
  EXPECT_EQ(stage.stageId, 0);
  EXPECT_EQ(stage.currentAttemptId, 0);
  EXPECT_EQ(stage.numTasks, 6);
  EXPECT_EQ(stage.numFailedTasks, 0);
  EXPECT_EQ(stage.name.find("reduceByKey at status_tracker_test.cc:"), 0u) << stage.name;
  EXPECT_GT(stage.submissionTime, 1'600'000'000'000);
  EXPECT_EQ(tracker.getActiveJobIds(), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(tracker.getJobInfo(1)->status, JobExecutionStatus::RUNNING);
  EXPECT_EQ(tracker.getJobInfo(1)->stageIds, (std::vector<int>{0, 1}));
  EXPECT_EQ(tracker.getStageInfo(1)->numTasks, 5);
  auto executors = until([&] { return tracker.getExecutorInfos(); }, [](const auto& e) { return e.size() == 1 && e[0].numRunningTasks == 4; });
  EXPECT_EQ(executors[0].host, "localhost");
  EXPECT_GT(executors[0].totalStorageMemory, 0);
  gate.open = true;
  EXPECT_EQ(job.get().size(), 3u);
  until([&] { return *tracker.getStageInfo(1); }, [](const StageInfo& s) { return s.numCompletedTasks == 5 && s.numActiveTasks == 0; });
  EXPECT_TRUE(tracker.getActiveStageIds().empty());
  EXPECT_TRUE(tracker.getActiveJobIds().empty());
  EXPECT_EQ(tracker.getJobInfo(1)->status, JobExecutionStatus::SUCCEEDED);
}

TEST_F(StatusTrackers, KnowJobsByGroup) {
  Context context(onFourSlots());
  auto numbers = context.range(0, 10);
  numbers.count();
  context.setJobGroup("a", "");
  numbers.count(), numbers.count();
  context.setJobGroup("b", "");
  EXPECT_NE(thrownBy([&] { numbers.map([](std::int64_t) -> int { throw std::runtime_error("no"); }).count(); }).second, "");
  context.clearJobGroup();
  auto tracker = context.statusTracker();
  EXPECT_EQ(tracker.getJobIdsForGroup(), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(tracker.getJobIdsForGroup("a"), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(tracker.getJobIdsForGroup("b"), (std::vector<std::int64_t>{4}));
  EXPECT_TRUE(tracker.getJobIdsForGroup("c").empty());
  EXPECT_EQ(tracker.getJobInfo(3)->status, JobExecutionStatus::SUCCEEDED);
  EXPECT_EQ(tracker.getJobInfo(3)->stageIds.size(), 1u) << "also of jobs that nobody watched";
  EXPECT_EQ(tracker.getJobInfo(4)->status, JobExecutionStatus::FAILED);
  EXPECT_FALSE(tracker.getJobInfo(77));
  EXPECT_FALSE(tracker.getStageInfo(0)) << "it had ended before";
  EXPECT_FALSE(tracker.getStageInfo(-1));
}

TEST_F(StatusTrackers, OnClustersOfAllShapes) {
  for (Shape shape : {Shape::kLocal1, Shape::kSimulated, Shape::kInProcess, Shape::kProcesses}) {
    Cluster cluster(shape);
    auto tracker = cluster.context().statusTracker();
    EXPECT_EQ(cluster.context().range(0, 10).count(), 10) << nameOf(shape);
    EXPECT_EQ(tracker.getJobInfo(1)->status, JobExecutionStatus::SUCCEEDED) << nameOf(shape);
    if (shape == Shape::kProcesses) {
      auto executors = until([&] { return tracker.getExecutorInfos(); }, [](const auto& e) { return e.size() == 3; });
      for (const auto& executor : executors) EXPECT_GT(executor.port, 0) << executor.host;
    }
  }
}

TEST_F(StatusTrackers, OfAStoppedContextAreRefused) {
  Context context(onFourSlots());
  Context same(context.core());
  context.stop();
  EXPECT_NE(thrownBy([&] { same.statusTracker(); }).second.find("is stopped"), std::string::npos);
}

// ---- What is known by its number can be ended ----

TEST_F(StatusTrackers, AStageCanBeCancelled) {
  Context context(onFourSlots());
  static std::atomic<int> stage;
  auto job = context.range(0, 4, 1, 4).map([](std::int64_t n) {
    stage = TaskContext::get()->stageId();
    gate.pass();
    return n;
  }).countAsync();
  gate.waitFor(4);
  context.cancelStage(stage + 50, "of nobody");
  context.cancelStage(-1);
  context.cancelStage(stage, "it is the wrong one");
  auto [kind, text] = thrownBy([&] { job.get(); });
  EXPECT_EQ(kind, ErrorKind::kCancelled);
  EXPECT_NE(text.find("stage " + std::to_string(stage) + " was cancelled by cancelStage at status_tracker_test.cc:"), std::string::npos) << text;
  EXPECT_NE(text.find(": it is the wrong one"), std::string::npos) << text;
}

TEST_F(StatusTrackers, AStageOfABatchCanBeCancelled) {
  StreamingContext ssc(onFourSlots(), Milliseconds(20));
  RDDQueue<std::int64_t> queue;
  static std::atomic<int> stage;
  stage = -1;
  ssc.queueStream(queue).map([](std::int64_t n) {
    stage = TaskContext::get()->stageId();
    gate.pass();
    return n;
  }).print();
  queue.push(ssc.context().range(0, 1, 1, 1));
  ssc.start();
  gate.waitFor(1);
  ssc.context().cancelStage(stage);
  EXPECT_NE(thrownBy([&] { ssc.awaitTermination(); }).second.find("was cancelled by cancelStage at"), std::string::npos);
  gate.open = true;
  ssc.stop();
}

TEST_F(StatusTrackers, ATaskCanBeKilledAndIsTriedAgain) {
  Context context(onFourSlots());
  static std::atomic<std::int64_t> task;
  static std::mutex mutex;
  static std::vector<std::pair<int, std::int64_t>> tries;  // attempt number, id
  tries.clear();
  auto job = context.range(0, 1, 1, 1).map([](std::int64_t n) {
    auto* self = TaskContext::get();
    {
      std::lock_guard lock(mutex);
      tries.emplace_back(self->attemptNumber(), self->taskAttemptId());
    }
    task = self->taskAttemptId();
    gate.pass();
    return n;
  }).countAsync();
  for (int i = 1; i <= 5; ++i) {  // local[4] allows one failure; this is none
    gate.waitFor(i);
    EXPECT_FALSE(context.killTaskAttempt(task + 7)) << "no such attempt";
    EXPECT_TRUE(context.killTaskAttempt(task, "for the test"));
  }
  gate.waitFor(6);
  EXPECT_FALSE(context.killTaskAttempt(-5));
  gate.open = true;
  EXPECT_EQ(job.get(), 1);
  ASSERT_EQ(tries.size(), 6u);
  std::set<std::int64_t> ids;
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(tries[std::size_t(i)].first, i);
    ids.insert(tries[std::size_t(i)].second);
  }
  EXPECT_EQ(ids.size(), 6u);
}

// ---- Pools ----

// One slot. The first job holds it until the second is there as well; then which task of which job ran when.
std::string orderOfTasks(const Conf& conf, const char* firstPool, const char* secondPool) {
  static std::mutex mutex;
  static std::string order;
  order.clear();
  gate.arrived = 0, gate.open = false;
  Context context(Conf(conf).setMaster("local[1]").setAppName("test"));
  auto tracker = context.statusTracker();
  auto job = [&](const char* pool, char name) {
    context.setLocalProperty("sluice.scheduler.pool", pool);
    return context.range(0, 8, 1, 8).map([name](std::int64_t n) {
      if (name == '1' && n == 0) gate.pass();
      std::lock_guard lock(mutex);
      order += name;
      return n;
    }).countAsync();
  };
  auto first = job(firstPool, '1');
  gate.waitFor(1);
  auto second = job(secondPool, '2');
  until([&] { return tracker.getStageInfo(1); }, [](const auto& stage) { return stage && stage->numTasks == 8; });
  gate.open = true;
  first.get(), second.get();
  return order;
}

using Pools = Gated;

TEST_F(Pools, InFifoModeOlderJobsComeFirst) { EXPECT_EQ(orderOfTasks(Conf(), "a", "b"), "1111111122222222"); }

TEST_F(Pools, InFairModePoolsTakeTurns) {
  // The slot had one more task of the first job at hand when the second came.
  EXPECT_EQ(orderOfTasks(Conf().set("sluice.scheduler.mode", "FAIR"), "a", "b"), "1121212121212122");
}

TEST_F(Pools, OfOnePoolOlderJobsComeFirst) {
  Conf fair = Conf().set("sluice.scheduler.mode", "FAIR");
  EXPECT_EQ(orderOfTasks(fair, "a", "a"), "1111111122222222");
  EXPECT_EQ(orderOfTasks(fair, nullptr, nullptr), "1111111122222222") << "of the pool default";
}

}  // namespace
}  // namespace sluice
