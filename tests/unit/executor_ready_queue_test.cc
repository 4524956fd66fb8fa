// Which task gets the next slot of an executor: by instance, or by pools.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "worker/executor/instances.h"
#include "worker/executor/ready_queue.h"

namespace sluice::executor {
namespace {

class NoCode final : public CodeResolver {
 public:
  const void* resolve(std::uint32_t, std::uint64_t, std::uint64_t) override { return nullptr; }
};

struct PoolOf {
  std::string name;
  std::uint32_t weight = 1, minShare = 0;
  bool fair = false;
};

// Tasks of jobs, as an executor of two slots among `slots` has them.
class Slots {
 public:
  explicit Slots(std::uint32_t slots = 2) : queue_(2) {
    NoCode code;
    auto installed = std::make_shared<Installed>();
    installed->plan = std::make_shared<PlanTemplate>(std::make_shared<proto::Plan>(), code);
    auto epoch = std::make_shared<proto::Epoch>();
    for (std::uint32_t s = 0; s < slots; s += 2) epoch->add_members()->set_slots(2);
    installed->epoch = epoch;
    installed_ = installed;
  }
  void add(std::uint64_t job, std::uint32_t stage, int count, const PoolOf* pool = nullptr) {
    auto launch = std::make_shared<proto::Launch>();
    launch->set_order(job);
    if (pool) {
      auto& p = *launch->mutable_pool();
      p.set_name(pool->name), p.set_weight(pool->weight), p.set_min_share(pool->minShare), p.set_fair(pool->fair);
    }
    for (int i = 0; i < count; ++i) {
      auto task = std::make_shared<Task>();
      task->instance = &instance_, task->scope = -std::int64_t(job), task->stage = stage, task->partition = std::uint32_t(i);
      task->whenMs = task->scope, task->status = Task::Status::kReady, task->installed = installed_, task->launch = launch;
      queue_.add(task);
      all.push_back(task);
    }
  }
  // "job.stage:partition" of the next one; "" if there is none.
  std::string take() {
    TaskPtr task = queue_.take();
    if (!task) return "";
    running_.push_back(task);
    return std::to_string(task->launch->order()) + "." + std::to_string(task->stage) + ":" + std::to_string(task->partition);
  }
  void end(std::size_t i = 0) {
    queue_.ended(*running_[i]->launch, running_[i]->stage);
    running_.erase(running_.begin() + std::ptrdiff_t(i));
  }
  // Takes so many; the jobs they are of.
  std::string jobs(int count) {
    std::string all;
    while (count-- > 0) all += take().substr(0, 1);
    return all;
  }
  std::vector<TaskPtr> all;

 private:
  Instance instance_;
  std::shared_ptr<const Installed> installed_;
  ReadyQueue queue_;
  std::vector<TaskPtr> running_;
};

TEST(ReadyQueue, OlderJobsThenStagesThenPartitions) {
  Slots slots;
  slots.add(2, 0, 1);
  slots.add(1, 1, 2);
  slots.add(1, 0, 1);
  EXPECT_EQ(slots.take(), "1.0:0");
  EXPECT_EQ(slots.take(), "1.1:0");
  EXPECT_EQ(slots.take(), "1.1:1");
  EXPECT_EQ(slots.take(), "2.0:0");
  EXPECT_EQ(slots.take(), "");
}

TEST(ReadyQueue, WhatIsNotWantedAnyMoreIsPassedOver) {
  PoolOf named{"p"};
  const PoolOf* const pools[] = {nullptr, &named};
  for (const PoolOf* pool : pools) {
    Slots slots;
    slots.add(1, 0, 3, pool);
    slots.all[0]->instance = nullptr;
    slots.all[1]->status = Task::Status::kDropped;
    EXPECT_EQ(slots.take(), "1.0:2");
    EXPECT_EQ(slots.take(), "");
  }
}

TEST(ReadyQueue, PoolsTakeTurns) {
  PoolOf a{"a"}, b{"b"};
  Slots slots;
  slots.add(1, 0, 4, &a);
  slots.add(2, 0, 4, &b);
  EXPECT_EQ(slots.jobs(8), "12121212");
  EXPECT_EQ(slots.take(), "");
}

TEST(ReadyQueue, ByWeight) {
  PoolOf a{"a", 1}, b{"b", 3};
  Slots slots;
  slots.add(1, 0, 20, &a);
  slots.add(2, 0, 20, &b);
  EXPECT_EQ(slots.jobs(12), "122212221222");
}

TEST(ReadyQueue, WhatEndsMakesRoomForItsOwnPool) {
  PoolOf a{"a"}, b{"b"};
  Slots slots;
  slots.add(1, 0, 10, &a);
  slots.add(2, 0, 10, &b);
  EXPECT_EQ(slots.jobs(4), "1212");
  slots.end(0), slots.end(1);  // both of a
  EXPECT_EQ(slots.jobs(2), "11");
}

TEST(ReadyQueue, APoolThatComesLateCatchesUp) {
  PoolOf a{"a"}, b{"b"};
  Slots slots;
  slots.add(1, 0, 10, &a);
  EXPECT_EQ(slots.jobs(4), "1111");
  slots.add(2, 0, 10, &b);
  EXPECT_EQ(slots.jobs(5), "22221") << "then in turns: ties go by name";
}

TEST(ReadyQueue, MinimumSharesComeFirst) {
  PoolOf a{"a", 10}, b{"b", 1, 2}, c{"c", 1, 4};
  Slots slots;
  slots.add(1, 0, 10, &a);
  slots.add(2, 0, 10, &b);
  slots.add(3, 0, 10, &c);
  // b lacks two of two, c four of four: in turns by what each lacks, then a.
  EXPECT_EQ(slots.jobs(6), "233233");
  EXPECT_EQ(slots.jobs(4), "1111");
}

TEST(ReadyQueue, AMinimumShareIsOfAllExecutorsTogether) {
  PoolOf a{"a", 10}, b{"b", 1, 4};
  Slots slots(8);  // four such executors: a quarter of the share is due here
  slots.add(1, 0, 10, &a);
  slots.add(2, 0, 10, &b);
  EXPECT_EQ(slots.jobs(3), "211");
}

TEST(ReadyQueue, WithinAPoolByJobOrFairly) {
  PoolOf fifo{"p"};
  Slots slots;
  slots.add(1, 0, 2, &fifo);
  slots.add(2, 0, 2, &fifo);
  EXPECT_EQ(slots.jobs(4), "1122");
  PoolOf fair{"p", 1, 0, true};
  Slots others;
  others.add(1, 0, 2, &fair);
  others.add(2, 0, 2, &fair);
  EXPECT_EQ(others.jobs(4), "1212");
}

TEST(ReadyQueue, IsDeterministic) {
  auto run = [] {
    PoolOf a{"a", 2}, b{"b", 1, 1}, c{"c", 1, 0, true};
    Slots slots;
    std::string order;
    for (std::uint64_t job = 1; job <= 9; ++job) slots.add(job, std::uint32_t(job % 2), 5, job % 3 == 0 ? &a : job % 3 == 1 ? &b : &c);
    for (int i = 0; i < 45; ++i) {
      order += slots.take() + " ";
      if (i % 4 == 3) slots.end(std::size_t(i % 3));
    }
    return order;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace sluice::executor
