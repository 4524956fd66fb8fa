// So many records a second, evenly: whoever takes more than there are waits.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "common/mutex.h"
#include "sluice/abi.h"

namespace sluice::executor {

// A token bucket that holds a tenth of a second. Any thread.
class SLUICE_INTERNAL RateLimiter {
 public:
  using Clock = std::function<std::int64_t()>;                 // microseconds, never going back
  // So long, or less; false, and at once, when it does not matter any more.
  using Wait = std::function<bool(std::int64_t microseconds)>;
  // 0 or less: no limit. The clock is the system's unless said.
  RateLimiter(double recordsPerSecond, Wait wait, Clock clock = {});

  // Returns once n records may pass, or the wait says that it does not matter.
  void take(std::size_t n);
  // From now on, also for those who wait.
  void setRate(double recordsPerSecond);
  // How many records to bring at once; 0: as many as there are.
  std::size_t atOnce() const;

 private:
  const Wait wait_;
  const Clock clock_;
  std::atomic<double> rate_;
  Mutex mutex_;
  double tokens_ GUARDED_BY(mutex_) = 0;
  std::int64_t filledUs_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice::executor
