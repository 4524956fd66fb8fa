// Jobs: templates, results, retries, lost executors.
#include <map>

#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

proto::Plan wordCount(std::uint64_t hash = 11, bool cached = false) {
  PlanMaker p(hash);
  auto words = p.step(p.constant(6));
  auto counts = p.reduce(words);
  if (cached) p.keep(counts);
  return p.output(p.step(counts)).plan;
}

// Twelve rounds of shuffle, a union and a coalesce on the way.
proto::Plan deepPlan() {
  PlanMaker p(12);
  auto a = p.reduce(p.step(p.constant(5)), 4);
  auto b = p.reduce(p.step(a), 7);
  auto& both = p.node(proto::NODE_UNION);
  p.edge(both, a), p.edge(both, b);
  auto few = p.coalesce(both.id(), 3);
  auto c = p.reduce(few, 0);
  auto all = p.reduce(c, 1, proto::EXCHANGE_GATHER);
  auto& joined = p.node(proto::NODE_PULL);
  p.edge(joined, c), p.edge(joined, b, proto::EXCHANGE_BROADCAST);
  auto& last = p.node(proto::NODE_UNION);
  p.edge(last, joined.id()), p.edge(last, all);
  return p.output(last.id()).plan;
}

TEST(MasterJob, GivesResultsByPartition) {
  Fleet fleet;
  fleet.runJob(1, wordCount());
  ASSERT_EQ(fleet.results(1).size(), 6u);  // one partition for each slot
  auto done = fleet.received(proto::Message::kJobDone);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].job_done().partitions(), 6u);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(done[0].job_done().results(i).partition(), std::uint32_t(i));
  EXPECT_EQ(fleet.count(proto::JournalRecord::kDecided), 0);  // jobs leave no trace
}

TEST(MasterJob, SendsThePlanOnce) {
  Fleet fleet;
  fleet.runJob(1, wordCount());
  fleet.runJob(2, wordCount(), false);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
  for (auto& [id, executor] : fleet.executors) EXPECT_EQ(executor->launches.size(), 2u);
}

TEST(MasterJob, AsksForAPlanItDoesNotHold) {
  Fleet fleet;
  fleet.runJob(1, wordCount(), false);
  ASSERT_EQ(fleet.received(proto::Message::kNeedPlan).size(), 1u);
  fleet.runJob(1, wordCount());
  EXPECT_EQ(fleet.results(1).size(), 6u);
}

TEST(MasterJob, RunsASubsetOfPartitions) {
  Fleet fleet;
  fleet.runJob(1, wordCount());
  fleet.runJob(2, wordCount(), false, {2, 4});
  auto all = fleet.results(1), some = fleet.results(2);
  EXPECT_EQ(some, (std::map<std::uint32_t, std::string>{{2, all[2]}, {4, all[4]}}));
}

TEST(MasterJob, ComputesCachedValuesOnce) {
  Fleet fleet;
  fleet.runJob(1, wordCount(11, true));
  std::size_t kept = 0;
  for (auto& [id, executor] : fleet.executors) kept += executor->kept.size();
  EXPECT_EQ(kept, 6u);
  for (auto& [id, executor] : fleet.executors) executor->launches.clear();
  fleet.runJob(2, wordCount(11, true), false);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
  int tasks = 0;
  for (auto& [id, executor] : fleet.executors) {
    for (const auto& launch : executor->launches) tasks += launch.tasks().stage_size();
  }
  EXPECT_EQ(tasks, 6);  // only what reads them
}

TEST(MasterJob, RecomputesLostCachedValues) {
  Fleet fleet;
  fleet.runJob(1, wordCount(11, true));
  fleet.kill(2);
  fleet.runJob(2, wordCount(11, true), false);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
}

