// The arithmetic of statistics and aggregations that need not be a template.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/abi.h"
#include "sluice/fields.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// How many partitions each level of an aggregation's tree has, from the widest down: none where one merge in the driver is as good.
// Throws Error(kInvalidArgument) for a depth below 1.
SLUICE_EXPORT std::vector<std::uint32_t> treeLevels(std::uint32_t partitions, int depth, const char* method);

// Bucket i holds edges[i] <= x < edges[i + 1], the last one its upper edge too. What lies outside, and NaN, counts nowhere.
struct SLUICE_EXPORT Buckets {
  std::vector<double> edges;
  bool even = false;  // evenly spaced: found by a division rather than a search
  SLUICE_FIELDS(Buckets, edges, even)

  void count(const double* values, std::size_t n, std::int64_t* counts) const;
  // Throws Error(kInvalidArgument): fewer than two edges, or edges that do not rise.
  void check() const;
  // `count` even ones from `least` to `most`; one alone if these are equal. Throws Error(kInvalidArgument): a count below 1, numbers
  // that are not finite.
  static Buckets evenly(double least, double most, int count);
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
