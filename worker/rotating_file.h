// A log file that stays bounded: when it is full it becomes `.1`, what was `.1` becomes `.2`, and so on; the oldest goes. One thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "common/process.h"

namespace sluice::worker {

class RotatingFile {
 public:
  // Appends to what is there. At most (kept + 1) * maxBytes lie on disk.
  RotatingFile(std::string path, std::uint64_t maxBytes, int kept) : path_(std::move(path)), maxBytes_(maxBytes), kept_(kept) {}
  // Text that cannot be written (disk full) is dropped: a log must not stop what it tells of.
  void write(std::string_view text);
  const std::string& path() const { return path_; }

 private:
  void open();
  void rotate();

  std::string path_;
  std::uint64_t maxBytes_;
  int kept_;
  OwnedFd file_;
  std::uint64_t size_ = 0;
};

}  // namespace sluice::worker
