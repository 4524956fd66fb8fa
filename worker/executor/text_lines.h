// Lines of text as views, found 64 bytes at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/abi.h"

namespace sluice::executor {

// Cuts lines from `at`. A line ends in '\n', which is dropped, with a '\r' before it. Stops after `max` lines, after
// about maxBytes, at the first line that would start at or after `startLimit`, or at the last '\n' before `end`; `at` moves to
// where the next line starts. What follows the last '\n' is a line only if `whole`.
struct LineCut {
  const char* at;
  const char* end;
  const char* startLimit;
  bool whole;
};
SLUICE_INTERNAL std::size_t cutLines(LineCut& cut, std::string_view* lines, std::size_t max, std::size_t maxBytes);

// A file's bytes, mapped. Pages are brought in ahead of the reader and let go behind it: views into them stay valid (they come
// back from the page cache), and a long file takes no memory of its own.
class SLUICE_INTERNAL MappedText {
 public:
  // Lines that start in [from, to); to = 0: to the end. Throws Error(kUnavailable) with path and reason.
  MappedText(const std::string& path, std::int64_t from, std::int64_t to);
  ~MappedText();
  MappedText(const MappedText&) = delete;
  std::size_t next(std::string_view* lines, std::size_t max, std::size_t maxBytes);
  // In the file.
  std::int64_t offsetOf(const char* at) const { return base_ + (at - map_); }
  const char* at() const { return cut_.at; }

 private:
  void bringIn();
  char* map_ = nullptr;
  std::size_t mapped_ = 0;
  std::int64_t base_ = 0;  // offset of map_ in the file
  LineCut cut_{};
  const char* ready_ = nullptr;  // pages before this were asked for
  const char* gone_ = nullptr;   // pages before this were let go
};

}  // namespace sluice::executor
