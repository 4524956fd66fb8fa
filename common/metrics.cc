#include "common/metrics.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

std::string seconds(double us) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", us / 1e6);
  return text;
}

}  // namespace

void DurationHistogram::observe(std::int64_t us) {
  std::uint64_t value = std::uint64_t(std::max<std::int64_t>(us, 0));
  int bucket = value <= 1 ? 0 : std::min<int>(std::bit_width(value - 1), kBounds);
  buckets_[std::size_t(bucket)].fetch_add(1, std::memory_order_relaxed);
  sumUs_.fetch_add(std::int64_t(value), std::memory_order_relaxed);
}

std::uint64_t DurationHistogram::atMost(int i) const {
  std::uint64_t count = 0;
  for (int at = 0; at <= i; ++at) count += buckets_[std::size_t(at)].load(std::memory_order_relaxed);
  return count;
}

std::uint64_t DurationHistogram::count() const { return atMost(kBounds); }

template <class T> T& Metrics::metric(const std::string& name, const std::string& help) {
  MutexLock lock(mutex_);
  auto [it, fresh] = metrics_.try_emplace(name);
  if (fresh) it->second = {help, std::make_unique<T>()};
  return *std::get<std::unique_ptr<T>>(it->second.body);
}

Counter& Metrics::counter(const std::string& name, const std::string& help) { return metric<Counter>(name, help); }
Gauge& Metrics::gauge(const std::string& name, const std::string& help) { return metric<Gauge>(name, help); }
DurationHistogram& Metrics::durations(const std::string& name, const std::string& help) { return metric<DurationHistogram>(name, help); }

std::string Metrics::text() const {
  MutexLock lock(mutex_);
  std::string text;
  auto begin = [&](const std::string& name, const std::string& help, const char* type) {
    absl::StrAppend(&text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  };
  for (const auto& [name, metric] : metrics_) {
    if (auto* counter = std::get_if<std::unique_ptr<Counter>>(&metric.body)) {
      begin(name, metric.help, "counter");
      absl::StrAppend(&text, name, " ", (*counter)->value(), "\n");
    } else if (auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&metric.body)) {
      begin(name, metric.help, "gauge");
      absl::StrAppend(&text, name, " ", (*gauge)->value(), "\n");
    } else {
      const auto& durations = *std::get<std::unique_ptr<DurationHistogram>>(metric.body);
      begin(name, metric.help, "histogram");
      for (int i = 0; i < DurationHistogram::kBounds; ++i) {
        absl::StrAppend(&text, name, "_bucket{le=\"", seconds(double(std::uint64_t(1) << i)), "\"} ", durations.atMost(i), "\n");
      }
      absl::StrAppend(&text, name, "_bucket{le=\"+Inf\"} ", durations.count(), "\n", name, "_sum ", seconds(double(durations.sumUs())), "\n", name,
                      "_count ", durations.count(), "\n");
    }
  }
  return text;
}

}  // namespace sluice
