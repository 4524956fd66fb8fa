// Barrier stages: tasks that run together, wait for each other and begin anew together.
#include <sluice/barrier_task_context.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::Shape;
using testing::sorted;
using testing::thrownBy;

constexpr Shape kWaiting[] = {Shape::kLocal4, Shape::kInProcess};  // tasks of the simulated cluster have one thread

constexpr Shape kShapes[] = {Shape::kLocal4, Shape::kInProcess, Shape::kProcesses};

// A test whose tasks stand still is ended, by name.
class Barrier : public ::testing::Test {
 protected:
  ~Barrier() override {
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    ended_.notify_all();
    watch_.join();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    if (ended_.wait_for(lock, std::chrono::minutes(3), [&] { return over_; })) return;
    std::fprintf(stderr, "%s stands still\n", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::abort();
  }
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread watch_{[this] { watch(); }};
};

std::atomic<int> arrived{0};
template <class T> std::vector<T> all(Iterator<T>& records) {
  std::vector<T> found;
  for (const T& record : records) found.push_back(record);
  return found;
}
void arrive() {
  ++arrived;
  arrived.notify_all();
}
void waitForArrivals(int count) {
  for (int seen = arrived; seen < count; seen = arrived) arrived.wait(seen);
}

std::vector<std::string> gatherIndices(int partition, Iterator<std::int64_t>& records) {
  long sum = 0;
  for (std::int64_t x : records) sum += x;
  auto task = BarrierTaskContext::get();
  auto texts = task.allGather(std::to_string(partition) + ":" + std::to_string(sum));
  task.barrier();
  auto again = task.allGather("again");
  texts.insert(texts.end(), again.begin(), again.end());
  return texts;
}

TEST_F(Barrier, AllGatherGivesEachTaskWhatAllGave) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape);
    auto texts = cluster.context().range(0, 8, 1, 4).barrier().mapPartitionsWithIndex(gatherIndices).glom().collect();
    ASSERT_EQ(texts.size(), 4u) << nameOf(shape);
    for (const auto& of : texts) EXPECT_EQ(of, (std::vector<std::string>{"0:1", "1:5", "2:9", "3:13", "again", "again", "again", "again"})) << nameOf(shape);
  }
}

TEST_F(Barrier, ATaskAloneMeetsItself) {
  Cluster cluster(Shape::kLocal1);
  EXPECT_EQ(cluster.context().range(0, 3, 1, 1).barrier().mapPartitionsWithIndex(gatherIndices).collect(), (std::vector<std::string>{"0:3", "again"}));
}

std::vector<int> thoseInside(Iterator<std::int64_t>&) {
  arrive();
  BarrierTaskContext::get().barrier();
  int inside = arrived;
  BarrierTaskContext::get().barrier();
  return {inside};
}

TEST_F(Barrier, NobodyPassesBeforeAllHaveCome) {
  for (Shape shape : kWaiting) {
    for (int round = 0; round < 20; ++round) {
      arrived = 0;
      Cluster cluster(shape);
      EXPECT_EQ(cluster.context().range(0, 4, 1, 4).barrier().mapPartitions(thoseInside).collect(), (std::vector<int>{4, 4, 4, 4})) << nameOf(shape);
    }
  }
}

TEST_F(Barrier, TellsWhereItsTasksRun) {
  auto addresses = [](Iterator<std::int64_t>&) {
    std::vector<std::string> found;
    for (const auto& info : BarrierTaskContext::get().getTaskInfos()) found.push_back(info.address);
    return found;
  };
  {
    Cluster local(Shape::kLocal4);
    EXPECT_EQ(local.context().range(0, 2, 1, 2).barrier().mapPartitions(addresses).collect(),
              (std::vector<std::string>{"localhost", "localhost", "localhost", "localhost"}));
  }
  Cluster cluster(Shape::kInProcess);
  EXPECT_EQ(cluster.context().range(0, 3, 1, 3).barrier().mapPartitions(addresses).glom().collect()[1], (std::vector<std::string>{"host1", "host2", "host3"}));
}

