// What a process counts and measures of itself, by name, for whoever asks (sluice-ctl metrics). Names and the form of text() are Prometheus's:
// snake_case, a unit at the end, _total for what only grows.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "common/mutex.h"
#include "sluice/abi.h"

namespace sluice {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Durations in microseconds, in buckets whose bounds double from 1 us to about 2 minutes; what is longer counts in the last, unbounded one.
class SLUICE_INTERNAL DurationHistogram {
 public:
  static constexpr int kBounds = 28;
  void observe(std::int64_t us);
  std::uint64_t count() const;
  std::int64_t sumUs() const { return sumUs_.load(std::memory_order_relaxed); }
  // How many were at most 2^i us.
  std::uint64_t atMost(int i) const;

 private:
  std::array<std::atomic<std::uint64_t>, kBounds + 1> buckets_{};
  std::atomic<std::int64_t> sumUs_{0};
};

// Thread-safe; what it hands out stays valid as long as it lives, and is updated without a lock.
class SLUICE_INTERNAL Metrics {
 public:
  // The metric of that name, made with the first call. A name has one kind.
  Counter& counter(const std::string& name, const std::string& help) EXCLUDES(mutex_);
  Gauge& gauge(const std::string& name, const std::string& help) EXCLUDES(mutex_);
  DurationHistogram& durations(const std::string& name, const std::string& help) EXCLUDES(mutex_);
  // All of them in Prometheus's text format, version 0.0.4; durations in seconds.
  std::string text() const EXCLUDES(mutex_);

 private:
  struct Metric {
    std::string help;
    std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<DurationHistogram>> body;
  };
  template <class T> T& metric(const std::string& name, const std::string& help) EXCLUDES(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, Metric> metrics_ GUARDED_BY(mutex_);
};

}  // namespace sluice
