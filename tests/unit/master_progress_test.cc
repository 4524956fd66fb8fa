// What a driver that watches is told of its jobs; stages and tasks by their numbers.
#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

// Six tasks that push to a default number of reducers.
proto::Plan wordCount() {
  PlanMaker p(11);
  auto maps = p.constant(4);
  p.plan.mutable_nodes(0)->set_name("parallelize"), p.plan.mutable_nodes(0)->set_site("a.cc:1");
  auto reduced = p.reduce(p.step(maps));
  p.plan.mutable_nodes(2)->set_name("reduceByKey"), p.plan.mutable_nodes(2)->set_site("a.cc:2");
  return p.output(reduced).plan;
}

struct MasterProgress : testing::Test {
  MasterProgress() { fleet.settle(); }
  void watch(bool on = true) {
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_watch, [&](proto::Watch& watch) { watch.set_app(1), watch.set_on(on); }));
  }
  std::vector<proto::Progress> told() {
    std::vector<proto::Progress> all;
    for (const auto& m : fleet.received(proto::Message::kProgress)) all.push_back(m.progress());
    return all;
  }
  void count(std::uint64_t executor, std::uint64_t job, std::uint32_t stage, std::uint32_t running, std::uint32_t done) {
    fleet.tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_task_counts, [&](proto::TaskCounts& counts) {
                 counts.set_app(1), counts.set_executor(executor), counts.set_stored_bytes(100 * executor), counts.set_memory_bytes(1000);
                 auto& s = *counts.add_stages();
                 s.mutable_instance()->set_app(1), s.mutable_instance()->set_when_ms(-std::int64_t(job));
                 s.set_template_hash(11), s.set_stage(stage), s.set_when_ms(-std::int64_t(job)), s.set_running(running), s.set_done(done);
               }));
    fleet.settle();
  }
  Fleet fleet;
};

TEST_F(MasterProgress, NobodyIsToldWhoDoesNotWatch) {
  fleet.runJob(1, wordCount());
  EXPECT_TRUE(told().empty());
  for (auto& [id, executor] : fleet.executors) EXPECT_TRUE(executor->watches.empty());
}

TEST_F(MasterProgress, TheFirstWordTellsWhatThereIs) {
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  watch();
  ASSERT_EQ(told().size(), 1u);
  auto first = told()[0];
  EXPECT_TRUE(first.first());
  ASSERT_EQ(first.jobs_size(), 1);
  EXPECT_EQ(first.jobs(0).number(), 1u);
  ASSERT_EQ(first.jobs(0).stages_size(), 2);
  EXPECT_EQ(first.jobs(0).stages(0).id(), 0u);
  EXPECT_EQ(first.jobs(0).stages(0).tasks(), 4u);
  EXPECT_EQ(first.jobs(0).stages(1).name(), "reduceByKey at a.cc:2");
  EXPECT_EQ(first.jobs(0).stages(1).tasks(), 6u);
  EXPECT_EQ(first.executors_size(), 3);
  EXPECT_EQ(first.executors(0).slots(), 2u);
  for (auto& [id, executor] : fleet.executors) EXPECT_EQ(executor->watches, (std::vector<bool>{true}));
}

TEST_F(MasterProgress, ExecutorsSayHowFarTheyAre) {
  watch();
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  count(1, 1, 0, 1, 1);
  count(2, 1, 0, 2, 0);
  fleet.advance(100);
  auto last = told().back();
  EXPECT_EQ(last.jobs(0).stages(0).running(), 3u);
  EXPECT_EQ(last.jobs(0).stages(0).done(), 1u);
  EXPECT_EQ(last.executors(0).running(), 1u);
  EXPECT_EQ(last.executors(1).running(), 2u);
  EXPECT_EQ(last.executors(1).stored_bytes(), 200u);
  EXPECT_EQ(last.executors(1).memory_bytes(), 1000u);
  count(1, 7, 0, 5, 5);  // nobody's job
  fleet.advance(100);
  EXPECT_EQ(told().back().jobs_size(), 1);
}

TEST_F(MasterProgress, ChangesAreToldEvery100Ms) {
  watch();
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  fleet.advance(1000);
  std::size_t before = told().size();
  for (std::uint32_t i = 0; i < 10; ++i) count(1, 1, 0, i, 0);
  EXPECT_EQ(told().size(), before + 1) << "the first at once";
  fleet.advance(99);
  EXPECT_EQ(told().size(), before + 1);
  fleet.advance(1);
  EXPECT_EQ(told().size(), before + 2) << "the others together";
  EXPECT_EQ(told().back().jobs(0).stages(0).running(), 4u) << "never more than there are tasks";
  fleet.advance(10'000);
  EXPECT_EQ(told().size(), before + 2) << "nothing has changed";
}

TEST_F(MasterProgress, AJobThatEndsIsToldOnceMore) {
  watch();
  fleet.runJob(1, wordCount());
  fleet.advance(1000);
  int ended = 0;
  for (const auto& progress : told()) {
    for (const auto& job : progress.jobs()) {
      if (!job.ended()) continue;
      ++ended;
      EXPECT_EQ(job.number(), 1u);
      for (const auto& stage : job.stages()) EXPECT_EQ(stage.done(), stage.tasks());
    }
  }
  EXPECT_EQ(ended, 1);
  auto done = fleet.received(proto::Message::kJobDone);
  EXPECT_EQ(std::vector<std::uint32_t>(done[0].job_done().stages().begin(), done[0].job_done().stages().end()), (std::vector<std::uint32_t>{0, 1}));
}

TEST_F(MasterProgress, FailedTasksAreCounted) {
  watch();
  fleet.fails = [](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t partition, std::uint32_t attempt) -> std::optional<proto::Failed> {
    if (stage.sink != Stage::Sink::kOutput || partition != 3 || attempt > 2) return {};
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_USER), failed.set_message("boom");
    return failed;
  };
  fleet.runJob(1, wordCount());
  fleet.advance(100);
  std::uint32_t failed = 0;
  for (const auto& progress : told()) {
    for (const auto& job : progress.jobs()) {
      for (const auto& stage : job.stages()) failed = std::max(failed, stage.failed());
    }
  }
  EXPECT_EQ(failed, 2u);
}

