// Barrier stages as the master sees them: rounds, failures, losses, sessions.
#include <map>

#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

proto::Plan barrierOver(int partitions, std::uint64_t hash = 11, bool exchange = false) {
  PlanMaker p(hash);
  auto source = p.constant(partitions);
  auto step = p.step(source);
  p.plan.mutable_nodes(int(step) - 1)->set_barrier(true);
  p.plan.mutable_nodes(int(step) - 1)->set_name("mapPartitions"), p.plan.mutable_nodes(int(step) - 1)->set_site("a.cc:1");
  return p.output(exchange ? p.reduce(step, 2) : step).plan;
}

// A fleet of three executors of two slots, whose tasks do nothing until the test says so.
struct Meeting {
  explicit Meeting(std::vector<std::string> conf = {}) : fleet(3, 2, std::move(conf)) { fleet.paused = true; }

  // The newest attempts that were launched, by partition: executor and attempt.
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint32_t>> tasks(std::uint32_t stage = 0) const {
    std::map<std::uint32_t, std::pair<std::uint64_t, std::uint32_t>> found;
    for (const auto& [id, executor] : fleet.executors) {
      for (const auto& launch : executor->launches) {
        for (int i = 0; i < launch.tasks().stage_size(); ++i) {
          auto& newest = found[launch.tasks().partition(i)];
          if (launch.tasks().stage(i) == stage && launch.tasks().attempt(i) > newest.second) newest = {id, launch.tasks().attempt(i)};
        }
      }
    }
    return found;
  }
  EnvelopePtr wait(std::uint32_t partition, std::uint32_t round, const std::string& call = "barrier()", const std::string& text = "") const {
    return Fleet::messageOf(&proto::Message::mutable_barrier_wait, [&](proto::BarrierWait& wait) {
      auto [executor, attempt] = tasks().at(partition);
      wait.mutable_instance()->CopyFrom(fleet.executors.at(executor)->launches.back().instance());
      wait.set_template_hash(11), wait.set_stage(0), wait.set_when_ms(wait.instance().when_ms());
      wait.set_partition(partition), wait.set_attempt(attempt), wait.set_round(round), wait.set_call(call), wait.set_text(text);
    });
  }
  void say(std::uint32_t partition, const EnvelopePtr& envelope) { fleet.tell({Role::kExecutor, tasks().at(partition).first}, envelope); }
  void come(std::uint32_t partition, std::uint32_t round, const std::string& call = "barrier()", const std::string& text = "") {
    say(partition, wait(partition, round, call, text));
  }
  void leave(std::uint32_t partition) {
    auto envelope = wait(partition, 0);
    const_cast<proto::Message&>(envelope->message).mutable_barrier_wait()->set_left(true);
    say(partition, envelope);
  }
  void fail(std::uint32_t partition, const std::string& message) {
    auto [executor, attempt] = tasks().at(partition);
    fleet.tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_failed, [&, e = executor, a = attempt](proto::Failed& failed) {
                 *failed.mutable_instance() = fleet.executors.at(e)->launches.back().instance();
                 failed.set_executor(e), failed.set_stage(0), failed.set_when_ms(failed.instance().when_ms()), failed.set_partition(partition);
                 failed.set_attempt(a), failed.set_k(fleet.executors.at(e)->launches.back().k()), failed.set_domain(proto::DOMAIN_USER), failed.set_message(message);
               }));
    fleet.settle();
  }
  // What was sent to open gates since the last call, by executor.
  std::vector<std::pair<std::uint64_t, proto::BarrierOpen>> opened() {
    std::vector<std::pair<std::uint64_t, proto::BarrierOpen>> found;
    for (const auto& [to, envelope] : fleet.queue) {
      if (envelope->message.has_barrier_open()) found.emplace_back(to.id, envelope->message.barrier_open());
    }
    fleet.settle();
    return found;
  }

  Fleet fleet;
};

