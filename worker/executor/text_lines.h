// Lines of text as views, found 64 bytes at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/abi.h"
#include "worker/executor/mapped_file.h"

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

// The lines of a file, or of a range of it.
class SLUICE_INTERNAL MappedText {
 public:
  // Lines that start in [from, to); to = 0: to the end. Throws Error(kUnavailable) with path and reason.
  MappedText(const std::string& path, std::int64_t from, std::int64_t to);
  std::size_t next(std::string_view* lines, std::size_t max, std::size_t maxBytes);
  std::int64_t offsetOf(const char* at) const { return file_.offsetOf(at); }  // in the file
  const char* at() const { return cut_.at; }
  void check() const { file_.check(); }  // MappedFile
  void letGo() { file_.letGo(); }

 private:
  MappedFile file_;
  LineCut cut_{};
};

}  // namespace sluice::executor
