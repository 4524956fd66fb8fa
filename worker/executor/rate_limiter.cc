#include "worker/executor/rate_limiter.h"

#include <time.h>

#include <algorithm>

namespace sluice::executor {

namespace {

constexpr double kBurstSeconds = 0.1;
constexpr std::int64_t kLongestWaitUs = 250'000;  // then it is looked whether the rate is another one

std::int64_t monotonicUs() {
  timespec at;
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return std::int64_t(at.tv_sec) * 1'000'000 + at.tv_nsec / 1000;
}

}  // namespace

RateLimiter::RateLimiter(double recordsPerSecond, Wait wait, Clock clock)
    : wait_(std::move(wait)), clock_(clock ? std::move(clock) : Clock(&monotonicUs)), rate_(recordsPerSecond) {
  filledUs_ = clock_();
}

void RateLimiter::setRate(double recordsPerSecond) {
  MutexLock lock(mutex_);
  const double before = rate_.exchange(recordsPerSecond);
  const std::int64_t nowUs = clock_();
  // What was earned until now was earned at the rate before; what is owed is owed for as long as it was.
  if (before > 0) tokens_ += before * double(nowUs - filledUs_) / 1e6;
  if (before > 0 && recordsPerSecond > 0 && tokens_ < 0) tokens_ *= recordsPerSecond / before;
  if (before <= 0) tokens_ = 0;
  filledUs_ = nowUs;
}

std::size_t RateLimiter::atOnce() const {
  const double rate = rate_;
  return rate > 0 ? std::size_t(std::max(rate * kBurstSeconds, 1.0)) : 0;
}

// More than the bucket holds passes when it is full, and is owed.
void RateLimiter::take(std::size_t n) {
  for (;;) {
    const double rate = rate_;
    if (rate <= 0 || n == 0) return;
    const double most = std::max(rate * kBurstSeconds, 1.0);
    std::int64_t missingUs;
    {
      MutexLock lock(mutex_);
      std::int64_t nowUs = clock_();
      tokens_ = std::min(most, tokens_ + rate * double(nowUs - filledUs_) / 1e6);
      filledUs_ = nowUs;
      double needed = std::min(double(n), most);
      if (tokens_ >= needed) {
        tokens_ -= double(n);
        return;
      }
      missingUs = std::min(std::int64_t((needed - tokens_) / rate * 1e6) + 1, kLongestWaitUs);
    }
    if (!wait_(missingUs)) return;
  }
}

}  // namespace sluice::executor