TEST(MasterBarrier, OpensARoundWhenAllHaveCome) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(4));
  ASSERT_EQ(meeting.tasks().size(), 4u);
  for (std::uint32_t p = 0; p < 3; ++p) meeting.come(p, 0, "start");
  EXPECT_TRUE(meeting.opened().empty());
  meeting.come(3, 0, "start");
  auto opened = meeting.opened();
  ASSERT_EQ(opened.size(), 3u) << "one message for each executor";
  std::size_t told = 0;
  for (const auto& [id, open] : opened) {
    EXPECT_EQ((std::vector<std::string>{open.texts().begin(), open.texts().end()}), (std::vector<std::string>{"host1", "host2", "host3", "host1"}));
    EXPECT_EQ(open.round(), 0u);
    told += std::size_t(open.partition_size());
  }
  EXPECT_EQ(told, 4u);
  for (std::uint32_t p = 0; p < 4; ++p) meeting.come(p, 1, "allGather()", std::string(1, char('a' + p)));
  opened = meeting.opened();
  ASSERT_EQ(opened.size(), 3u);
  EXPECT_EQ((std::vector<std::string>{opened[0].second.texts().begin(), opened[0].second.texts().end()}), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST(MasterBarrier, RepeatedWordsCountOnceAndLostAnswersAreGivenAgain) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(2));
  meeting.come(0, 0), meeting.come(0, 0), meeting.come(0, 0);
  EXPECT_TRUE(meeting.opened().empty());
  meeting.come(1, 0);
  EXPECT_EQ(meeting.opened().size(), 2u);
  meeting.come(0, 0);  // its executor had a new session
  auto again = meeting.opened();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].second.texts_size(), 2);
  meeting.come(1, 1);
  EXPECT_TRUE(meeting.opened().empty()) << "the other one is still in the round before";
}

TEST(MasterBarrier, OneRunsAtATime) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(4));
  meeting.fleet.runJob(2, barrierOver(4, 12));
  auto launched = [&](std::int64_t job) {
    int tasks = 0;
    for (const auto& [id, executor] : meeting.fleet.executors) {
      for (const auto& launch : executor->launches) tasks += launch.instance().when_ms() == -job ? launch.tasks().stage_size() : 0;
    }
    return tasks;
  };
  EXPECT_EQ(launched(1), 4);
  EXPECT_EQ(launched(2), 0);
  for (std::uint32_t p = 0; p < 3; ++p) meeting.leave(p), meeting.leave(p);
  meeting.fleet.settle();
  EXPECT_EQ(launched(2), 0);
  meeting.leave(3);
  meeting.fleet.settle();
  EXPECT_EQ(launched(2), 4);
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(1).size(), 4u);
  EXPECT_EQ(meeting.fleet.results(2).size(), 4u);
}

TEST(MasterBarrier, ACancelledJobMakesRoomForTheNext) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(4));
  meeting.fleet.runJob(2, barrierOver(4, 12));
  meeting.fleet.driver(Fleet::messageOf(&proto::Message::mutable_cancel_job, [](proto::CancelJob& cancel) { cancel.set_app(1), cancel.set_number(1); }));
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(2).size(), 4u);
}

TEST(MasterBarrier, NoExecutorGetsMoreTasksThanSlots) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(6));
  std::map<std::uint64_t, int> tasks;
  for (const auto& [partition, at] : meeting.tasks()) ++tasks[at.first];
  EXPECT_EQ(tasks, (std::map<std::uint64_t, int>{{1, 2}, {2, 2}, {3, 2}}));
}

TEST(MasterBarrier, MoreTasksThanSlotsFailTheJob) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(7));
  auto failed = meeting.fleet.received(proto::Message::kJobFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].job_failed().message(),
            "a barrier stage runs all its tasks at the same time: it needs 7 slots, and there are 6; give the application more, or repartition the data into fewer "
            "partitions");
  EXPECT_EQ(failed[0].job_failed().site(), "mapPartitions at a.cc:1");
}

TEST(MasterBarrier, AFailureStopsAllAndAllAreSentAgain) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(4));
  for (std::uint32_t p = 0; p < 4; ++p) meeting.come(p, 0);
  meeting.opened();
  meeting.come(0, 1);
  meeting.fail(2, "boom");
  std::size_t stops = 0;
  for (const auto& [id, executor] : meeting.fleet.executors) stops += executor->stops.size();
  EXPECT_EQ(stops, 4u);
  for (const auto& [partition, at] : meeting.tasks()) EXPECT_EQ(at.second, 2u) << partition;
  for (std::uint32_t p = 0; p < 4; ++p) meeting.come(p, 0);
  EXPECT_EQ(meeting.opened().size(), 3u) << "from the first round on";
  meeting.fail(1, "boom"), meeting.fail(3, "boom");
  EXPECT_TRUE(meeting.fleet.received(proto::Message::kJobFailed).empty());
  meeting.fail(0, "boom");
  ASSERT_EQ(meeting.fleet.received(proto::Message::kJobFailed).size(), 1u) << "four failures of the stage, whoever's";
  EXPECT_EQ(meeting.fleet.received(proto::Message::kJobFailed)[0].job_failed().message(), "boom");
}

