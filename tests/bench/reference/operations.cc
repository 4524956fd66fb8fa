#include "tests/bench/reference/operations.h"

#include <algorithm>
#include <thread>

namespace sluice::bench {
namespace {

// work(0) on a second thread, work(1) here.
template <class Work> void onTwo(Work work) {
  std::thread other([&] { work(0); });
  work(1);
  other.join();
}

// Each thread reads all records and takes those whose key is its own: cheaper than handing them over, at two.
bool isOwn(std::int64_t key, int thread) { return (key & 1) == thread; }

}  // namespace

std::uint64_t sortedSum(std::int64_t n) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  auto half = values.begin() + n / 2;
  onTwo([&](int thread) {
    auto from = thread == 0 ? values.begin() : half, to = thread == 0 ? half : values.end();
    std::int64_t i = from - values.begin();
    for (auto at = from; at != to; ++at, ++i) *at = scattered(i);
    std::sort(from, to);
  });
  std::inplace_merge(values.begin(), half, values.end());
  std::uint64_t sum = 0;
  for (std::size_t p = 0; p < values.size(); ++p) sum += std::uint64_t(values[p]) ^ p;
  return sum;
}

std::uint64_t joinedSum(std::int64_t n, std::int64_t keys) {
  std::uint64_t sums[2] = {};
  onTwo([&](int thread) {
    absl::flat_hash_map<std::int64_t, std::vector<std::int64_t>> left;
    left.reserve(std::size_t(std::min(n, keys)) / 2);
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t key = scattered(i) % keys;
      if (isOwn(key, thread)) left[key].push_back(i);
    }
    std::uint64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t key = scattered(n + i) % keys;
      if (!isOwn(key, thread)) continue;
      auto found = left.find(key);
      if (found == left.end()) continue;
      for (std::int64_t value : found->second) sum += std::uint64_t(value ^ i);
    }
    sums[thread] = sum;
  });
  return sums[0] + sums[1];
}

std::uint64_t groupedSum(std::int64_t n, std::int64_t keys) {
  std::uint64_t sums[2] = {};
  onTwo([&](int thread) {
    absl::flat_hash_map<std::int64_t, std::vector<std::int64_t>> groups;
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t key = scattered(i) % keys;
      if (isOwn(key, thread)) groups[key].push_back(i);
    }
    std::uint64_t sum = 0;
    for (const auto& [key, values] : groups) sum += values.size() * std::uint64_t(*std::max_element(values.begin(), values.end()));
    sums[thread] = sum;
  });
  return sums[0] + sums[1];
}

std::size_t SlidingSums::slide(std::int64_t from, std::int64_t n, std::int64_t keys) {
  batches_.emplace_back();
  bool full = batches_.size() > length_;
  onTwo([&](int thread) {
    Sums& batch = thread == 0 ? batches_.back().first : batches_.back().second;
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t key = scattered(from + i) % keys;
      if (isOwn(key, thread)) ++batch[key];
    }
    Sums& window = window_[thread];
    for (const auto& [key, sum] : batch) window[key] += sum;
    if (!full) return;
    for (const auto& [key, sum] : thread == 0 ? batches_.front().first : batches_.front().second) {
      auto at = window.find(key);
      if ((at->second -= sum) == 0) window.erase(at);
    }
  });
  if (full) batches_.pop_front();
  return window_[0].size() + window_[1].size();
}

std::uint64_t KeptSums::add(std::int64_t from, std::int64_t n, std::int64_t keys) {
  std::uint64_t sums[2] = {};
  onTwo([&](int thread) {
    std::uint64_t sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t key = scattered(from + i) % keys;
      if (isOwn(key, thread)) sum += std::uint64_t(++sums_[thread][key]);
    }
    sums[thread] = sum;
  });
  return sums[0] + sums[1];
}

}  // namespace sluice::bench
