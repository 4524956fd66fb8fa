// What the fuzz targets share: taking numbers and pieces from the front of the input, files in memory, and claims that must hold.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::fuzz {

// A claim about the code under test; the input that breaks it is a finding like a crash.
inline void require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}
  // The next byte; 0 at the end.
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    auto first = std::uint8_t(left_.front());
    left_.remove_prefix(1);
    return first;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    std::size_t n = left_.size() < 8 ? left_.size() : 8;
    std::memcpy(&value, left_.data(), n);
    left_.remove_prefix(n);
    return value;
  }
  // A piece whose length the input names (two bytes), or what is left.
  std::string_view piece() {
    std::size_t n = byte();
    n |= std::size_t(byte()) << 8;
    std::string_view taken = left_.substr(0, n);
    left_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() { return std::exchange(left_, {}); }
  bool empty() const { return left_.empty(); }

 private:
  std::string_view left_;
};

// A file without a disk.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {}
  ~MemoryFile() { ::close(fd_); }
  std::string hold(std::string_view bytes) {
    require(::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, bytes.data(), bytes.size(), 0) == ssize_t(bytes.size()), "the file takes the bytes");
    return "/proc/self/fd/" + std::to_string(fd_);
  }

 private:
  int fd_;
};

}  // namespace sluice::fuzz
