// So many records a second, evenly: whoever takes more than there are waits.
#pragma once
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
  using Wait = std::function<void(std::int64_t microseconds)>;
  // 0 or less: no limit. The clock and the wait are the system's unless said.
  explicit RateLimiter(double recordsPerSecond, Clock clock = {}, Wait wait = {});

  // Returns once n records may pass, or stopped() says that it does not matter any more.
  void take(std::size_t n, const std::function<bool()>& stopped);

 private:
  const double rate_;
  const Clock clock_;
  const Wait wait_;
  Mutex mutex_;
  double tokens_ GUARDED_BY(mutex_) = 0;
  std::int64_t filledUs_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice::executor
