// split(text, ' '): the pieces of a text as views of it, found as they are asked for.
//
//   auto all = lines.flatMap([](std::string_view line) { return sluice::split(line, ' '); });
//
// As Java's String.split: empty pieces between separators and at the beginning are kept, those at the end are not; a text without the
// separator is one piece, also the empty text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/abi.h"

// Sanitizers take what is read beside a text for an error.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_SPLIT_WATCHED 1
#endif
#endif
#if defined(__SSE2__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(SLUICE_SPLIT_WATCHED)
#include <emmintrin.h>
#define SLUICE_SPLIT_BLOCKS 1
#endif

namespace sluice {
inline namespace SLUICE_ABI {

// A range of std::string_view, once through.
class Split {
 public:
  using value_type = std::string_view;

  Split(std::string_view text, char separator) : piece_(text.data()), separator_(separator) {
    const char* end = text.data() + text.size();
    while (end != piece_ && end[-1] == separator) --end;
    end_ = end;
    more_ = end != piece_ || text.empty();
#if SLUICE_SPLIT_BLOCKS
    // Blocks are read whole, at addresses that are multiples of their size: that never leaves the page of the text.
    block_ = reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(piece_) & ~std::uintptr_t(15));
    if (more_ && end_ != piece_) found_ = find(block_, _mm_set1_epi8(separator)) & (~0u << (piece_ - block_));
#endif
  }

  // Writes the next pieces, at most `room` (not 0) of them; fewer when there are no more.
  std::size_t take(std::string_view* to, std::size_t room) {
    if (!more_) return 0;
    std::string_view* const first = to;
    std::string_view* const last = to + room;
    const char* piece = piece_;
#if SLUICE_SPLIT_BLOCKS
    const char* block = block_;
    unsigned found = found_;
    const __m128i wanted = _mm_set1_epi8(separator_);
    for (;;) {
      while (found != 0) {
        const char* at = block + unsigned(__builtin_ctz(found));
        if (at >= end_) goto ended;
        *to++ = std::string_view(piece, std::size_t(at - piece));
        piece = at + 1;
        found &= found - 1;
        if (to == last) {
          piece_ = piece, block_ = block, found_ = found;
          return room;
        }
      }
      block += 16;
      if (block >= end_) break;
      found = find(block, wanted);
    }
  ended:
#else
    while (const void* at = piece == end_ ? nullptr : std::memchr(piece, separator_, std::size_t(end_ - piece))) {
      *to++ = std::string_view(piece, std::size_t(static_cast<const char*>(at) - piece));
      piece = static_cast<const char*>(at) + 1;
      if (to == last) return piece_ = piece, room;
    }
#endif
    *to++ = std::string_view(piece, std::size_t(end_ - piece));
    more_ = false;
    return std::size_t(to - first);
  }

  struct End {};
  class Iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using reference = std::string_view;
    using pointer = const std::string_view*;
    using iterator_category = std::input_iterator_tag;
    explicit Iterator(Split* split) : split_(split) { ++*this; }
    std::string_view operator*() const { return piece_; }
    Iterator& operator++() {
      if (split_->take(&piece_, 1) == 0) split_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, End) { return it.split_ == nullptr; }

   private:
    Split* split_;
    std::string_view piece_;
  };
  Iterator begin() { return Iterator(this); }
  End end() const { return {}; }

 private:
#if SLUICE_SPLIT_BLOCKS
  static unsigned find(const char* block, __m128i wanted) {
    __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(block));
    return unsigned(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted)));
  }
#endif

  const char* piece_;  // where the next piece starts
  const char* end_;    // without the separators at the end
  char separator_;
  bool more_;
#if SLUICE_SPLIT_BLOCKS
  unsigned found_ = 0;  // separators in the current block that are still ahead
  const char* block_;
#endif
};

inline Split split(std::string_view text, char separator) { return Split(text, separator); }
inline Split split(const char* text, char separator) { return Split(text, separator); }
// A temporary: its pieces would dangle, so they are copied.
inline std::vector<std::string> split(std::string&& text, char separator) {
  std::vector<std::string> pieces;
  for (std::string_view piece : Split(text, separator)) pieces.emplace_back(piece);
  return pieces;
}
// The pieces of a local string would dangle once the function returns: split a std::string_view of what lives longer, or std::move(text).
void split(std::string& text, char separator) = delete;
inline Split split(const std::string& text, char separator) { return Split(text, separator); }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