TEST_F(MasterProgress, WhoComesLateIsAskedToo) {
  watch();
  fleet.join(9);
  EXPECT_TRUE(fleet.executors[9]->watches.empty());
  fleet.settle();
  EXPECT_EQ(fleet.executors[9]->watches, (std::vector<bool>{true}));
  fleet.breakSession(2, 0);
  fleet.settle();
  EXPECT_EQ(fleet.executors[2]->watches, (std::vector<bool>{true, true})) << "it has forgotten";
}

TEST_F(MasterProgress, EndsWithTheWatch) {
  watch();
  watch(false);
  std::size_t before = told().size();
  fleet.runJob(1, wordCount());
  fleet.advance(1000);
  EXPECT_EQ(told().size(), before);
  for (auto& [id, executor] : fleet.executors) EXPECT_EQ(executor->watches, (std::vector<bool>{true, false}));
  watch();
  fleet.machine->onSession({Role::kDriver, 1}, false, fleet.now);
  fleet.settle();
  for (auto& [id, executor] : fleet.executors) EXPECT_EQ(executor->watches.back(), false) << "its driver is gone";
}

// ---- Stages and tasks by their numbers ----

TEST_F(MasterProgress, AStageThatIsCancelledTakesItsJobWithIt) {
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  fleet.runJob(2, wordCount(), false);
  auto cancel = [&](std::uint32_t stage) {
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_cancel_stage, [&](proto::CancelStage& c) {
      c.set_app(1), c.set_stage(stage), c.set_by("cancelStage at a.cc:1");
    }));
  };
  cancel(99);  // nobody's
  cancel(2);
  auto failed = fleet.received(proto::Message::kJobFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].job_failed().number(), 2u);
  EXPECT_EQ(failed[0].job_failed().domain(), proto::DOMAIN_CANCELLED);
  EXPECT_EQ(failed[0].job_failed().message(), "stage 2 was cancelled by cancelStage at a.cc:1");
  EXPECT_EQ(failed[0].job_failed().stages_size(), 2);
  fleet.paused = false;
  fleet.settle();
  EXPECT_EQ(fleet.results(1).size(), 6u);
}

TEST_F(MasterProgress, ATaskThatIsKilledIsTriedAgain) {
  Fleet calm;
  calm.runJob(1, wordCount());
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  auto kill = [&](std::uint64_t stage, std::uint64_t partition, std::uint64_t attempt) {
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_kill_task, [&](proto::KillTask& k) {
      k.set_app(1), k.set_request(5), k.set_task(stage << 32 | partition << 12 | attempt), k.set_by("killTaskAttempt at a.cc:1");
    }));
    return fleet.received(proto::Message::kTaskKilled).back().task_killed().found();
  };
  EXPECT_FALSE(kill(7, 0, 1)) << "no such stage";
  EXPECT_FALSE(kill(0, 9, 1)) << "no such partition";
  EXPECT_FALSE(kill(0, 1, 2)) << "no such attempt";
  // As often as one likes: it does not count as a failure.
  for (std::uint64_t attempt = 1; attempt <= 6; ++attempt) {
    ASSERT_TRUE(kill(1, 3, attempt));
    std::uint64_t at = 0;
    proto::StopTask stop;
    for (auto& [id, executor] : fleet.executors) {
      if (!executor->stops.empty()) at = id, stop = executor->stops.back(), executor->stops.clear();
    }
    ASSERT_NE(at, 0u);
    EXPECT_EQ(stop.partition(), 3u);
    EXPECT_EQ(stop.attempt(), attempt);
    fleet.tell({Role::kExecutor, at}, Fleet::messageOf(&proto::Message::mutable_failed, [&](proto::Failed& failed) {
                 *failed.mutable_instance() = stop.instance();
                 failed.set_k(std::uint32_t(attempt) - 1), failed.set_executor(at), failed.set_stage(stop.stage()), failed.set_when_ms(stop.when_ms());
                 failed.set_partition(stop.partition()), failed.set_attempt(stop.attempt()), failed.set_domain(proto::DOMAIN_CANCELLED);
               }));
    fleet.settle();
  }
  fleet.paused = false;
  fleet.settle();
  EXPECT_EQ(fleet.results(1), calm.results(1));
}

}  // namespace
}  // namespace sluice::master
