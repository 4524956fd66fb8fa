// What a driver that listens is told of jobs and their tasks.
#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

using Event = proto::AppEvent;

// Four tasks that push to two.
proto::Plan wordCount() {
  PlanMaker p(11);
  return p.output(p.reduce(p.step(p.constant(4)), 2)).plan;
}

// Executors run nothing by themselves: a test says what they tell of their tasks.
struct MasterListening : testing::Test {
  MasterListening() {
    fleet.settle();
    fleet.paused = true;
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_listen, [](proto::Listen& listen) { listen.set_app(1), listen.set_on(true); }));
  }
  std::vector<Event> told() const {
    std::vector<Event> all;
    for (const auto& m : fleet.received(proto::Message::kAppEvents)) all.insert(all.end(), m.app_events().events().begin(), m.app_events().events().end());
    return all;
  }
  std::vector<Event> told(Event::Kind kind) const {
    auto all = told();
    std::erase_if(all, [&](const Event& event) { return event.kind() != kind; });
    return all;
  }
  std::size_t jobsEnded() const { return told(Event::JOB_ENDED).size(); }
  // The executor and the partition of a task of the job's first stage.
  std::pair<std::uint64_t, std::uint32_t> someTask(std::uint64_t job) const {
    for (const auto& [id, executor] : fleet.executors) {
      for (const auto& launch : executor->launches) {
        for (int i = 0; i < launch.tasks().stage_size(); ++i) {
          if (launch.instance().when_ms() == -std::int64_t(job) && launch.tasks().stage(i) == 0) return {id, launch.tasks().partition(i)};
        }
      }
    }
    return {0, 0};
  }
  void fill(std::uint64_t job, proto::InstanceId& id) const {
    for (const auto& [executor, fake] : fleet.executors) {
      for (const auto& launch : fake->launches) {
        if (launch.instance().when_ms() == -std::int64_t(job)) id = launch.instance();
      }
    }
  }
  void fill(std::uint64_t job, std::uint32_t partition, proto::TaskRecord& record) const {
    record.set_stage(0), record.set_when_ms(-std::int64_t(job)), record.set_partition(partition), record.set_attempt(1), record.set_started_ms(5);
  }
  void starts(std::uint64_t job, std::uint64_t executor, std::uint32_t partition) {
    fleet.tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_tasks_started, [&](proto::TasksStarted& started) {
                 fill(job, *started.mutable_instance());
                 started.set_executor(executor);
                 fill(job, partition, *started.add_tasks());
               }));
    fleet.settle();
  }
  void ends(std::uint64_t job, std::uint64_t executor, std::uint32_t partition) {
    fleet.tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_prepared, [&](proto::Prepared& prepared) {
                 fill(job, *prepared.mutable_instance());
                 prepared.set_executor(executor);
                 auto& record = *prepared.add_ended();
                 fill(job, partition, record);
                 record.set_ended_ms(6), record.mutable_metrics()->set_run_us(7);
               }));
    fleet.settle();
  }
  void lastWord(std::uint64_t job, std::uint64_t executor) {
    fleet.tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_tasks_started, [&](proto::TasksStarted& started) {
                 fill(job, *started.mutable_instance());
                 started.set_executor(executor), started.set_last(true);
               }));
    fleet.settle();
  }
  void cancel(std::uint64_t job) {
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_cancel_job, [&](proto::CancelJob& cancel) { cancel.set_app(1), cancel.set_number(job); }));
  }
  Fleet fleet{3, 2, {"sluice.task.maxFailures=1"}};
};

TEST_F(MasterListening, NothingIsToldOfTasksThatNeverRan) {
  fleet.runJob(1, wordCount());
  auto [executor, partition] = someTask(1);
  starts(1, executor, partition);
  cancel(1);
  fleet.advance(1000);
  ASSERT_EQ(told(Event::TASK_STARTED).size(), 1u);
  ASSERT_EQ(told(Event::TASK_ENDED).size(), 1u);
  EXPECT_EQ(told(Event::TASK_ENDED)[0].task().end(), Event::KILLED);
  EXPECT_EQ(told(Event::TASK_ENDED)[0].task().partition(), partition);
  ASSERT_EQ(jobsEnded(), 1u);
  EXPECT_NE(told(Event::JOB_ENDED)[0].job().failure(), "");
}

TEST_F(MasterListening, NorOfThoseThatGoWithTheirExecutor) {
  fleet.runJob(1, wordCount());
  auto [executor, partition] = someTask(1);
  starts(1, executor, partition);
  fleet.kill(executor);
  fleet.settle();
  ASSERT_EQ(told(Event::TASK_ENDED).size(), 1u);
  EXPECT_EQ(told(Event::TASK_ENDED)[0].task().end(), Event::EXECUTOR_LOST);
}

TEST_F(MasterListening, AJobThatFailsWaitsForLastWords) {
  fleet.runJob(1, wordCount());
  auto [executor, partition] = someTask(1);
  starts(1, executor, partition);
  cancel(1);
  EXPECT_EQ(jobsEnded(), 0u);
  ends(1, executor, partition);
  ASSERT_EQ(told(Event::TASK_ENDED).size(), 1u);
  EXPECT_EQ(told(Event::TASK_ENDED)[0].task().end(), Event::WELL);
  EXPECT_EQ(told(Event::TASK_ENDED)[0].task().metrics().run_us(), 7u);
  EXPECT_EQ(jobsEnded(), 0u);
  for (std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(jobsEnded(), 0u);
    lastWord(1, id);
  }
  EXPECT_EQ(jobsEnded(), 1u) << "nobody has more to tell";
  EXPECT_EQ(told(Event::TASK_ENDED).size(), 1u);
}

TEST_F(MasterListening, EachJobWaitsForASecond) {
  fleet.runJob(1, wordCount());
  fleet.runJob(2, wordCount(), false);
  auto [executor, partition] = someTask(1);
  starts(1, executor, partition);
  cancel(1);
  fleet.advance(999);
  auto [other, same] = someTask(2);
  starts(2, other, same);
  cancel(2);
  EXPECT_EQ(jobsEnded(), 0u);
  fleet.advance(1);
  ASSERT_EQ(jobsEnded(), 1u);
  EXPECT_EQ(told(Event::JOB_ENDED)[0].job().number(), 1u);
  fleet.advance(998);
  EXPECT_EQ(jobsEnded(), 1u);
  fleet.advance(1);
  EXPECT_EQ(jobsEnded(), 2u);
}

TEST_F(MasterListening, WhatIsKnownOfAJobIsToldBeforeItsAnswer) {
  fleet.runJob(1, wordCount());
  fleet.toDriver.clear();
  auto [executor, failing] = someTask(1);
  fleet.tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_failed, [&, partition = failing, at = executor](proto::Failed& failed) {
               fill(1, *failed.mutable_instance());
               failed.set_when_ms(-1), failed.set_partition(partition), failed.set_attempt(1), failed.set_domain(proto::DOMAIN_USER);
               failed.set_executor(at);
             }));
  fleet.settle();
  std::vector<proto::Message::BodyCase> order;
  for (const auto& envelope : fleet.toDriver) order.push_back(envelope->message.body_case());
  ASSERT_GE(order.size(), 2u);
  EXPECT_EQ(order[0], proto::Message::kAppEvents) << "of the task that failed";
  EXPECT_EQ(order[1], proto::Message::kJobFailed);
}

}  // namespace
}  // namespace sluice::master