TEST(MasterJob, RetriesAFailedTaskElsewhereAndCautiously) {
  Fleet fleet;
  std::vector<std::uint64_t> tried;
  fleet.fails = [&](std::uint64_t executor, const Stage& stage, std::int64_t, std::uint32_t partition, std::uint32_t) -> std::optional<proto::Failed> {
    if (stage.sink != Stage::Sink::kOutput || partition != 3) return {};
    tried.push_back(executor);
    if (tried.size() > 2) return {};
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_USER), failed.set_message("boom"), failed.set_site("map at a.cc:1");
    return failed;
  };
  fleet.runJob(1, wordCount());
  ASSERT_EQ(tried.size(), 3u);
  EXPECT_NE(tried[0], tried[1]);
  EXPECT_NE(tried[1], tried[2]);
  auto cautious = [&](std::uint64_t id) {
    const auto& launches = fleet.executors[id]->launches;
    return std::count_if(launches.begin(), launches.end(), [](const auto& launch) { return launch.cautious(); });
  };
  EXPECT_EQ(cautious(tried[1]), 1);
  EXPECT_EQ(cautious(tried[2]), 1 + (tried[2] == tried[1]));
  Fleet calm;
  calm.runJob(1, wordCount());
  EXPECT_EQ(fleet.results(1), calm.results(1));
}

TEST(MasterJob, FailsAfterTheLastTry) {
  for (bool map : {false, true}) {
    Fleet fleet;
    int tries = 0;
    fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t partition, std::uint32_t) -> std::optional<proto::Failed> {
      if ((stage.sink == Stage::Sink::kExchange) != map || partition != 0) return {};
      ++tries;
      proto::Failed failed;
      failed.set_domain(proto::DOMAIN_USER), failed.set_message("boom"), failed.set_site("map at a.cc:1");
      return failed;
    };
    fleet.runJob(1, wordCount());
    auto failed = fleet.received(proto::Message::kJobFailed);
    ASSERT_EQ(failed.size(), 1u);
    EXPECT_EQ(failed[0].job_failed().message(), "boom");
    EXPECT_EQ(failed[0].job_failed().site(), "map at a.cc:1");
    EXPECT_EQ(failed[0].job_failed().domain(), proto::DOMAIN_USER);
    EXPECT_EQ(tries, 4);
    fleet.fails = nullptr;
    fleet.runJob(2, wordCount(), false);
    EXPECT_EQ(fleet.results(2).size(), 6u);
  }
}

// Any interleaving of messages and tasks, executors lost and joining in between: what comes out is what comes out without.
TEST(MasterJob, HealsFromLossInAnyInterleaving) {
  for (const auto& plan : {wordCount(), wordCount(11, true), deepPlan()}) {
    Fleet calm(4);
    calm.runJob(1, plan);
    auto expected = calm.results(1);
    for (std::uint64_t seed = 1; seed <= seeds(400); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " template " + std::to_string(plan.template_hash()));
      Fleet fleet(4);
      fleet.settle();
      fleet.randomly(seed);
      for (std::uint64_t job = 1; job <= 2; ++job) {
        fleet.askForJob(job, plan);
        fleet.settleRandomly(30);
      }
      for (std::uint64_t victim = 1; victim <= 3; ++victim) {
        fleet.breakSession(4, int(fleet.random() % 4));
        fleet.settleRandomly(10);
        fleet.kill(victim);
        fleet.settleRandomly(15);
        if (victim == 2) fleet.join(9);
      }
      fleet.settle();
      ASSERT_EQ(fleet.results(1), expected) << fleet.stuck();
      ASSERT_EQ(fleet.results(2), expected);
    }
  }
}

// Executors die after each possible number of deliveries.
TEST(MasterJob, HealsFromLossAtAnyMoment) {
  for (const auto& plan : {wordCount(), wordCount(11, true), deepPlan()}) {
    Fleet calm;
    calm.runJob(1, plan);
    auto expected = calm.results(1);
    ASSERT_FALSE(expected.empty());
    for (int moment = 0; moment < 60; ++moment) {
      for (std::uint64_t victim : {1, 2, 3}) {
        Fleet fleet;
        fleet.askForJob(1, plan);
        fleet.settle(moment);
        fleet.kill(victim);
        fleet.settle(3);
        if (moment % 3 == 0) fleet.kill(victim % 3 + 1);
        fleet.settle();
        EXPECT_EQ(fleet.results(1), expected) << "template " << plan.template_hash() << " moment " << moment << " victim " << victim;
      }
    }
  }
}