TEST_F(Barrier, TellsWhichTaskItIs) {
  Cluster cluster(Shape::kLocal4);
  auto facts = [](Iterator<std::int64_t>&) {
    auto task = BarrierTaskContext::get();
    return std::vector<std::tuple<int, int, int>>{{task.partitionId(), task.numPartitions(), task.attemptNumber()}};
  };
  EXPECT_EQ(cluster.context().range(0, 3, 1, 3).barrier().mapPartitions(facts).collect(), (std::vector<std::tuple<int, int, int>>{{0, 3, 0}, {1, 3, 0}, {2, 3, 0}}));
}

TEST_F(Barrier, StagesBeforeAndAfterRunAsUsual) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape);
    auto words = cluster.context().range(0, 100, 1, 9).map([](std::int64_t n) { return std::pair(n % 7, 1L); });
    auto counts = words.reduceByKey(std::plus<>(), 4).barrier().mapPartitions([](Iterator<std::pair<std::int64_t, long>>& pairs) {
      std::vector<std::pair<std::int64_t, long>> own;
      long mine = 0;
      for (const auto& pair : pairs) own.push_back(pair), mine += pair.second;
      long all = 0;
      for (const auto& text : BarrierTaskContext::get().allGather(std::to_string(mine))) all += std::stol(text);
      for (auto& pair : own) pair.second += all * 1000;
      return own;
    });
    auto found = sorted(counts.map([](const auto& pair) { return std::pair(pair.first % 2, pair.second); }).reduceByKey(std::plus<>(), 3).collect());
    EXPECT_EQ(found, (std::vector<std::pair<std::int64_t, long>>{{0, 400'057}, {1, 300'043}})) << nameOf(shape);
    EXPECT_EQ(counts.count(), 7);
  }
}

TEST_F(Barrier, WhatIsPersistedIsReadAsAnyOther) {
  for (Shape shape : kWaiting) {
    arrived = 0;
    Cluster cluster(shape);
    auto kept = cluster.context().range(0, 4, 1, 4).barrier().mapPartitions(thoseInside).cache();
    EXPECT_EQ(kept.first(), 4) << "of a stage of its own, so a part of it may be asked for";
    EXPECT_EQ(kept.collect().size(), 4u);
    EXPECT_EQ(kept.coalesce(2).collect().size(), 4u);
    EXPECT_EQ(kept.barrier().mapPartitions([](Iterator<int>& records) {
                BarrierTaskContext::get().barrier();
                return all(records);
              }).collect().size(), 4u);
    EXPECT_EQ(arrived, 4) << "computed once, " << nameOf(shape);
  }
}

TEST_F(Barrier, ABatchOfAStreamMayHaveOne) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape, Milliseconds(shape == Shape::kProcesses ? 200 : 1000));
    auto sums = cluster.input<int>({{1, 2, 3}, {4}}).transform([](const RDD<int>& batch) {
      return batch.barrier().mapPartitions([](Iterator<int>& records) {
        int mine = 0, all = 0;
        for (int x : records) mine += x;
        for (const auto& text : BarrierTaskContext::get().allGather(std::to_string(mine))) all += std::stoi(text);
        return std::vector<int>{all};
      });
    });
    auto collected = cluster.collect(sums);
    cluster.runBatches(2);
    expectEqual(*collected, {{6, 6}, {4, 4}});
  }
}

std::vector<int> failOnce(int partition, Iterator<std::int64_t>&) {
  auto task = BarrierTaskContext::get();
  task.barrier();
  if (partition == 1 && task.attemptNumber() == 0) throw std::runtime_error("a bad start");
  task.barrier();
  return {task.attemptNumber()};
}

TEST_F(Barrier, OneFailureBeginsAllAnew) {
  Context context("local[4,2]", "test");
  EXPECT_EQ(context.range(0, 4, 1, 4).barrier().mapPartitionsWithIndex(failOnce).collect(), (std::vector<int>{1, 1, 1, 1}));
  // Tasks that had ended well count for nothing either.
  auto late = context.range(0, 4, 1, 4).barrier().mapPartitionsWithIndex([](int partition, Iterator<std::int64_t>&) {
    auto task = BarrierTaskContext::get();
    if (partition == 3 && task.attemptNumber() == 0) throw std::runtime_error("a bad end");
    return std::vector<int>{task.attemptNumber()};
  });
  EXPECT_EQ(late.collect(), (std::vector<int>{1, 1, 1, 1}));
}

