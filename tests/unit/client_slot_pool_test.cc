// Which thread runs which task of an in-process cluster.
#include "client/local/slot_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sluice::local {
namespace {

// Job 1 may be one that never ends.
TEST(SlotPool, AThreadThatWaitsForAJobRunsTasksOfNoOther) {
  SlotPool pool(1, 2);
  for (Lent lent : {Lent::toJob(2), Lent::toBatches(), Lent::toNone()}) {
    std::atomic<bool> ran = false;
    std::thread::id runner;
    {
      SlotPool::Caller here(std::nullopt);  // left to this thread: no helper is woken for it
      pool.submit({0, 0, -1, 0, [&] {
                     runner = std::this_thread::get_id();
                     ran = true;
                     ran.notify_all();
                   }});
    }
    EXPECT_FALSE(pool.runOne(lent));
    ran.wait(false);
    EXPECT_NE(runner, std::this_thread::get_id()) << "a helper's: it was the next";
  }
}

TEST(SlotPool, AThreadThatWaitsForAJobRunsItsTasks) {
  SlotPool pool(1, 2);
  std::thread::id runner;
  {
    SlotPool::Caller here(Lent::toJob(1));
    pool.submit({0, 0, -1, 0, [&] { runner = std::this_thread::get_id(); }});
  }
  EXPECT_TRUE(pool.runOne(Lent::toJob(1)));
  EXPECT_EQ(runner, std::this_thread::get_id());
  EXPECT_FALSE(pool.runOne(Lent::toJob(1)));
}

// Tasks of a kind that was short may be left to the thread that waits; one of them may be long, and need the others.
TEST(SlotPool, WhatIsLeftToAThreadThatIsHeldUpIsTaken) {
  std::atomic<int> arrived = 0;
  SlotPool pool(1, 4);
  SlotPool::Caller here(Lent::toJob(1));
  pool.submit({0, 0, -1, 0, [] {}});
  EXPECT_TRUE(pool.runOne(Lent::toJob(1)));  // this kind is short
  for (int i = 0; i < 3; ++i) {
    pool.submit({0, 0, -1, 0, [&] {
                   ++arrived;
                   arrived.notify_all();
                   for (int now = arrived; now < 3; now = arrived) arrived.wait(now);
                 }});
  }
  pool.runOne(Lent::toJob(1));  // one of them, unless this thread was held up so long already that none is left to it
  for (int now = arrived; now < 3; now = arrived) arrived.wait(now);
}

TEST(SlotPool, WhatAThreadMayNotRunIsNotLeftToIt) {
  std::atomic<bool> ran = false;
  SlotPool pool(1, 2);
  SlotPool::Caller here(Lent::toJob(2));
  pool.submit({0, 0, -1, 0, [&] {
                 ran = true;
                 ran.notify_all();
               }});
  ran.wait(false);  // a helper's
}

TEST(SlotPool, WhoeverFreesASlotWakesAHelperForWhatItMayNotRun) {
  std::atomic<bool> ran = false;
  SlotPool pool(1, 1);
  {
    SlotPool::Caller all(std::nullopt);
    pool.submit({0, 0, -2, 0, [&] {
                   SlotPool::Caller here(std::nullopt);  // left to this thread, too: no helper is woken for it
                   pool.submit({0, 0, -1, 0, [&] {
                                  ran = true;
                                  ran.notify_all();
                                }});
                 }});
  }
  EXPECT_TRUE(pool.runOne(Lent::toJob(2)));
  ran.wait(false);
}

}  // namespace
}  // namespace sluice::local