TEST(MasterJob, WaitsForAnExecutorIfAllAreLost) {
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  for (std::uint64_t id : {1, 2, 3}) fleet.kill(id);
  fleet.paused = false;
  fleet.settle();
  EXPECT_TRUE(fleet.results(1).empty());
  fleet.join(4);
  fleet.settle();
  EXPECT_EQ(fleet.results(1).size(), 6u);
}

TEST(MasterJob, RecomputesWhatIsReportedLost) {
  Fleet fleet;
  fleet.runJob(1, wordCount(11, true));
  auto expected = fleet.results(1);
  // Executor 1 has dropped a value without having been asked to.
  ASSERT_FALSE(fleet.executors[1]->kept.empty());
  ValueId gone = fleet.executors[1]->kept.begin()->first;
  bool once = false;
  fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t partition, std::uint32_t) -> std::optional<proto::Failed> {
    if (stage.sink != Stage::Sink::kOutput || partition != gone.partition || once) return {};
    once = true;
    fleet.executors[1]->kept.erase(gone);
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_LOST);
    auto* missing = failed.add_missing();
    missing->set_node(gone.node), missing->set_when_ms(gone.whenMs), missing->set_partition(gone.partition);
    return failed;
  };
  fleet.runJob(2, wordCount(11, true), false);
  EXPECT_TRUE(once);
  EXPECT_EQ(fleet.results(2), expected);
}

// Who has a copy is asked next, and a place that is not true any more costs nothing.
TEST(MasterJob, WhatIsNotWhereATaskLookedIsReadFromACopy) {
  for (bool stale : {false, true}) {
    SCOPED_TRACE(stale);
    Fleet fleet;
    fleet.runJob(1, wordCount(11, true));
    auto expected = fleet.results(1);
    auto [gone, content] = *fleet.executors[1]->kept.begin();
    if (!stale) {
      fleet.executors[2]->kept[gone] = content;
      fleet.tell({Role::kExecutor, 2}, Fleet::messageOf(&proto::Message::mutable_kept_copied, [&, gone = gone](proto::KeptCopied& copied) {
        copied.set_app(1);
        auto& value = *copied.mutable_value();
        value.set_node(gone.node), value.set_when_ms(gone.whenMs), value.set_partition(gone.partition), value.set_executor(2);
      }));
    }
    bool once = false;
    int made = 0;
    fleet.fails = [&, gone = gone](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t partition, std::uint32_t) -> std::optional<proto::Failed> {
      made += stage.sink == Stage::Sink::kKeep;
      if (stage.sink != Stage::Sink::kOutput || partition != gone.partition || once) return {};
      once = true;
      if (!stale) fleet.executors[1]->kept.erase(gone);
      proto::Failed failed;
      failed.set_domain(proto::DOMAIN_LOST);
      auto* missing = failed.add_missing();
      missing->set_node(gone.node), missing->set_when_ms(gone.whenMs), missing->set_partition(gone.partition);
      missing->set_executor(stale ? 3 : 1);
      return failed;
    };
    fleet.runJob(2, wordCount(11, true), false);
    EXPECT_TRUE(once);
    EXPECT_EQ(made, 0) << "nothing is computed again";
    EXPECT_EQ(fleet.results(2), expected);
  }
}