TEST_F(Barrier, FailsTheJobWhenItFailsTooOften) {
  Cluster cluster(Shape::kLocal4);
  auto [kind, text] = thrownBy([&] { cluster.context().range(0, 4, 1, 4).barrier().mapPartitionsWithIndex(failOnce).collect(); });
  EXPECT_EQ(kind, ErrorKind::kUserCode);
  EXPECT_NE(text.find("a bad start"), std::string::npos) << text;
  EXPECT_EQ(cluster.context().range(0, 4, 1, 4).count(), 4) << "the slots are free again";
}

std::vector<int> waitForALoss(int partition, Iterator<std::int64_t>&) {
  auto task = BarrierTaskContext::get();
  if (partition == 0 && task.attemptNumber() == 0) {
    arrive();
    while (!task.isInterrupted()) std::this_thread::yield();
  }
  task.barrier();
  return {task.attemptNumber()};
}

TEST_F(Barrier, TheLossOfAnExecutorBeginsAllAnew) {
  arrived = 0;
  Cluster cluster(Shape::kInProcess);
  auto found = cluster.context().range(0, 3, 1, 3).barrier().mapPartitionsWithIndex(waitForALoss).collectAsync();
  waitForArrivals(1);
  cluster.kill(1);
  EXPECT_EQ(found.get(), (std::vector<int>{1, 1, 1}));
}

TEST_F(Barrier, ALossThatLeavesTooFewSlotsFailsTheJob) {
  arrived = 0;
  Cluster cluster(Shape::kInProcess);
  auto found = cluster.context().range(0, 6, 1, 6).barrier().mapPartitionsWithIndex(waitForALoss).collectAsync();
  waitForArrivals(1);
  cluster.kill(1);
  EXPECT_SAYS("a barrier stage runs all its tasks at the same time: it needs 6 slots, and there are 4;", found.get());
}

std::vector<int> waitForEver(int partition, Iterator<std::int64_t>&) {
  arrive();
  while (partition == 0 && !BarrierTaskContext::get().isInterrupted()) std::this_thread::yield();
  BarrierTaskContext::get().barrier();
  return {};
}

TEST_F(Barrier, ACancelledJobLetsItsTasksGo) {
  for (Shape shape : kWaiting) {
    arrived = 0;
    Cluster cluster(shape);
    auto stuck = cluster.context().range(0, 4, 1, 4).barrier().mapPartitionsWithIndex(waitForEver).collectAsync();
    waitForArrivals(4);
    stuck.cancel();
    EXPECT_EQ(thrownBy([&] { stuck.get(); }).first, ErrorKind::kCancelled) << nameOf(shape);
    EXPECT_EQ(cluster.context().range(0, 4, 1, 4).barrier().mapPartitionsWithIndex(gatherIndices).count(), 32) << "the next one runs";
  }
}

TEST_F(Barrier, TwoOfThemDoNotWaitForEachOthersSlots) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape);
    std::vector<FutureAction<std::int64_t>> counts;
    for (int i = 0; i < 8; ++i) counts.push_back(cluster.context().range(0, 8, 1, 4).barrier().mapPartitionsWithIndex(gatherIndices).countAsync());
    for (auto& count : counts) EXPECT_EQ(count.get(), 32) << nameOf(shape);
  }
}

TEST_F(Barrier, OneMayFollowAnother) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape);
    auto twice = cluster.context().range(0, 4, 1, 4).barrier().mapPartitionsWithIndex(gatherIndices).repartition(4).barrier().mapPartitions([](Iterator<std::string>& texts) {
      BarrierTaskContext::get().barrier();
      return std::vector<std::int64_t>{std::int64_t(all(texts).size())};
    });
    auto counts = twice.collect();
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), 32) << nameOf(shape);
    auto inOne = cluster.context().range(0, 4, 1, 4).barrier().mapPartitionsWithIndex(gatherIndices).barrier().mapPartitions([](Iterator<std::string>& texts) {
      auto count = std::int64_t(all(texts).size());
      BarrierTaskContext::get().barrier();
      return std::vector<std::int64_t>{count};
    });
    EXPECT_EQ(inOne.collect(), (std::vector<std::int64_t>{8, 8, 8, 8})) << "in one stage, " << nameOf(shape);
  }
}

