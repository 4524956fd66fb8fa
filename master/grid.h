// Times on the grid of a stream: zero time and whole slides after it.
#pragma once
#include <cstdint>

namespace sluice::master {

// The last grid time at or before `ms`; zero time itself if there is none.
inline std::int64_t gridDown(std::int64_t ms, std::int64_t zeroMs, std::int64_t slideMs) {
  return ms <= zeroMs ? zeroMs : zeroMs + (ms - zeroMs) / slideMs * slideMs;
}

// The first after `ms`; the first of all is a slide after zero time.
inline std::int64_t gridAfter(std::int64_t ms, std::int64_t zeroMs, std::int64_t slideMs) {
  return gridDown(ms, zeroMs, slideMs) + slideMs;
}

// The first at or after `ms`.
inline std::int64_t gridUp(std::int64_t ms, std::int64_t zeroMs, std::int64_t slideMs) { return gridAfter(ms - 1, zeroMs, slideMs); }

}  // namespace sluice::master
