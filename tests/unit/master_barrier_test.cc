// Barrier stages as the master sees them: rounds, failures, losses, sessions.
#include <algorithm>
#include <map>

#include "master/state.h"
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

void makeBarrier(PlanMaker& p, std::uint32_t node, const std::string& site) {
  auto& made = *p.plan.mutable_nodes(int(node) - 1);
  made.set_barrier(true), made.set_name("mapPartitions"), made.set_site(site);
}

// A fleet whose tasks do nothing until the test says so.
struct Meeting {
  explicit Meeting(std::vector<std::string> conf = {}, int executors = 3, std::uint32_t slots = 2) : fleet(executors, slots, std::move(conf)) { fleet.paused = true; }

  struct Newest {
    std::uint64_t executor = 0;
    const proto::Launch* launch = nullptr;
    int at = -1;  // of its tasks
    std::uint32_t attempt() const { return launch->tasks().attempt(at); }
  };
  // The newest attempts of the stage that were launched, by partition.
  std::map<std::uint32_t, Newest> newest() const {
    std::map<std::uint32_t, Newest> found;
    for (const auto& [id, executor] : fleet.executors) {
      for (const auto& launch : executor->launches) {
        for (int i = 0; i < launch.tasks().stage_size(); ++i) {
          if (launch.tasks().stage(i) != stage) continue;
          auto& newest = found[launch.tasks().partition(i)];
          if (!newest.launch || launch.tasks().attempt(i) > newest.attempt()) newest = {id, &launch, i};
        }
      }
    }
    return found;
  }
  // Their executors and attempts.
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint32_t>> tasks() const {
    std::map<std::uint32_t, std::pair<std::uint64_t, std::uint32_t>> found;
    for (const auto& [partition, task] : newest()) found[partition] = {task.executor, task.attempt()};
    return found;
  }
  EnvelopePtr wait(std::uint32_t partition, std::uint32_t round, const std::string& call = "barrier()", const std::string& text = "") const {
    return Fleet::messageOf(&proto::Message::mutable_barrier_wait, [&](proto::BarrierWait& wait) {
      Newest task = newest().at(partition);
      wait.mutable_instance()->CopyFrom(task.launch->instance());
      wait.set_template_hash(task.launch->template_hash()), wait.set_stage(stage), wait.set_when_ms(task.launch->tasks().when_ms(task.at));
      wait.set_partition(partition), wait.set_attempt(task.attempt()), wait.set_round(round), wait.set_call(call), wait.set_text(text);
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
    failed(partition, [&](proto::Failed& failed) { failed.set_domain(proto::DOMAIN_USER), failed.set_message(message); });
  }
  // A kept value that the task read is not there any more.
  void lose(std::uint32_t partition, ValueId value) {
    failed(partition, [&](proto::Failed& failed) {
      failed.set_domain(proto::DOMAIN_LOST);
      auto& missing = *failed.add_missing();
      missing.set_node(value.node), missing.set_when_ms(value.whenMs), missing.set_partition(value.partition);
    });
  }
  template <class Fill> void failed(std::uint32_t partition, Fill fill) {
    Newest task = newest().at(partition);
    fleet.tell({Role::kExecutor, task.executor}, Fleet::messageOf(&proto::Message::mutable_failed, [&](proto::Failed& failed) {
                 *failed.mutable_instance() = task.launch->instance();
                 failed.set_executor(task.executor), failed.set_stage(stage), failed.set_when_ms(task.launch->tasks().when_ms(task.at));
                 failed.set_partition(partition), failed.set_attempt(task.attempt()), failed.set_k(task.launch->k());
                 fill(failed);
               }));
    fleet.settle();
  }
  std::vector<proto::Message> failures() const { return fleet.received(proto::Message::kJobFailed); }
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
  std::uint32_t stage = 0;  // that the above is about
};

// The errors that the partition's task was told.
std::vector<std::string> toldTo(std::uint32_t partition, const std::vector<std::pair<std::uint64_t, proto::BarrierOpen>>& opened) {
  std::vector<std::string> errors;
  for (const auto& [id, open] : opened) {
    if (std::count(open.partition().begin(), open.partition().end(), partition) > 0) errors.push_back(open.error());
  }
  return errors;
}

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

// ---- what is in the way of others ----

// Two outputs, each of a barrier stage of its own.
proto::Plan twoOutputs(int first = 2, int second = 2) {
  PlanMaker p(31, 1000);
  auto a = p.step(p.batches({first})), b = p.step(p.batches({second}));
  makeBarrier(p, a, "a.cc:1"), makeBarrier(p, b, "b.cc:2");
  return p.output(a, proto::OUTPUT_PRINT).output(b, proto::OUTPUT_PRINT).plan;
}

std::string errorOfBatch(const Fleet& fleet) {
  auto done = fleet.received(proto::Message::kBatchDone);
  return done.empty() ? "not done" : done[0].batch_done().error();
}

TEST(MasterBarrier, AnAbandonedOutputLetsTheNextOneBegin) {
  Meeting meeting;
  meeting.fleet.startStream(twoOutputs());
  meeting.fleet.advance(1000);
  ASSERT_EQ(meeting.tasks().size(), 2u);
  for (int i = 0; i < 4; ++i) meeting.fail(0, "boom");
  for (const auto& [partition, at] : meeting.tasks()) {
    const auto& stops = meeting.fleet.executors.at(at.first)->stops;
    EXPECT_TRUE(std::any_of(stops.begin(), stops.end(), [&](const auto& stop) { return stop.partition() == partition && stop.attempt() == 4; })) << partition;
  }
  meeting.stage = 1;
  ASSERT_EQ(meeting.tasks().size(), 2u) << "the slots are free";
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(errorOfBatch(meeting.fleet), "boom");
  EXPECT_NE(meeting.fleet.printed.find("Time: "), std::string::npos) << "the other one is there";
}

TEST(MasterBarrier, SoDoesOneWhoseInputsFailBeforeItsTasksRun) {
  PlanMaker p(32, 1000);
  auto a = p.reduce(p.step(p.batches({2})), 2), b = p.step(p.batches({2}));
  makeBarrier(p, a, "a.cc:1"), makeBarrier(p, b, "b.cc:2");
  Meeting meeting;
  meeting.fleet.startStream(p.output(a, proto::OUTPUT_PRINT).output(b, proto::OUTPUT_PRINT).plan);
  meeting.fleet.advance(1000);
  meeting.stage = 1;
  ASSERT_EQ(meeting.tasks().size(), 2u) << "they wait for the maps";
  meeting.stage = 2;
  ASSERT_TRUE(meeting.tasks().empty());
  meeting.stage = 0;
  for (int i = 0; i < 4; ++i) meeting.fail(0, "boom");
  meeting.stage = 2;
  EXPECT_EQ(meeting.tasks().size(), 2u);
}

TEST(MasterBarrier, GivesWayToOneThatItsInputsNeed) {
  PlanMaker p(33);
  auto kept = p.step(p.constant(2));
  p.keep(kept);
  auto second = p.reduce(p.step(kept), 2);
  makeBarrier(p, kept, "a.cc:1"), makeBarrier(p, second, "b.cc:2");
  Meeting meeting;
  meeting.fleet.runJob(1, p.output(second).plan);
  meeting.fleet.runTasks();
  meeting.leave(0), meeting.leave(1);
  meeting.fleet.settle();
  meeting.stage = 1;
  ASSERT_EQ(meeting.tasks().size(), 2u) << "maps";
  meeting.stage = 2;
  ASSERT_EQ(meeting.tasks().size(), 2u) << "begun before its inputs are there";
  meeting.stage = 1;
  meeting.lose(0, {kept, 0, 0});
  meeting.stage = 0;
  ASSERT_EQ(meeting.tasks().at(0).second, 2u) << "the value is made again";
  ASSERT_EQ(meeting.tasks().at(1).second, 2u);
  meeting.fleet.runTasks();
  meeting.leave(0), meeting.leave(1);
  meeting.fleet.settle();
  meeting.stage = 2;
  EXPECT_EQ(meeting.tasks().at(0).second, 2u) << "it is its turn again";
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(1).size(), 2u) << meeting.fleet.stuck();
}

TEST(MasterBarrier, TheEndOfTheApplicationEndsItsTimers) {
  Meeting meeting;
  auto armed = [&] { return std::count_if(meeting.fleet.timers.begin(), meeting.fleet.timers.end(), [](const auto& timer) { return timer.first.kind == kBarrierTimer; }); };
  meeting.fleet.runJob(1, barrierOver(2));
  meeting.come(0, 0), meeting.come(1, 0), meeting.opened();
  meeting.come(0, 1);
  EXPECT_EQ(armed(), 1);
  meeting.fleet.driver(Fleet::messageOf(&proto::Message::mutable_end_app, [](proto::EndApp& end) { end.set_app(1); }));
  EXPECT_EQ(armed(), 0);
}

// ---- crashes, tries ----

TEST(MasterBarrier, CrashesOfTasksCount) {
  Meeting meeting({}, 6, 1);
  meeting.fleet.runJob(1, barrierOver(2));
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(meeting.failures().empty()) << i;
    meeting.fleet.kill(meeting.tasks().at(0).first, "in mapPartitions at a.cc:1");
    meeting.fleet.settle();
    if (i == 0) {
      EXPECT_TRUE(meeting.newest().at(0).launch->cautious()) << "one record at a time";
    }
  }
  ASSERT_EQ(meeting.failures().size(), 1u) << "it does not walk through the cluster";
  EXPECT_EQ(meeting.failures()[0].job_failed().message(), "in mapPartitions at a.cc:1 (killed by signal 9)");
}

