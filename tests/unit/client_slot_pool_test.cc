// Which thread runs which task of an in-process cluster.
#include "client/local/slot_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

namespace sluice::local {
namespace {

TEST(SlotPool, AThreadThatWaitsForAJobRunsTasksOfNoOther) {
  SlotPool pool(1, 2);
  std::string ran;
  {
    // Left to this thread, so that no helper takes them.
    SlotPool::Caller here(std::nullopt);
    pool.submit({0, 0, -1, 0, [&] { ran += "1"; }});
  }
  EXPECT_FALSE(pool.runOne(Lent::toJob(2))) << "job 1 may be one that never ends";
  EXPECT_FALSE(pool.runOne(Lent::toBatches()));
  EXPECT_FALSE(pool.runOne(Lent::toNone()));
  EXPECT_TRUE(pool.runOne(Lent::toJob(1)));
  EXPECT_FALSE(pool.runOne(Lent::toJob(1)));
  EXPECT_EQ(ran, "1");
}

TEST(SlotPool, WhatAThreadMayNotRunIsNotLeftToIt) {
  SlotPool pool(1, 2);
  std::atomic<bool> ran = false;
  SlotPool::Caller here(Lent::toJob(2));
  pool.submit({0, 0, -1, 0, [&] {
                 ran = true;
                 ran.notify_all();
               }});
  ran.wait(false);  // a helper's
}

TEST(SlotPool, WhoeverFreesASlotWakesAHelperForWhatItMayNotRun) {
  SlotPool pool(1, 1);
  std::atomic<bool> ran = false;
  {
    SlotPool::Caller all(std::nullopt);
    pool.submit({0, 0, -3, 0, [] {}});
    pool.runOne(std::nullopt);  // work of this kind is short: no helper is woken for it
    pool.submit({0, 0, -2, 0, [] {}});
    pool.submit({0, 0, -1, 0, [&] {
                   ran = true;
                   ran.notify_all();
                 }});
  }
  EXPECT_TRUE(pool.runOne(Lent::toJob(2)));
  ran.wait(false);
}

}  // namespace
}  // namespace sluice::local
