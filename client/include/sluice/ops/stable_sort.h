// A stable merge sort (<algorithm> would cost every application a quarter second of compile time).
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Sorts in place; `less(a, b)` must not throw half-way if the order of the elements is to be kept. T is moved and default constructed.
template <class T, class Less> void stableSort(std::vector<T>& all, Less less) {
  constexpr std::size_t kRun = 12;
  std::size_t n = all.size();
  for (std::size_t from = 0; from < n; from += kRun) {  // short runs by insertion
    std::size_t to = from + kRun < n ? from + kRun : n;
    for (std::size_t i = from + 1; i < to; ++i) {
      if (!less(all[i], all[i - 1])) continue;
      T x = std::move(all[i]);
      std::size_t at = i;
      do all[at] = std::move(all[at - 1]);
      while (--at > from && less(x, all[at - 1]));
      all[at] = std::move(x);
    }
  }
  if (n <= kRun) return;
  std::vector<T> other(n);
  for (std::size_t run = kRun; run < n; run *= 2) {
    for (std::size_t from = 0; from < n; from += 2 * run) {
      std::size_t middle = from + run < n ? from + run : n, to = from + 2 * run < n ? from + 2 * run : n;
      std::size_t a = from, b = middle, at = from;
      while (a < middle && b < to) {
        bool second = less(all[b], all[a]);
        other[at++] = std::move(second ? all[b++] : all[a++]);
      }
      while (a < middle) other[at++] = std::move(all[a++]);
      while (b < to) other[at++] = std::move(all[b++]);
    }
    all.swap(other);
  }
}

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
