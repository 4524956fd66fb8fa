// A part of an output while it is written aside: on the disk when it is finished, and forgotten when it is dropped before.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::executor {

// One thread. Throws Error(kUnavailable) with path and reason.
class PartFile {
 public:
  PartFile(const std::string& directory, const std::string& name);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  void write(std::string_view bytes);
  void finish();  // synced and closed
  const std::string& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  [[noreturn]] void fail(const char* what) const;
  const std::string path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice::executor
