#include "sluice/streaming_listener.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "client/log.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace {

constexpr int kPercentiles[] = {0, 5, 10, 25, 50, 75, 90, 95, 100};

std::string formatted(const char* form, double value) {
  char text[64];
  std::snprintf(text, sizeof text, form, value);
  return text;
}

// "12.0 ms", "1.5 s", "2.0 min", "3.0 hours"
std::string durationText(double ms) {
  if (ms > 3'600'000) return formatted("%.1f hours", ms / 3'600'000);
  if (ms > 60'000) return formatted("%.1f min", ms / 60'000);
  if (ms > 1000) return formatted("%.1f s", ms / 1000);
  return formatted("%.1f ms", ms);
}

void addDistribution(const char* heading, std::vector<double> values, std::vector<std::string>& lines) {
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  double sum = 0, squares = 0;
  for (double value : values) sum += value;
  double mean = sum / double(values.size());
  for (double value : values) squares += (value - mean) * (value - mean);
  std::string header, quantiles;
  for (int percent : kPercentiles) {
    header += "\t" + std::to_string(percent) + "%";
    quantiles += "\t" + durationText(values[std::min(values.size() * std::size_t(percent) / 100, values.size() - 1)]);
  }
  char summary[200];
  std::snprintf(summary, sizeof summary, "%s(count: %zu, mean: %f, stdev: %f, max: %f, min: %f)", heading, values.size(), mean,
                std::sqrt(squares / double(values.size())), values.back(), values.front());
  lines.push_back(summary);
  lines.push_back(header);
  lines.push_back(quantiles);
}

}  // namespace

StreamingListener::~StreamingListener() = default;

void StatsReportListener::onBatchCompleted(const StreamingListenerBatchCompleted& completed) {
  batches_.push_back(completed.batchInfo);
  if (int(batches_.size()) > most_) batches_.pop_front();
  for (const auto& line : report()) logLine(LogLevel::kInfo, line);
}

std::vector<std::string> StatsReportListener::report() const {
  std::vector<std::string> lines;
  auto distribution = [&](const char* heading, auto delayOf) {
    std::vector<double> values;
    for (const auto& batch : batches_) {
      if (auto delay = delayOf(batch)) values.push_back(double(*delay));
    }
    addDistribution(heading, std::move(values), lines);
  };
  distribution("Total delay: ", [](const BatchInfo& batch) { return batch.totalDelay(); });
  distribution("Processing time: ", [](const BatchInfo& batch) { return batch.processingDelay(); });
  return lines;
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