TEST(MasterBarrier, EachJobHasTriesOfItsOwn) {
  PlanMaker p(34);
  auto kept = p.step(p.constant(2));
  p.keep(kept);
  makeBarrier(p, kept, "a.cc:1");
  auto plan = p.output(p.step(kept)).plan;
  Meeting meeting;
  meeting.fleet.runJob(1, plan);
  for (int i = 0; i < 4; ++i) meeting.fail(0, "boom");
  ASSERT_EQ(meeting.failures().size(), 1u);
  meeting.fleet.runJob(2, plan);
  for (int i = 0; i < 3; ++i) meeting.fail(0, "boom");
  EXPECT_EQ(meeting.failures().size(), 1u);
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(2).size(), 2u);
}

TEST(MasterBarrier, ARetryGoesWhereItHasNotFailedIfThereIsRoom) {
  Meeting meeting({}, 4, 1);
  meeting.fleet.runJob(1, barrierOver(3));
  meeting.fail(0, "boom");
  auto failed = meeting.tasks().at(1).first;
  meeting.fail(1, "boom");
  EXPECT_NE(meeting.tasks().at(1).first, failed);
}

// ---- sessions ----

TEST(MasterBarrier, ATaskThatMissedItsStopIsToldWhenItAsks) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(4));
  auto [executor, attempt] = meeting.tasks().at(1);
  ASSERT_NE(meeting.tasks().at(0).first, executor);
  auto old = meeting.wait(1, 0);
  meeting.fleet.machine->onSession({Role::kExecutor, executor}, false, meeting.fleet.now);
  meeting.fail(0, "boom");
  meeting.fleet.join(executor, true);
  meeting.fleet.settle();
  auto& stops = meeting.fleet.executors.at(executor)->stops;
  ASSERT_TRUE(stops.empty()) << "it was lost with the session";
  meeting.fleet.tell({Role::kExecutor, executor}, old);
  meeting.fleet.settle();
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].partition(), 1u);
  EXPECT_EQ(stops[0].attempt(), attempt);
}

