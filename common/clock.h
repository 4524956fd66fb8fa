// Where `now` comes from. Shells hold a Clock and hand its moments to machines, which never read one themselves.
#pragma once
#include <ctime>

#include "common/machine.h"

namespace sluice {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Moment now() const = 0;  // from any thread
};

class SystemClock final : public Clock {
 public:
  static Moment read() {
    timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return {std::int64_t(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000};
  }
  Moment now() const override { return read(); }
};

}  // namespace sluice
