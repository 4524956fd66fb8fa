// The limiter on a clock of its own: how long so many records take.
#include "worker/executor/rate_limiter.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace sluice::executor {
namespace {

struct Scene {
  std::int64_t nowUs = 1'000'000;
  int waits = 0;
  bool stopped = false;
  RateLimiter limiter;
  explicit Scene(double rate)
      : limiter(rate, [this](std::int64_t us) { return nowUs += us, ++waits, !stopped; }, [this] { return nowUs; }) {}
  double secondsFor(int times, std::size_t n) {
    std::int64_t from = nowUs;
    for (int i = 0; i < times; ++i) limiter.take(n);
    return double(nowUs - from) / 1e6;
  }
};

TEST(RateLimiter, RecordsPassAtTheRate) {
  Scene scene(1000);
  EXPECT_NEAR(scene.secondsFor(5000, 1), 5.0, 0.11);
  EXPECT_NEAR(scene.secondsFor(50, 100), 5.0, 0.2);
}

TEST(RateLimiter, ALargeBlockIsOwed) {
  Scene scene(100);
  EXPECT_LE(scene.secondsFor(1, 1000), 0.2);
  EXPECT_NEAR(scene.secondsFor(1, 1), 10.0, 0.3);
}

TEST(RateLimiter, ABurstIsATenthOfASecond) {
  Scene scene(1000);
  scene.nowUs += 60'000'000;
  EXPECT_EQ(scene.secondsFor(100, 1), 0.0);
  EXPECT_GT(scene.secondsFor(100, 1), 0.05);
}

TEST(RateLimiter, ANewRateHoldsForWhoeverWaits) {
  std::int64_t nowUs = 0;
  bool risen = false;
  std::unique_ptr<RateLimiter> limiter;
  auto wait = [&](std::int64_t us) {
    nowUs += us;
    if (nowUs >= 400'000 && !std::exchange(risen, true)) limiter->setRate(1000);
    return true;
  };
  limiter = std::make_unique<RateLimiter>(1, wait, [&] { return nowUs; });
  limiter->take(1);
  EXPECT_TRUE(risen);
  EXPECT_LT(nowUs, 800'000) << "at the rate before it would have been a second";
}

TEST(RateLimiter, WhatIsOwedIsOwedForAsLongAtAnotherRate) {
  Scene scene(100);
  scene.secondsFor(1, 1000);
  scene.limiter.setRate(10);
  EXPECT_NEAR(scene.secondsFor(1, 1), 10.0, 0.5);
  scene.limiter.setRate(0);
  EXPECT_EQ(scene.secondsFor(1000, 1000), 0.0);
  scene.limiter.setRate(100);
  EXPECT_NEAR(scene.secondsFor(100, 1), 1.0, 0.11) << "nothing is left of what there was before";
}

TEST(RateLimiter, ZeroIsNoLimitAndAStopEndsTheWait) {
  Scene none(0);
  EXPECT_EQ(none.secondsFor(1'000'000, 1), 0.0);
  Scene slow(0.001);
  slow.stopped = true;
  slow.limiter.take(1);
  EXPECT_EQ(slow.waits, 1) << "which was told that nobody wants to know";
}

}  // namespace
}  // namespace sluice::executor
