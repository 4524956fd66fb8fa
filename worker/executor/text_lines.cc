#include "worker/executor/text_lines.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "sluice/error.h"

namespace sluice::executor {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kWindow = 2 << 20;

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

MappedText::MappedText(const std::string& path, std::int64_t from, std::int64_t to) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (fd < 0 || ::fstat(fd, &facts) != 0) {
    int why = errno;
    if (fd >= 0) ::close(fd);
    throwError(ErrorKind::kUnavailable, "cannot read " + path + ": " + std::strerror(why));
  }
  std::int64_t size = facts.st_size;
  if (to == 0 || to > size) to = size;
  if (from >= to || size == 0) {
    ::close(fd);
    return;
  }
  std::int64_t first = from > 0 ? from - 1 : 0;  // the byte before says whether a line starts at `from`
  base_ = first / std::int64_t(kPage) * std::int64_t(kPage);
  mapped_ = std::size_t(size - base_);
  void* map = ::mmap(nullptr, mapped_, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, base_);
  int why = errno;
  ::close(fd);
  if (map == MAP_FAILED) {
    throwError(ErrorKind::kUnavailable, "cannot map " + path + ": " + std::strerror(why));
  }
  map_ = static_cast<char*>(map);
  gone_ = ready_ = map_;
  cut_ = {map_ + (first - base_), map_ + mapped_, map_ + (to - base_), true};
  if (from > 0) {
    auto newline = static_cast<const char*>(std::memchr(cut_.at, '\n', std::size_t(cut_.end - cut_.at)));
    cut_.at = newline ? newline + 1 : cut_.end;
  }
}

MappedText::~MappedText() {
  if (map_) ::munmap(map_, mapped_);
}

void MappedText::bringIn() {
  const char* target = cut_.at + kWindow / 4;
  if (ready_ >= target || ready_ >= cut_.end) return;
  const char* from = std::max<const char*>(ready_, map_ + (cut_.at - map_) / std::ptrdiff_t(kPage) * std::ptrdiff_t(kPage));
  std::size_t n = std::min(kWindow, std::size_t(cut_.end - from));
  char* at = map_ + (from - map_);
#if defined(MADV_POPULATE_READ)
  if (::madvise(at, n, MADV_POPULATE_READ) != 0)
#endif
    ::madvise(at, n, MADV_WILLNEED);
  ready_ = from + n;
  if (cut_.at - gone_ > std::ptrdiff_t(4 * kWindow)) {
    std::ptrdiff_t behind = (cut_.at - gone_ - std::ptrdiff_t(2 * kWindow)) / std::ptrdiff_t(kPage) * std::ptrdiff_t(kPage);
    ::madvise(map_ + (gone_ - map_), std::size_t(behind), MADV_DONTNEED);
    gone_ += behind;
  }
}

std::size_t MappedText::next(std::string_view* lines, std::size_t max, std::size_t maxBytes) {
  if (!map_ || cut_.at >= cut_.startLimit) return 0;
  bringIn();
  return cutLines(cut_, lines, max, maxBytes);
}

}  // namespace sluice::executor
