#include "worker/executor/text_lines.h"

#include <bit>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::executor {

namespace {

// One bit for each '\n' in the next 64 bytes.
inline std::uint64_t newlines(const char* at) {
#if defined(__SSE2__)
  const __m128i nl = _mm_set1_epi8('\n');
  auto part = [&](int i) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at) + i);
    return std::uint64_t(std::uint32_t(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, nl))));
  };
  return part(0) | part(1) << 16 | part(2) << 32 | part(3) << 48;
#else
  std::uint64_t mask = 0;
  for (int i = 0; i < 64; ++i) mask |= std::uint64_t(at[i] == '\n') << i;
  return mask;
#endif
}

inline std::string_view lineOf(const char* start, const char* newline) {
  return {start, std::size_t(newline - start) - (newline > start && newline[-1] == '\r')};
}

}  // namespace

std::size_t cutLines(LineCut& cut, std::string_view* lines, std::size_t max, std::size_t maxBytes) {
  const char* start = cut.at;
  const char* limit = std::size_t(cut.startLimit - start) > maxBytes ? start + maxBytes : cut.startLimit;
  std::size_t n = 0;
  if (start >= cut.startLimit || max == 0) return 0;
  const char* at = start;
  for (; cut.end - at >= 64; at += 64) {
    for (std::uint64_t mask = newlines(at); mask != 0; mask &= mask - 1) {
      const char* newline = at + std::countr_zero(mask);
      lines[n++] = lineOf(start, newline);
      start = newline + 1;
      if (n == max || start >= limit) {
        cut.at = start;
        return n;
      }
    }
  }
  while (at < cut.end) {
    auto newline = static_cast<const char*>(std::memchr(at, '\n', std::size_t(cut.end - at)));
    if (!newline) break;
    lines[n++] = lineOf(start, newline);
    start = at = newline + 1;
    if (n == max || start >= limit) {
      cut.at = start;
      return n;
    }
  }
  if (cut.whole && start < cut.end) {
    lines[n++] = {start, std::size_t(cut.end - start)};
    start = cut.end;
  }
  cut.at = start;
  return n;
}

// The byte before a range says whether a line starts at its first.
MappedText::MappedText(const std::string& path, std::int64_t from, std::int64_t to) : file_(path, from > 0 ? from - 1 : 0) {
  if (to == 0 || to > file_.size()) to = file_.size();
  if (from >= to) return;
  cut_ = {file_.at(from > 0 ? from - 1 : 0), file_.end(), file_.at(to), true};
  if (from > 0) {
    auto newline = static_cast<const char*>(std::memchr(cut_.at, '\n', std::size_t(cut_.end - cut_.at)));
    cut_.at = newline ? newline + 1 : cut_.end;
  }
}

std::size_t MappedText::next(std::string_view* lines, std::size_t max, std::size_t maxBytes) {
  if (cut_.at >= cut_.startLimit) return 0;
  file_.bringIn(cut_.at);
  return cutLines(cut_, lines, max, maxBytes);
}

}  // namespace sluice::executor
