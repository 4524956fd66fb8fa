// Sort, join, group, sliding windows and state by key as a good engineer would write them by hand for the one job: two threads, plain arrays,
// Abseil tables, no general machinery. What the engine's operations are measured against.
#pragma once
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace sluice::bench {

// The i-th of the numbers that both sides work on: a bijection without any order (splitmix64's finaliser).
inline std::int64_t scattered(std::int64_t i) {
  std::uint64_t x = std::uint64_t(i) + 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return std::int64_t((x ^ (x >> 31)) >> 1);
}

// Sorts scattered(0 … n-1); a number that depends on the order: the sum over positions p of value(p) xor p.
std::uint64_t sortedSum(std::int64_t n);
// Joins (scattered(i) % keys, i) with (scattered(n + i) % keys, i), i below n; the sum of left xor right over the pairs.
std::uint64_t joinedSum(std::int64_t n, std::int64_t keys);
// Groups (scattered(i) % keys, i), i below n; the sum of size times greatest value over the groups.
std::uint64_t groupedSum(std::int64_t n, std::int64_t keys);

// Sums by key over the last `length` batches.
class SlidingSums {
 public:
  explicit SlidingSums(std::size_t length) : length_(length) {}
  // The batch of (scattered(from + i) % keys, 1), i below n. Gives the number of keys in the window.
  std::size_t slide(std::int64_t from, std::int64_t n, std::int64_t keys);

 private:
  using Sums = absl::flat_hash_map<std::int64_t, std::int64_t>;
  const std::size_t length_;
  Sums window_[2];
  std::deque<std::pair<Sums, Sums>> batches_;  // by thread
};

// A sum for each key, kept.
class KeptSums {
 public:
  // The same batch; gives the sum of all results (a result for each record: its key's new sum).
  std::uint64_t add(std::int64_t from, std::int64_t n, std::int64_t keys);

 private:
  absl::flat_hash_map<std::int64_t, std::int64_t> sums_[2];
};

}  // namespace sluice::bench
