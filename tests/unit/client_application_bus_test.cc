// What listeners hear of what masters tell, while sessions break and listeners come and go.
#include "client/application_bus.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace sluice {
namespace {

using Event = proto::AppEvent;
using Words = std::vector<std::string>;

struct Recorder : SluiceListener {
  void onJobStart(const SluiceListenerJobStart& e) override { words.push_back(name(e) + " begun"); }
  void onJobEnd(const SluiceListenerJobEnd& e) override { words.push_back(name(e) + " over" + (e.error.empty() ? "" : ": " + e.error)); }
  void onTaskEnd(const SluiceListenerTaskEnd& e) override { words.push_back("task " + std::to_string(e.taskInfo.index) + " over"); }
  void onExecutorAdded(const SluiceListenerExecutorAdded& e) override { words.push_back("+" + e.executorId); }
  void onExecutorRemoved(const SluiceListenerExecutorRemoved& e) override { words.push_back("-" + e.executorId); }
  template <class Job> static std::string name(const Job& job) {
    return job.batchTime ? "batch " + std::to_string(job.batchTime->milliseconds()) : "job " + std::to_string(job.jobId);
  }
  Words words;  // read once the bus is closed
};

struct Telling {
  Telling& executor(std::uint64_t id, Event::Kind kind = Event::EXECUTOR_ADDED) { return add(kind).mutable_executor()->set_executor(id), *this; }
  Telling& job(Event::Kind kind, std::uint64_t number, std::int64_t batchMs = 0) {
    auto& job = *add(kind).mutable_job();
    job.set_number(number), job.set_batch_ms(batchMs);
    return *this;
  }
  Telling& taskEnd(std::uint32_t partition) { return add(Event::TASK_ENDED).mutable_task()->set_partition(partition), *this; }
  Event& add(Event::Kind kind) {
    auto& event = *events.add_events();
    event.set_kind(kind), event.set_at_ms(1);
    return event;
  }
  proto::AppEvents events;
};

// What a master says to a driver that begins to listen.
Telling first(const std::vector<std::uint64_t>& executors) {
  Telling telling;
  telling.events.set_first(true);
  for (std::uint64_t id : executors) telling.executor(id);
  return telling;
}

struct ApplicationBuses : testing::Test {
  std::shared_ptr<Recorder> listener() {
    auto made = std::make_shared<Recorder>();
    bus.add(made, {});
    return made;
  }
  void take(const Telling& telling) { bus.take(telling.events); }
  ApplicationBus bus;
};

TEST_F(ApplicationBuses, ExecutorsThatWentUnheardAreRemoved) {
  auto early = listener();
  take(first({1, 2}));
  take(first({2, 3}));  // of another session
  auto late = listener();
  bus.close();
  EXPECT_EQ(early->words, (Words{"+1", "+2", "-1", "+3"}));
  EXPECT_EQ(late->words, (Words{"+2", "+3"}));
}

TEST_F(ApplicationBuses, AJobThatGoesOnOverABrokenSessionEndsWithItsAnswer) {
  auto told = listener();
  take(first({}));
  take(Telling().job(Event::JOB_STARTED, 1).job(Event::JOB_STARTED, 2));
  bus.answered(2, "why");
  take(first({}));
  bus.answered(1, "");
  bus.end(9);
  bus.close();
  EXPECT_EQ(told->words, (Words{"job 1 begun", "job 2 begun", "job 2 over: why", "job 1 over"}));
}

TEST_F(ApplicationBuses, AJobThatANewMasterRunsAgainEndsWhenThatTellsSo) {
  auto told = listener();
  take(first({}));
  take(Telling().job(Event::JOB_STARTED, 1));
  take(first({}));
  take(Telling().job(Event::JOB_STARTED, 1));
  bus.answered(1, "");
  take(Telling().taskEnd(0).job(Event::JOB_ENDED, 1));
  bus.end(9);
  bus.close();
  EXPECT_EQ(told->words, (Words{"job 1 begun", "task 0 over", "job 1 over"}));
}

TEST_F(ApplicationBuses, BatchesBeginAndEndOnceOverBrokenSessions) {
  auto told = listener();
  take(first({}));
  take(Telling().job(Event::JOB_STARTED, 0, 1000).job(Event::JOB_ENDED, 0, 1000).job(Event::JOB_STARTED, 0, 2000).job(Event::JOB_STARTED, 0, 3000));
  take(first({}));
  take(Telling().job(Event::JOB_STARTED, 0, 3000));  // the new master runs this one again
  bus.batchDone(2000, "boom");
  bus.batchDone(3000, "");
  take(Telling().taskEnd(7).job(Event::JOB_ENDED, 0, 3000).job(Event::JOB_STARTED, 0, 4000));
  take(first({}));
  bus.batchDone(5000, "");  // the word of the one before was lost
  bus.end(9);
  bus.close();
  EXPECT_EQ(told->words, (Words{"batch 1000 begun", "batch 1000 over", "batch 2000 begun", "batch 3000 begun", "batch 2000 over: boom", "task 7 over",
                                "batch 3000 over", "batch 4000 begun", "batch 4000 over"}));
}

// One listener is removed while another is added: nobody said that nobody listens.
TEST_F(ApplicationBuses, WhatIsKnownOutlivesTheLastListener) {
  auto gone = listener();
  take(first({1}));
  take(Telling().job(Event::JOB_STARTED, 1));
  bus.remove(gone.get());
  take(Telling().job(Event::JOB_ENDED, 1).executor(2));
  auto told = listener();
  bus.end(9);
  bus.close();
  EXPECT_EQ(told->words, (Words{"+1", "+2"}));
}

TEST_F(ApplicationBuses, WhatComesAfterListeningHasEndedDoesNotCount) {
  auto gone = listener();
  take(first({1}));
  bus.remove(gone.get());
  bus.forget();
  take(Telling().job(Event::JOB_STARTED, 1).executor(2));  // under way when the master was told
  auto told = listener();
  take(first({1}));
  bus.end(9);
  bus.close();
  EXPECT_EQ(told->words, (Words{"+1"}));
}

TEST_F(ApplicationBuses, LetGoOfTheirListenersAtTheEnd) {
  std::weak_ptr<Recorder> heard = listener(), never;
  bus.end(9);
  bus.close();
  EXPECT_TRUE(heard.expired());
  ApplicationBus silent;
  auto other = std::make_shared<Recorder>();
  never = other;
  silent.add(std::move(other), {});
  silent.close();
  EXPECT_TRUE(never.expired());
}

}  // namespace
}  // namespace sluice
