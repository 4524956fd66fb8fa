// Count, mean, variance and extremes of numbers, in one pass (Spark's StatCounter): by Welford's method, merged by Chan's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "sluice/abi.h"
#include "sluice/fields.h"

namespace sluice {
inline namespace SLUICE_ABI {

class SLUICE_EXPORT StatCounter {
 public:
  StatCounter() = default;
  StatCounter& merge(double value) {
    double delta = value - mean_;
    ++count_;
    mean_ += delta / double(count_);
    squares_ += delta * (value - mean_);
    if (!(value <= max_)) max_ = value != value || max_ == max_ ? value : max_;  // a NaN stays, as in Java
    if (!(value >= min_)) min_ = value != value || min_ == min_ ? value : min_;
    return *this;
  }
  StatCounter& merge(const StatCounter& other);

  std::int64_t count() const { return count_; }
  double mean() const { return mean_; }  // 0 of nothing
  double sum() const { return mean_ * double(count_); }
  double max() const { return max_; }    // -infinity of nothing
  double min() const { return min_; }    // infinity of nothing
  // Of all values there are (divided by their number); NaN of nothing.
  double variance() const;
  double popVariance() const { return variance(); }
  double stdev() const;
  double popStdev() const { return stdev(); }
  // Estimates from a sample (divided by one less); NaN of fewer than two.
  double sampleVariance() const;
  double sampleStdev() const;
  // "(count: 3, mean: 2.000000, stdev: 0.816497, max: 3.000000, min: 1.000000)"
  std::string toString() const;

 private:
  std::int64_t count_ = 0;
  double mean_ = 0, squares_ = 0;  // the sum of squared distances from the mean
  double max_ = -std::numeric_limits<double>::infinity(), min_ = std::numeric_limits<double>::infinity();

 public:
  SLUICE_FIELDS(StatCounter, count_, mean_, squares_, max_, min_)
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
