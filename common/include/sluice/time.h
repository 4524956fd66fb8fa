// Durations and moments in whole milliseconds, as Spark counts them.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

// A length of time in whole milliseconds, which may be below zero. Made by Milliseconds(n), Seconds(n), Minutes(n).
class Duration {
 public:
  constexpr Duration() = default;
  constexpr explicit Duration(std::int64_t milliseconds) : ms_(milliseconds) {}
  constexpr std::int64_t milliseconds() const { return ms_; }
  constexpr bool isZero() const { return ms_ == 0; }
  // False if `other` is zero.
  constexpr bool isMultipleOf(Duration other) const { return other.ms_ != 0 && ms_ % other.ms_ == 0; }
  friend constexpr Duration operator+(Duration a, Duration b) { return Duration(a.ms_ + b.ms_); }
  friend constexpr Duration operator-(Duration a, Duration b) { return Duration(a.ms_ - b.ms_); }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return Duration(a.ms_ * n); }
  friend constexpr double operator/(Duration a, Duration b) { return double(a.ms_) / double(b.ms_); }
  friend constexpr auto operator<=>(Duration, Duration) = default;
  constexpr Duration min(Duration other) const { return other < *this ? other : *this; }
  constexpr Duration max(Duration other) const { return other > *this ? other : *this; }
  // "1000 ms", as Spark prints it.
  std::string toString() const { return std::to_string(ms_) + " ms"; }
  // In the unit that fits: "20 ms", "1.5 s", "2.0 m", "1.25 h".
  SLUICE_EXPORT std::string prettyPrint() const;

 private:
  std::int64_t ms_ = 0;
};

constexpr Duration Milliseconds(std::int64_t n) { return Duration(n); }
constexpr Duration Seconds(std::int64_t n) { return Duration(n * 1000); }
constexpr Duration Minutes(std::int64_t n) { return Duration(n * 60'000); }

// Milliseconds since 1970. A batch's time is the end of the interval whose data it holds.
class Time {
 public:
  constexpr Time() = default;
  constexpr explicit Time(std::int64_t milliseconds) : ms_(milliseconds) {}
  constexpr std::int64_t milliseconds() const { return ms_; }
  // The greatest multiple of `d` (above zero), counted from `zero` (1970), that is not after this time.
  constexpr Time floor(Duration d) const { return floor(d, Time(0)); }
  constexpr Time floor(Duration d, Time zero) const {
    std::int64_t past = ms_ - zero.ms_, step = d.milliseconds();
    std::int64_t down = past >= 0 ? past / step : -((-past + step - 1) / step);
    return Time(zero.ms_ + down * step);
  }
  constexpr bool isMultipleOf(Duration d) const { return d.milliseconds() != 0 && ms_ % d.milliseconds() == 0; }
  friend constexpr Time operator+(Time t, Duration d) { return Time(t.ms_ + d.milliseconds()); }
  friend constexpr Time operator-(Time t, Duration d) { return Time(t.ms_ - d.milliseconds()); }
  friend constexpr Duration operator-(Time a, Time b) { return Duration(a.ms_ - b.ms_); }
  friend constexpr auto operator<=>(Time, Time) = default;
  constexpr Time min(Time other) const { return other < *this ? other : *this; }
  constexpr Time max(Time other) const { return other > *this ? other : *this; }
  // This time and those that follow at `step` (above zero): before `end`, and up to it with `to`.
  std::vector<Time> until(Time end, Duration step) const {
    std::vector<Time> times;
    for (Time t = *this; step.milliseconds() > 0 && t < end; t = t + step) times.push_back(t);
    return times;
  }
  std::vector<Time> to(Time end, Duration step) const { return until(end + Duration(1), step); }
  std::string toString() const { return std::to_string(ms_) + " ms"; }

 private:
  std::int64_t ms_ = 0;
};

// From one time to another, as DStream::slice takes it.
struct Interval {
  Time beginTime, endTime;
  constexpr Duration duration() const { return endTime - beginTime; }
  friend constexpr bool operator==(const Interval&, const Interval&) = default;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