TEST(MasterBarrier, ALostExecutorBeginsAllAnew) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(4));
  for (std::uint32_t p = 0; p < 4; ++p) meeting.come(p, 0);
  meeting.opened();
  meeting.fleet.kill(2);
  meeting.fleet.settle();
  auto tasks = meeting.tasks();
  for (std::uint32_t p = 0; p < 4; ++p) EXPECT_EQ(tasks[p].second, 2u) << p;
  for (std::uint32_t p = 0; p < 4; ++p) meeting.come(p, 0);
  EXPECT_EQ(meeting.opened().size(), 2u);
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(1).size(), 4u);
}

TEST(MasterBarrier, AnExchangeOfOneIsMadeAnewWhole) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(4, 11, true));
  meeting.fleet.kill(2);
  meeting.fleet.settle();
  for (const auto& [partition, at] : meeting.tasks()) EXPECT_EQ(at.second, 2u) << partition;
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(1).size(), 2u);
}

TEST(MasterBarrier, ALossBeforeAllHaveSlotsBeginsAnewToo) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(1));
  auto at = meeting.tasks().at(0).first;
  meeting.fleet.kill(at == 3 ? 2 : 3);  // no task was there, but what this one waits for might be made again in its slot
  meeting.fleet.settle();
  EXPECT_EQ(meeting.tasks().at(0).second, 2u);
}

TEST(MasterBarrier, WhoDoesNotComeInTimeFailsTheStage) {
  Meeting meeting({"sluice.barrier.sync.timeout=5s"});
  meeting.fleet.runJob(1, barrierOver(3));
  for (std::uint32_t p = 0; p < 3; ++p) meeting.come(p, 0);
  meeting.opened();
  meeting.fleet.advance(60'000);
  EXPECT_TRUE(meeting.opened().empty()) << "nobody waits";
  meeting.come(0, 1), meeting.come(2, 1);
  meeting.fleet.now = meeting.fleet.now + Seconds(5);
  for (auto& [name, at] : std::map(meeting.fleet.timers)) {
    if (at <= meeting.fleet.now) meeting.fleet.machine->onTimer(name, meeting.fleet.now);
  }
  auto opened = meeting.opened();
  ASSERT_EQ(opened.size(), 2u);
  EXPECT_EQ(opened[0].second.error(), "2 of 3 tasks came to barrier() within 5000 ms (sluice.barrier.sync.timeout), but not those of partitions 1");
}

TEST(MasterBarrier, DifferentCallsAndEarlyEndsAreErrors) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(3));
  for (std::uint32_t p = 0; p < 3; ++p) meeting.come(p, 0);
  meeting.opened();
  meeting.come(0, 1), meeting.come(1, 1), meeting.come(2, 1, "allGather()");
  auto opened = meeting.opened();
  ASSERT_EQ(opened.size(), 3u);
  EXPECT_EQ(opened[0].second.error(), "some tasks wait in barrier() and others in allGather(); all tasks of a barrier stage must make the same calls");
}

TEST(MasterBarrier, APlanThatChangesPartitionsInItIsRefused) {
  Meeting meeting;
  PlanMaker p(13);
  auto step = p.step(p.constant(4));
  p.plan.mutable_nodes(int(step) - 1)->set_barrier(true);
  meeting.fleet.runJob(1, p.output(p.coalesce(step, 2)).plan);
  meeting.fleet.runJob(2, barrierOver(4), true, {1});
  auto failed = meeting.fleet.received(proto::Message::kJobFailed);
  ASSERT_EQ(failed.size(), 2u);
  EXPECT_NE(failed[0].job_failed().message().find("changes within the stage"), std::string::npos) << failed[0].job_failed().message();
  EXPECT_NE(failed[1].job_failed().message().find("ask for some partitions only"), std::string::npos) << failed[1].job_failed().message();
}

}  // namespace
}  // namespace sluice::master
