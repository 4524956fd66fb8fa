#include "worker/executor/rate_limiter.h"

#include <time.h>

#include <algorithm>

namespace sluice::executor {

namespace {

constexpr double kBurstSeconds = 0.1;

std::int64_t monotonicUs() {
  timespec at;
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return std::int64_t(at.tv_sec) * 1'000'000 + at.tv_nsec / 1000;
}

}  // namespace

RateLimiter::RateLimiter(double recordsPerSecond, Wait wait, Clock clock)
    : rate_(recordsPerSecond), wait_(std::move(wait)), clock_(clock ? std::move(clock) : Clock(&monotonicUs)) {
  if (rate_ <= 0) return;
  filledUs_ = clock_();
}

// More than the bucket holds passes when it is full, and is owed.
void RateLimiter::take(std::size_t n) {
  if (rate_ <= 0) return;
  const double most = std::max(rate_ * kBurstSeconds, 1.0);
  for (;;) {
    std::int64_t missingUs;
    {
      MutexLock lock(mutex_);
      std::int64_t nowUs = clock_();
      tokens_ = std::min(most, tokens_ + rate_ * double(nowUs - filledUs_) / 1e6);
      filledUs_ = nowUs;
      double needed = std::min(double(n), most);
      if (tokens_ >= needed) {
        tokens_ -= double(n);
        return;
      }
      missingUs = std::int64_t((needed - tokens_) / rate_ * 1e6) + 1;
    }
    if (!wait_(missingUs)) return;
  }
}

}  // namespace sluice::executor
