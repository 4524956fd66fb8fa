#include "tests/bench/row.h"

#include <time.h>

#include <algorithm>

namespace sluice::bench {

Spread spreadOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  std::size_t mid = values.size() / 2;
  double median = values.size() % 2 ? values[mid] : (values[mid - 1] + values[mid]) / 2;
  return {median, values.front(), values.back()};
}

Comparison interleave(int rounds, const std::function<double()>& a, const std::function<double()>& b) {
  std::vector<double> as, bs, ratios;
  for (int round = -1; round < rounds; ++round) {
    double first = a(), second = b();
    if (round < 0) continue;  // page cache, page tables and branch predictors are warm from here on
    as.push_back(first);
    bs.push_back(second);
    ratios.push_back(first / second);
  }
  return {spreadOf(as), spreadOf(bs), spreadOf(ratios)};
}

double now() {
  timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return double(at.tv_sec) + double(at.tv_nsec) * 1e-9;
}

double timed(const std::function<void()>& work) {
  double from = now();
  work();
  return now() - from;
}

}  // namespace sluice::bench