struct Refused : Meeting {
  Refused() : Meeting({"sluice.barrier.sync.timeout=5s"}) {
    fleet.runJob(1, barrierOver(3));
    for (std::uint32_t p = 0; p < 3; ++p) come(p, 0);
    opened();
    come(0, 1), come(2, 1);
    fleet.now = fleet.now + Seconds(5);
    for (auto& [name, at] : std::map(fleet.timers)) {
      if (at <= fleet.now) fleet.machine->onTimer(name, fleet.now);
    }
  }
  const std::string error = "2 of 3 tasks came to barrier() within 5000 ms (sluice.barrier.sync.timeout), but not those of partitions 1";
};

TEST(MasterBarrier, ARefusalThatWasLostIsSaidAgain) {
  Refused meeting;
  meeting.fleet.breakSession(meeting.tasks().at(0).first, 1);
  ASSERT_TRUE(toldTo(0, meeting.opened()).empty());
  meeting.come(0, 1);
  EXPECT_EQ(toldTo(0, meeting.opened()), std::vector<std::string>{meeting.error});
}

TEST(MasterBarrier, WhoComesTooLateFailsAsTheOthersDid) {
  Refused meeting;
  meeting.opened();
  meeting.come(1, 1);
  auto opened = meeting.opened();
  EXPECT_EQ(toldTo(1, opened), std::vector<std::string>{meeting.error});
  EXPECT_EQ(opened.size(), 1u) << "the round does not open any more";
}