// An executor is lost: each task of a wide job finds that something is gone.
TEST(MasterJob, ManyTasksMayLackWhatTheyRead) {
  Fleet fleet;
  PlanMaker p(17);
  auto plan = p.output(p.step(p.reduce(p.step(p.constant(3)), 100))).plan;
  std::map<std::uint32_t, int> tries;
  fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t partition, std::uint32_t) -> std::optional<proto::Failed> {
    if (stage.sink != Stage::Sink::kOutput || tries[partition]++ != 0) return {};
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_LOST);
    return failed;
  };
  fleet.runJob(1, plan);
  EXPECT_EQ(tries.size(), 100u);
  EXPECT_EQ(fleet.results(1).size(), 100u);
}

// Not without end.
TEST(MasterJob, ATaskThatAlwaysLacksWhatItReadsFails) {
  Fleet fleet;
  int tries = 0;
  fleet.fails = [&](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t partition, std::uint32_t) -> std::optional<proto::Failed> {
    if (stage.sink != Stage::Sink::kOutput || partition != 0) return {};
    ++tries;
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_LOST), failed.set_message("an input is not here");
    return failed;
  };
  fleet.runJob(1, wordCount());
  EXPECT_EQ(tries, 65);
}

TEST(MasterJob, OverlappingJobsShareCachedValues) {
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, wordCount(11, true));
  auto other = wordCount(13, true);
  fleet.runJob(2, other);
  fleet.paused = false;
  fleet.runTasks();
  fleet.settle();
  EXPECT_EQ(fleet.results(1).size(), 6u);
  EXPECT_EQ(fleet.results(2).size(), 6u);
}

TEST(MasterJob, AJobThatWaitedGoesOnWhenTheOtherFails) {
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, wordCount(11, true));
  fleet.runJob(2, wordCount(13, true));
  fleet.driver(Fleet::messageOf(&proto::Message::mutable_cancel_job, [](proto::CancelJob& cancel) { cancel.set_app(1), cancel.set_number(1); }));
  EXPECT_EQ(fleet.received(proto::Message::kJobFailed).size(), 1u);
  fleet.paused = false;
  fleet.runTasks();
  fleet.settle();
  EXPECT_EQ(fleet.results(2).size(), 6u);
}

std::shared_ptr<Envelope> cancel(std::uint64_t number, const std::string& by) {
  return Fleet::messageOf(&proto::Message::mutable_cancel_job, [&](proto::CancelJob& cancel) {
    cancel.set_app(1), cancel.set_number(number), cancel.set_by(by);
  });
}

TEST(MasterJob, ACancelledJobFailsAsCancelled) {
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  fleet.driver(cancel(7, "nobody"));
  fleet.driver(cancel(1, "cancelJob at a.cc:1"));
  fleet.driver(cancel(1, "somebody later"));
  auto failed = fleet.received(proto::Message::kJobFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].job_failed().domain(), proto::DOMAIN_CANCELLED);
  EXPECT_EQ(failed[0].job_failed().message(), "job 1 was cancelled by cancelJob at a.cc:1");
  for (auto& [id, executor] : fleet.executors) {
    ASSERT_EQ(executor->cancels.size(), 1u);
    EXPECT_EQ(executor->cancels[0].kill_after_ms(), 0u);
  }
}

TEST(MasterJob, TellsWhatIsThereOfAJobThatRuns) {
  PlanMaker p(15);
  auto plan = p.output(p.step(p.constant(6))).plan;
  Fleet calm;
  calm.runJob(1, plan);
  auto whole = calm.results(1);
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, plan);
  auto ask = [&](std::uint64_t number) {
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_ask_part, [&](proto::AskPart& ask) { ask.set_app(1), ask.set_number(number), ask.set_request(number + 10); }));
    return fleet.toDriver.back();
  };
  EXPECT_EQ(ask(1)->message.job_part().results_size(), 0);
  EXPECT_EQ(ask(1)->message.job_part().partitions(), 6u);
  fleet.executors[2]->runReady();
  fleet.settle();
  for (int i = 0; i < 2; ++i) {  // it is not taken away by being asked for
    auto part = ask(1);
    EXPECT_EQ(part->message.job_part().request(), 11u);
    ASSERT_EQ(part->message.job_part().results_size(), 2);
    for (const auto& result : part->message.job_part().results()) {
      EXPECT_EQ(part->attachments.at(std::size_t(result.attachment())).view(), whole[result.partition()]);
    }
  }
  EXPECT_EQ(ask(7)->message.job_part().partitions(), 0u) << "nobody's job";
  fleet.paused = false;
  fleet.settle();
  EXPECT_EQ(fleet.results(1), whole);
  EXPECT_EQ(ask(1)->message.job_part().results_size(), 0) << "it is over";
}

