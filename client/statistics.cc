// Statistics of numbers: counters and histograms.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "sluice/detail/statistics.h"
#include "sluice/error.h"
#include "sluice/stat_counter.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace {

// Java's %f: six digits, and words for what is no number.
std::string sixDigits(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x < 0 ? "-Infinity" : "Infinity";
  char text[400];
  int n = std::snprintf(text, sizeof text, "%f", x);
  return std::string(text, std::size_t(n));
}

}  // namespace

StatCounter& StatCounter::merge(const StatCounter& other) {
  if (other.count_ == 0) return *this;
  if (count_ == 0) return *this = other;
  double delta = other.mean_ - mean_, n = double(count_), m = double(other.count_);
  if (m * 10 < n) mean_ += delta * m / (n + m);
  else if (n * 10 < m) mean_ = other.mean_ - delta * n / (n + m);
  else mean_ = (mean_ * n + other.mean_ * m) / (n + m);
  squares_ += other.squares_ + delta * delta * n * m / (n + m);
  count_ += other.count_;
  if (other.max_ != other.max_ || other.max_ > max_) max_ = other.max_;
  if (other.min_ != other.min_ || other.min_ < min_) min_ = other.min_;
  return *this;
}

double StatCounter::variance() const { return count_ == 0 ? std::nan("") : squares_ / double(count_); }
double StatCounter::stdev() const { return std::sqrt(variance()); }
double StatCounter::sampleVariance() const { return count_ <= 1 ? std::nan("") : squares_ / double(count_ - 1); }
double StatCounter::sampleStdev() const { return std::sqrt(sampleVariance()); }

std::string StatCounter::toString() const {
  return "(count: " + std::to_string(count_) + ", mean: " + sixDigits(mean()) + ", stdev: " + sixDigits(stdev()) + ", max: " + sixDigits(max()) +
         ", min: " + sixDigits(min()) + ")";
}

namespace detail {

std::vector<std::uint32_t> treeLevels(std::uint32_t partitions, int depth, const char* method) {
  if (depth < 1) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the depth is " + std::to_string(depth) + "; it must be above 0");
  std::vector<std::uint32_t> levels;
  auto scale = std::uint32_t(std::max(std::ceil(std::pow(double(partitions), 1.0 / depth)), 2.0));
  // A level pays if it spares the driver more values than it has itself.
  while (partitions > scale + (partitions + scale - 1) / scale) levels.push_back(partitions /= scale);
  return levels;
}

void Buckets::check() const {
  if (edges.size() < 2) throwError(ErrorKind::kInvalidArgument, "histogram: the list of edges must have at least two elements");
  for (std::size_t i = 1; i < edges.size(); ++i) {
    if (!(edges[i - 1] < edges[i])) throwError(ErrorKind::kInvalidArgument, "histogram: the edges must rise; sort them and leave out doubles");
  }
}

Buckets Buckets::evenly(double least, double most, int count) {
  if (count < 1) throwError(ErrorKind::kInvalidArgument, "histogram: the number of buckets is " + std::to_string(count) + "; it must be above 0");
  if (!std::isfinite(least) || !std::isfinite(most)) {
    throwError(ErrorKind::kInvalidArgument, "histogram of an empty RDD, or of one that has an infinite value or NaN; filter these out, or name the edges");
  }
  Buckets buckets;
  buckets.even = true;
  for (int i = 0; least != most && i < count; ++i) buckets.edges.push_back(least + i * (most - least) / count);
  if (buckets.edges.empty()) buckets.edges.push_back(least);
  buckets.edges.push_back(most);
  return buckets;
}

void Buckets::count(const double* values, std::size_t n, std::int64_t* counts) const {
  const double first = edges.front(), last = edges.back();
  const std::size_t buckets = edges.size() - 1;
  for (std::size_t i = 0; i < n; ++i) {
    double x = values[i];
    if (!(x >= first && x <= last)) continue;
    std::size_t bucket;
    if (even) {
      double at = (x - first) / (last - first) * double(buckets);
      bucket = at < double(buckets) ? std::size_t(at) : buckets - 1;  // NaN, of one bucket without width, too
    } else {
      bucket = std::size_t(std::upper_bound(edges.begin(), edges.end(), x) - edges.begin()) - 1;
      bucket = std::min(bucket, buckets - 1);
    }
    ++counts[bucket];
  }
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