// ---- slots ----

TEST(MasterBarrier, ExecutorsThatAreOnTheirWayAreWaitedFor) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(6));
  meeting.fleet.machine->addExecutor(AppId{1}, ExecutorId{4});
  meeting.fleet.kill(2);
  meeting.fleet.settle();
  EXPECT_TRUE(meeting.failures().empty());
  meeting.fleet.join(4);
  meeting.fleet.settle();
  for (const auto& [partition, at] : meeting.tasks()) EXPECT_EQ(at.second, 2u) << partition;
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(1).size(), 6u) << meeting.fleet.stuck();
}

TEST(MasterBarrier, ExecutorsThatJoinedLaterCount) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(6));
  meeting.fleet.join(4);
  meeting.fleet.kill(2);
  meeting.fleet.paused = false;
  meeting.fleet.settle();
  EXPECT_EQ(meeting.fleet.results(1).size(), 6u) << meeting.fleet.stuck();
}

TEST(MasterBarrier, ALossThatNobodyMakesUpForFailsTheJob) {
  Meeting meeting;
  meeting.fleet.runJob(1, barrierOver(6));
  meeting.fleet.kill(2);
  meeting.fleet.settle();
  ASSERT_EQ(meeting.failures().size(), 1u);
  EXPECT_NE(meeting.failures()[0].job_failed().message().find("it needs 6 slots, and there are 4; give"), std::string::npos)
      << meeting.failures()[0].job_failed().message();
}

TEST(MasterBarrier, TooFewSlotsAbandonOnlyWhatNeedsThem) {
  Meeting meeting;
  meeting.fleet.paused = false;
  meeting.fleet.startStream(twoOutputs(2, 7));
  meeting.fleet.advance(1000);
  meeting.stage = 0;
  meeting.fleet.settle();
  EXPECT_NE(errorOfBatch(meeting.fleet).find("it needs 7 slots, and there are 6;"), std::string::npos) << errorOfBatch(meeting.fleet);
  EXPECT_NE(errorOfBatch(meeting.fleet).find("mapPartitions at b.cc:2: "), std::string::npos) << errorOfBatch(meeting.fleet);
  EXPECT_NE(meeting.fleet.printed.find("Time: "), std::string::npos) << "the other one is there";
}

TEST(MasterBarrier, TheStageThatNeedsTooManyIsNamed) {
  PlanMaker p(35);
  auto first = p.step(p.constant(2));
  auto second = p.reduce(first, 7);
  makeBarrier(p, first, "a.cc:1"), makeBarrier(p, second, "b.cc:2");
  Meeting meeting;
  meeting.fleet.runJob(1, p.output(second).plan);
  ASSERT_EQ(meeting.failures().size(), 1u);
  EXPECT_EQ(meeting.failures()[0].job_failed().site(), "mapPartitions at b.cc:2");
}

}  // namespace
}  // namespace sluice::master