TEST(MasterJob, AJobThatHasNotBegunCanBeCancelled) {
  Fleet fleet(0);
  fleet.runJob(1, wordCount());
  fleet.driver(cancel(1, "cancelJob at a.cc:1"));
  ASSERT_EQ(fleet.received(proto::Message::kJobFailed).size(), 1u);
  EXPECT_EQ(fleet.received(proto::Message::kJobFailed)[0].job_failed().domain(), proto::DOMAIN_CANCELLED);
  fleet.join(1);
  fleet.settle();
  EXPECT_TRUE(fleet.executors[1]->launches.empty());
}

TEST(MasterJob, AJobThatMayBeInterruptedSaysHowLongItIsWaitedFor) {
  Fleet fleet(3, 2, {"sluice.task.reaper.killTimeout=300ms"});
  fleet.paused = true;
  fleet.tell({Role::kDriver, 1}, Fleet::messageOf(&proto::Message::mutable_run_job, [&](proto::RunJob& run) {
               run.set_app(1), run.set_number(1), run.set_template_hash(11);
               withPlan(run, wordCount());
               auto* property = run.add_properties();
               property->set_key("sluice.job.interruptOnCancel"), property->set_value("true");
             }));
  fleet.settle();
  fleet.driver(cancel(1, "cancelJob at a.cc:1"));
  for (auto& [id, executor] : fleet.executors) {
    ASSERT_EQ(executor->launches.size(), 1u);
    EXPECT_EQ(executor->launches[0].properties_size(), 1);
    ASSERT_EQ(executor->cancels.size(), 1u);
    EXPECT_EQ(executor->cancels[0].kill_after_ms(), 300u);
  }
}

// What the Launches of job `number` say of its place among others.
proto::Launch launchOf(const Fleet& fleet, std::uint64_t number) {
  for (const auto& launch : fleet.executors.at(1)->launches) {
    if (launch.instance().when_ms() == -std::int64_t(number)) return launch;
  }
  return {};
}
void runInPool(Fleet& fleet, std::uint64_t number, const std::string& pool) {
  fleet.tell({Role::kDriver, 1}, Fleet::messageOf(&proto::Message::mutable_run_job, [&](proto::RunJob& run) {
               run.set_app(1), run.set_number(number), run.set_template_hash(11);
               withPlan(run, wordCount());
               auto* property = run.add_properties();
               property->set_key("sluice.scheduler.pool"), property->set_value(pool);
             }));
  fleet.settle();
}

TEST(MasterJob, JobsAreOrderedAsTheyCome) {
  Fleet fleet;
  runInPool(fleet, 1, "web");
  runInPool(fleet, 2, "web");
  EXPECT_FALSE(launchOf(fleet, 1).has_pool()) << "FIFO knows no pools";
  EXPECT_LT(launchOf(fleet, 1).order(), launchOf(fleet, 2).order());
  EXPECT_EQ(launchOf(fleet, 1).first_stage(), 0u);
  EXPECT_EQ(launchOf(fleet, 2).first_stage(), 2u) << "stages are numbered over the application";
}

