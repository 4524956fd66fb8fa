// A compressed file as the bytes that it stands for, from its beginning to its end, in bounded memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "common/compression.h"
#include "common/process.h"

namespace sluice::executor {

// One thread. A file without a byte stands for an empty text.
class SLUICE_INTERNAL CompressedFile {
 public:
  // Throws Error(kUnavailable) with path and reason.
  CompressedFile(std::string path, Compression compression);
  // Up to `room` bytes; 0 at the end. Throws Error(kLost) if the file is torn or damaged.
  std::size_t read(char* to, std::size_t room);
  std::uint64_t bytes() const { return bytes_; }  // of the file, that were read
  const std::string& path() const { return path_; }

 private:
  void refill();
  const std::string path_;
  OwnedFd fd_;
  std::unique_ptr<Decompressor> decompressor_;
  std::unique_ptr<char[]> buffer_;
  std::string_view in_;
  bool ended_ = false;  // the file, not what is made of it
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice::executor
