#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/strand.h"
#include "common/timers.h"

namespace sluice {
namespace {

TEST(Work, HoldsSmallAndLargeMoveOnlyCallables) {
  int sum = 0;
  auto one = std::make_unique<int>(1);
  Work small([&sum, one = std::move(one)] { sum += *one; });
  struct Large {
    char bytes[200] = {2};
    std::shared_ptr<int> alive;
  };
  auto alive = std::make_shared<int>(0);
  Large large{{2}, alive};
  Work big([&sum, large] { sum += large.bytes[0]; });
  large.alive.reset();
  Work moved = std::move(big);
  small(), moved();
  EXPECT_FALSE(big);  // NOLINT: the moved-from state is what is asked for
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(alive.use_count(), 2);
  moved = std::move(small);
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(Strand, RunsWhatIsPostedFromInsideAfterwards) {
  Strand strand;
  std::string order;
  strand.post([&] {
    EXPECT_TRUE(strand.isHere());
    strand.post([&] { order += 'b'; });
    strand.post([&] { order += 'c'; });
    order += 'a';
  });
  EXPECT_EQ(order, "abc");
  EXPECT_FALSE(strand.isHere());
}

TEST(Strand, TwoStrandsNest) {
  Strand outer, inner;
  outer.post([&] {
    inner.post([&] {
      EXPECT_TRUE(inner.isHere());
      EXPECT_FALSE(outer.isHere());
    });
    EXPECT_TRUE(outer.isHere());
  });
}

// Each thread's work in order, never two at a time. `plain` is no atomic: ThreadSanitizer watches it.
void postFromFourThreads(Strand& strand, const std::function<void()>& settle) {
  constexpr int kThreads = 4, kEach = 5'000;
  int plain = 0;
  int last[kThreads] = {};
  bool ordered = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= kEach; ++i) {
        strand.post([&, t, i] {
          ordered = ordered && last[t] == i - 1;
          last[t] = i;
          ++plain;
        });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  settle();
  EXPECT_TRUE(ordered);
  EXPECT_EQ(plain, kThreads * kEach);
}

TEST(Strand, DrainedNobodyIsInsideAnyMore) {
  for (int i = 0; i < 200; ++i) {
    auto strand = std::make_unique<Strand>();
    std::atomic<bool> begun = false, go = false;
    int ran = 0;
    std::thread runner([&] {
      strand->post([&] {
        begun = true;
        while (!go) std::this_thread::yield();
        ++ran;
      });
    });
    while (!begun) std::this_thread::yield();
    strand->post([&] { ++ran; });  // left to the runner
    go = true;
    strand->drain();
    EXPECT_EQ(ran, 2);
    strand.reset();
    runner.join();
  }
}

TEST(Strand, ManyPosters) {
  Strand strand;
  postFromFourThreads(strand, [&] { strand.post([] {}); });
}

TEST(LoopThread, ManyPosters) {
  LoopThread loop("test loop");
  postFromFourThreads(loop, [&] { loop.close(); });
}

TEST(LoopThread, RunsOnItsOwnThreadAndDropsWhatComesLate) {
  LoopThread loop("test loop");
  std::thread::id there;
  loop.post([&] { there = std::this_thread::get_id(); });
  loop.close();
  EXPECT_NE(there, std::this_thread::get_id());
  loop.post([] { FAIL() << "ran after close"; });
}

struct Deliveries {
  Mutex mutex;
  CondVar changed;
  std::vector<std::pair<TimerName, Moment>> all GUARDED_BY(mutex);
  void add(TimerName timer) {
    MutexLock lock(mutex);
    all.emplace_back(timer, SystemClock::read());
    changed.notifyAll();
  }
  std::vector<std::pair<TimerName, Moment>> wait(std::size_t count) {
    MutexLock lock(mutex);
    while (all.size() < count) changed.wait(mutex);
    return all;
  }
};

TEST(Timers, DeliverInOrderAndNotEarly) {
  Strand strand;
  Deliveries deliveries;
  Timers timers(strand, [&](TimerName timer) { deliveries.add(timer); });
  Moment base = SystemClock::read();
  auto after = [&](int ms) { return base + Milliseconds(ms); };
  timers.arm({1, 3, 0}, after(30));
  timers.arm({1, 1, 0}, after(10));
  timers.arm({1, 2, 0}, after(20));
  timers.arm({1, 0, 0}, Moment{base.us - 5});  // already over
  auto got = deliveries.wait(4);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(got[i].first, (TimerName{1, i, 0}));
    EXPECT_GE(got[i].second, i == 0 ? base : after(int(i) * 10));
  }
}

TEST(Timers, ArmingAgainMovesAndDisarmingForgets) {
  Strand strand;
  Deliveries deliveries;
  Timers timers(strand, [&](TimerName timer) { deliveries.add(timer); });
  Moment base = SystemClock::read();
  timers.arm({1, 1, 0}, base + Minutes(10));
  timers.arm({1, 2, 0}, base + Milliseconds(5));
  timers.arm({1, 1, 0}, base + Milliseconds(10));
  timers.disarm({1, 2, 0});
  timers.disarm({1, 9, 0});
  timers.arm({1, 3, 0}, base + Milliseconds(15));
  auto got = deliveries.wait(2);
  EXPECT_EQ(got[0].first.a, 1u);
  EXPECT_EQ(got[1].first.a, 3u);
}

TEST(Timers, OneDisarmedOnTheStrandIsNotDeliveredThoughItsMomentHasPassed) {
  LoopThread strand("test loop");
  Deliveries deliveries;
  Timers timers(strand, [&](TimerName timer) { deliveries.add(timer); });
  strand.post([&] {
    // Both fall due while the strand is busy; they lie posted behind this work.
    Moment now = SystemClock::read();
    timers.arm({1, 1, 0}, now);
    timers.arm({1, 2, 0}, now);
    std::this_thread::yield();
    timers.disarm({1, 1, 0});
  });
  EXPECT_EQ(deliveries.wait(1)[0].first.a, 2u);
  strand.post([&] { timers.arm({1, 3, 0}, SystemClock::read()); });
  EXPECT_EQ(deliveries.wait(2)[1].first.a, 3u);
  timers.close();
  strand.close();
}

TEST(Timers, TellHowLateTheyAre) {
  Strand strand;
  std::vector<std::int64_t> late;
  Deliveries done;
  Moment due;
  Timers* self = nullptr;
  Timers timers(strand, [&](TimerName timer) {
    late.push_back(SystemClock::read().us - due.us);
    if (late.size() == 100) return done.add(timer);
    due = Moment{SystemClock::read().us + 1000};
    self->arm({1, 1, 0}, due);
  });
  strand.post([&] {
    self = &timers;
    due = Moment{SystemClock::read().us + 1000};
    timers.arm({1, 1, 0}, due);
  });
  done.wait(1);
  std::sort(late.begin(), late.end());
  printf("timers late by: p50 %ld us, p90 %ld us, most %ld us\n", long(late[50]), long(late[90]), long(late[99]));
}

}  // namespace
}  // namespace sluice