TEST(MasterJob, InFairModeAJobHasAPool) {
  Fleet fleet(3, 2, {"sluice.scheduler.mode=fair", "sluice.scheduler.pool.web.weight=3", "sluice.scheduler.pool.web.minShare=2",
                     "sluice.scheduler.pool.web.mode=FAIR"});
  runInPool(fleet, 1, "web");
  runInPool(fleet, 2, "other");
  fleet.runJob(3, wordCount());
  auto pool = [&](std::uint64_t number) { return launchOf(fleet, number).pool(); };
  EXPECT_EQ(pool(1).name(), "web");
  EXPECT_EQ(pool(1).weight(), 3u);
  EXPECT_EQ(pool(1).min_share(), 2u);
  EXPECT_TRUE(pool(1).fair());
  EXPECT_EQ(pool(2).name(), "other");
  EXPECT_EQ(pool(2).weight(), 1u);
  EXPECT_EQ(pool(2).min_share(), 0u);
  EXPECT_FALSE(pool(2).fair());
  EXPECT_EQ(pool(3).name(), "default");
}

TEST(MasterJob, ARepeatedRequestGetsTheSameAnswer) {
  Fleet fleet;
  fleet.runJob(1, wordCount());
  fleet.runJob(1, wordCount());
  EXPECT_EQ(fleet.received(proto::Message::kJobDone).size(), 2u);
  for (auto& [id, executor] : fleet.executors) EXPECT_EQ(executor->launches.size(), 1u);
}

TEST(MasterJob, DecidesFilesBeforeItPublishesThem) {
  PlanMaker p(14);
  auto plan = p.output(p.reduce(p.constant(3)), proto::OUTPUT_FILES).plan;
  Fleet fleet;
  fleet.settle();
  fleet.autoSync = false;
  fleet.runJob(1, plan);
  EXPECT_EQ(fleet.count(proto::JournalRecord::kDecided), 1);
  for (auto& [id, executor] : fleet.executors) EXPECT_TRUE(executor->published.empty());
  fleet.sync();
  fleet.settle();
  std::set<std::string> finals;
  std::string last;
  for (auto& [id, executor] : fleet.executors) {
    for (const auto& publish : executor->published) {
      for (const auto& file : publish.files()) finals.insert(file.final());
    }
  }
  EXPECT_EQ(finals.size(), 7u);
  EXPECT_TRUE(finals.contains("/out/dir/part-00000"));
  EXPECT_TRUE(finals.contains("/out/dir/_SUCCESS"));
  EXPECT_EQ(fleet.received(proto::Message::kJobDone).size(), 1u);
  fleet.expectReplays();
}

TEST(MasterJob, UserCrashesCountAsFailures) {
  Fleet fleet(6);
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  for (std::uint64_t id = 1; id <= 4; ++id) {
    fleet.executors.erase(id);
    fleet.tell({Role::kWorker, 1}, Fleet::messageOf(&proto::Message::mutable_executor_down, [&](proto::ExecutorDown& down) {
                 down.set_executor(id), down.set_how("killed by signal 11"), down.set_user_code(true), down.set_crash("in map at a.cc:1");
               }));
    fleet.settle();
  }
  auto failed = fleet.received(proto::Message::kJobFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].job_failed().message(), "in map at a.cc:1 (killed by signal 11)");
}

TEST(MasterJob, ANewSessionRepeatsWhatIsUnderWay) {
  Fleet fleet;
  fleet.settle();
  fleet.tell({Role::kDriver, 1}, Fleet::messageOf(&proto::Message::mutable_run_job, [&](proto::RunJob& run) {
               run.set_app(1), run.set_number(1), run.set_template_hash(11);
               withPlan(run, wordCount());
             }));
  fleet.breakSession(2, 10);  // Install and Launch are lost
  EXPECT_TRUE(fleet.executors[2]->launches.empty());
  fleet.settle();
  EXPECT_EQ(fleet.executors[2]->launches.size(), 1u);
  EXPECT_EQ(fleet.results(1).size(), 6u);
}