// ---- errors ----

TEST_F(Barrier, MoreTasksThanSlotsAreRefused) {
  Cluster cluster(Shape::kLocal4);
  auto many = cluster.context().range(0, 5, 1, 5).barrier().mapPartitions(thoseInside);
  EXPECT_SAYS("a barrier stage runs all its tasks at the same time: it needs 5 slots, and there are 4; give the application more, or repartition the data "
              "into fewer partitions",
              many.collect());
  EXPECT_EQ(cluster.context().range(0, 5, 1, 5).count(), 5);
}

TEST_F(Barrier, ATaskThatEndsEarlyFailsTheOthers) {
  Cluster cluster(Shape::kLocal4);
  auto early = cluster.context().range(0, 3, 1, 3).barrier().mapPartitionsWithIndex([](int partition, Iterator<std::int64_t>&) {
    if (partition != 1) BarrierTaskContext::get().barrier();
    return std::vector<int>{partition};
  });
  EXPECT_SAYS("the other tasks wait in barrier(), but those of partitions 1 have ended without it; all tasks of a barrier stage must make the same calls",
              early.collect());
}

TEST_F(Barrier, DifferentCallsInOneRoundFail) {
  Cluster cluster(Shape::kLocal4);
  auto mixed = cluster.context().range(0, 2, 1, 2).barrier().mapPartitionsWithIndex([](int partition, Iterator<std::int64_t>&) {
    if (partition == 0) BarrierTaskContext::get().barrier();
    else BarrierTaskContext::get().allGather("x");
    return std::vector<int>{partition};
  });
  EXPECT_SAYS("some tasks wait in barrier() and others in allGather(); all tasks of a barrier stage must make the same calls", mixed.collect());
}

TEST_F(Barrier, WhatChangesThePartitionsIsRefusedInItsStage) {
  Cluster cluster(Shape::kLocal4);
  auto plain = cluster.context().range(0, 4, 1, 2);
  auto barrier = plain.barrier().mapPartitions([](Iterator<std::int64_t>& records) { return all(records); });
  EXPECT_SAYS("its tasks are its partitions, which union at barrier_test.cc", barrier.union_(plain).collect());
  EXPECT_SAYS("its tasks are its partitions, which coalesce at barrier_test.cc", barrier.coalesce(1).collect());
  EXPECT_SAYS("changes within the stage; use repartition there, or persist what comes before it", plain.coalesce(1).barrier().mapPartitions(thoseInside).collect());
  EXPECT_SAYS("its tasks run all together, and first, take and the like ask for some partitions only; use collect", barrier.first());
  EXPECT_SAYS("its tasks run all together, and first, take and the like ask for some partitions only; use collect", barrier.take(1));
  EXPECT_SAYS("reads 2 barriers in one stage; persist one of them first", barrier.zip(plain.barrier().mapPartitions(thoseInside)).collect());
  EXPECT_EQ(barrier.zip(plain).count(), 4) << "one of them may";
  EXPECT_EQ(barrier.repartition(3).union_(plain).count(), 8) << "after an exchange it may";
}

TEST_F(Barrier, TheContextIsThatOfABarrierStage) {
  EXPECT_SAYS("BarrierTaskContext::get: no task runs on this thread; call it in a function of rdd.barrier().mapPartitions", BarrierTaskContext::get());
  Cluster cluster(Shape::kLocal1);
  auto plain = cluster.context().range(0, 1, 1, 1).map([](std::int64_t x) {
    BarrierTaskContext::get().barrier();
    return x;
  });
  EXPECT_SAYS("BarrierTaskContext::get: this task is of no barrier stage; call it in a function of rdd.barrier().mapPartitions", plain.collect());
}

TEST_F(Barrier, TheSimulatedClusterCannotWait) {
  Cluster cluster(Shape::kSimulated);
  EXPECT_SAYS("the tasks of a barrier stage wait for each other and cannot run in the simulated cluster; use another shape",
              cluster.context().range(0, 2, 1, 2).barrier().mapPartitions(thoseInside).collect());
}

}  // namespace
}  // namespace sluice
