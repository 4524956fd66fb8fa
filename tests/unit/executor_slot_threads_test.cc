#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <latch>
#include <mutex>
#include <semaphore>
#include <thread>

#include "worker/executor/slot_threads.h"

namespace sluice::executor {
namespace {

// Events as a link would bring them: what happens on the polling thread.
class Events {
 public:
  void push(std::function<void()> event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    woken_.notify_one();
  }
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    woken_.notify_all();
  }
  bool poll() {
    std::function<void()> event;
    {
      std::unique_lock lock(mutex_);
      EXPECT_FALSE(std::exchange(polled_, true)) << "two threads poll";
      woken_.wait(lock, [&] { return closed_ || !events_.empty(); });
      polled_ = false;
      if (events_.empty()) return false;
      event = std::move(events_.front());
      events_.pop_front();
    }
    event();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  std::deque<std::function<void()>> events_;
  bool closed_ = false, polled_ = false;
};

TEST(SlotThreads, ATaskRunsOnTheThreadThatPolledIt) {
  for (std::uint32_t slots = 1; slots <= 4; ++slots) {
    Events events;
    bool same = false;
    std::latch done(1);
    {
      SlotThreads threads(slots, [&] { return events.poll(); });
      // One polls; one that is still awake could be first at the queue.
      while (threads.asleep() < slots) std::this_thread::yield();
      events.push([&] {
        auto polled = std::this_thread::get_id();
        threads.add([&, polled] {
          same = std::this_thread::get_id() == polled;
          done.count_down();
        });
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // time to take it, for one that was woken for nothing
      });
      done.wait();
      events.close();
    }
    EXPECT_TRUE(same) << slots;
  }
}

TEST(SlotThreads, PollingGoesOnWhileATaskTakesLong) {
  Events events;
  std::latch polled(1), done(1);
  {
    SlotThreads threads(1, [&] { return events.poll(); });
    events.push([&] {
      threads.add([&] {
        polled.wait();  // what the next event sets
        done.count_down();
      });
    });
    events.push([&] { polled.count_down(); });
    done.wait();
    events.close();
  }
}

TEST(SlotThreads, NoMoreTasksAtOnceThanSlotsAndAllOfThem) {
  Events events;
  std::atomic<int> now = 0, most = 0, ran = 0;
  {
    SlotThreads threads(3, [&] { return events.poll(); });
    auto job = [&] {
      int at = ++now;
      for (int seen = most; at > seen && !most.compare_exchange_weak(seen, at);) {
      }
      std::this_thread::yield();
      --now, ++ran;
    };
    for (int i = 0; i < 200; ++i) {
      events.push([&] {
        for (int k = 0; k < 5; ++k) threads.add(job);
      });
    }
    for (int i = 0; i < 500; ++i) threads.add(job);  // from outside, too
    events.close();
  }
  EXPECT_EQ(ran, 1500);
  EXPECT_LE(most, 3);
}

TEST(SlotThreads, AllSlotsAreUsed) {
  Events events;
  std::latch together(4);
  {
    SlotThreads threads(4, [&] { return events.poll(); });
    events.push([&] {
      for (int k = 0; k < 4; ++k) threads.add([&] { together.arrive_and_wait(); });
    });
    together.wait();
    events.close();
  }
}

// Fails instead of standing still.
bool comes(std::counting_semaphore<>& what) { return what.try_acquire_for(std::chrono::seconds(10)); }

TEST(SlotThreads, WhatATaskAddsBeforeItWaitsIsRunByOthers) {
  Events events;
  std::counting_semaphore<> polled(0), ran(0), done(0);
  {
    SlotThreads threads(2, [&] { return events.poll(); });
    events.push([&] {
      threads.add([&] {
        EXPECT_TRUE(comes(polled));  // another thread polls, and does not look at the queue
        threads.aboutToWait();
        threads.add([&] { ran.release(); });
        EXPECT_TRUE(comes(ran)) << "nobody was woken for it";
        done.release();
      });
    });
    events.push([&] { polled.release(); });
    EXPECT_TRUE(done.try_acquire_for(std::chrono::seconds(30)));
    events.close();
  }
}

TEST(SlotThreads, SomebodyPollsWhileAllTasksWait) {
  Events events;
  std::counting_semaphore<> opened(0), done(0);
  {
    SlotThreads threads(2, [&] { return events.poll(); });
    auto waiting = [&] {
      threads.aboutToWait();
      EXPECT_TRUE(comes(opened)) << "nobody polled for what opens it";
      done.release();
    };
    for (int round = 0; round < 300 && !::testing::Test::HasFailure(); ++round) {
      if (round % 3 == 0) events.push([&] { threads.add([] {}); });  // a short one: a spare thread watches
      events.push([&] { threads.add(waiting), threads.add(waiting); });
      events.push([&] { opened.release(2); });
      for (int task = 0; task < 2; ++task) EXPECT_TRUE(done.try_acquire_for(std::chrono::seconds(20)));
    }
    events.close();
  }
}

}  // namespace
}  // namespace sluice::executor
