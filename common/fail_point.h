// Named places where tests make things go wrong: if (SLUICE_FAIL_POINT("journal.before_sync")) … . One load and a
// branch when off.
#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

// What a point does when it is reached, after having been passed `skip` times; `times` 0: always from then on.
struct FailPointAction {
  enum class Kind {
    kFail,   // the place behaves as if what it stands for had failed
    kKill,   // the process ends as by kill -9
    kDelay,  // the thread sleeps for delayMs
    kCall,   // `call` runs there; the place fails if it returns true
  };
  Kind kind = Kind::kFail;
  int skip = 0, times = 1;
  int delayMs = 0;
  std::function<bool()> call;
};

// Thread-safe. Points that nobody armed cost nothing; a name that no code has is never reached.
SLUICE_INTERNAL void armFailPoint(std::string_view name, FailPointAction action);
SLUICE_INTERNAL void disarmFailPoint(std::string_view name);
SLUICE_INTERNAL int failPointHits(std::string_view name);  // since it was armed
// "journal.before_sync=kill;batch.after_allocate=2:fail*3;link.send=delay(50)": [skip:]action[*times|*], times 1 unless
// said.
SLUICE_INTERNAL absl::Status armFailPoints(std::string_view text);
// From SLUICE_FAIL_POINTS; for the daemons' main.
SLUICE_INTERNAL absl::Status armFailPointsFromEnvironment();

// Armed for a scope of a test.
class FailPoint {
 public:
  explicit FailPoint(std::string name, FailPointAction action = {}) : name_(std::move(name)) {
    armFailPoint(name_, std::move(action));
  }
  ~FailPoint() { disarmFailPoint(name_); }
  FailPoint(const FailPoint&) = delete;
  FailPoint& operator=(const FailPoint&) = delete;
  int hits() const { return failPointHits(name_); }

 private:
  const std::string name_;
};

SLUICE_INTERNAL extern std::atomic<int> armedFailPoints;
SLUICE_INTERNAL bool reachFailPoint(std::string_view name);  // whether to fail

}  // namespace sluice

#define SLUICE_FAIL_POINT(name) \
  (::sluice::armedFailPoints.load(std::memory_order_relaxed) != 0 && ::sluice::reachFailPoint(name))