TEST(MasterJob, AnExecutorWithoutASessionIsLostAfterTheGrace) {
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, wordCount());
  fleet.executors.erase(2);
  fleet.machine->onSession({Role::kExecutor, 2}, false, fleet.now);
  fleet.paused = false;
  fleet.settle();
  EXPECT_TRUE(fleet.results(1).empty());
  fleet.advance(1000);
  EXPECT_EQ(fleet.results(1).size(), 6u);
}

TEST(MasterJob, HeldResultsStayUntilTheyAreFetched) {
  Fleet fleet;
  fleet.holdResults = true;
  fleet.runJob(1, wordCount());
  fleet.advance(1000);
  for (auto& [id, executor] : fleet.executors) EXPECT_TRUE(executor->releases.empty());
  fleet.driver(Fleet::messageOf(&proto::Message::mutable_cancel_job, [](proto::CancelJob& cancel) { cancel.set_app(1), cancel.set_number(1); }));
  fleet.advance(100);
  for (auto& [id, executor] : fleet.executors) EXPECT_EQ(executor->releases.size(), 1u);
}

TEST(MasterJob, JobsThatAreOverAreReleasedTogether) {
  Fleet fleet;
  for (std::uint64_t n = 1; n <= 8; ++n) fleet.runJob(n, wordCount());
  for (auto& [id, executor] : fleet.executors) {
    ASSERT_EQ(executor->releases.size(), 1u);
    EXPECT_EQ(executor->releases[0].instances_size(), 8);
  }
  fleet.runJob(9, wordCount());
  fleet.advance(100);
  for (auto& [id, executor] : fleet.executors) EXPECT_EQ(executor->releases.size(), 2u);
}

TEST(MasterJob, PlansThatAreForgottenGoFromExecutorsToo) {
  Fleet fleet;
  for (std::uint64_t n = 1; n <= 1200; ++n) fleet.runJob(n, wordCount(1000 + n));
  for (auto& [id, executor] : fleet.executors) EXPECT_LE(executor->plans(), 513u);
  fleet.runJob(1201, wordCount(1001));
  EXPECT_EQ(fleet.results(1201), fleet.results(1));
}

std::vector<proto::DroppedExchange> droppedAt(Fleet& fleet, std::uint64_t executor) {
  std::vector<proto::DroppedExchange> dropped;
  for (const auto& release : fleet.executors[executor]->releases) dropped.insert(dropped.end(), release.dropped().begin(), release.dropped().end());
  return dropped;
}
void unpersist(Fleet& fleet, const proto::Plan& plan) {
  fleet.driver(Fleet::messageOf(&proto::Message::mutable_unpersist, [&](proto::Unpersist& unpersist) {
    unpersist.set_app(1);
    for (const auto& node : plan.nodes()) {
      if (node.keep().keep()) unpersist.add_nodes(node.id());
    }
  }));
  fleet.settle();
}

TEST(MasterJob, WhatADatasetWasMadeFromGoesWithIt) {
  Fleet fleet;
  fleet.runJob(1, wordCount(11, true));
  unpersist(fleet, wordCount(11, true));
  for (auto& [id, executor] : fleet.executors) {
    auto dropped = droppedAt(fleet, id);
    ASSERT_EQ(dropped.size(), 1u);
    EXPECT_EQ(std::vector<std::int64_t>(dropped[0].instances().begin(), dropped[0].instances().end()), std::vector<std::int64_t>{-1});
  }
  fleet.runJob(2, wordCount(11, true), false);
  EXPECT_EQ(fleet.results(2), fleet.results(1));
}

TEST(MasterJob, ButNotWhileAJobReadsIt) {
  Fleet fleet;
  fleet.paused = true;
  fleet.runJob(1, wordCount(11, true));
  unpersist(fleet, wordCount(11, true));
  EXPECT_TRUE(droppedAt(fleet, 1).empty());
  fleet.paused = false;
  fleet.settle();
  EXPECT_EQ(fleet.results(1).size(), 6u);
  EXPECT_EQ(droppedAt(fleet, 1).size(), 1u);
}

}  // namespace
}  // namespace sluice::master
