#include "worker/executor/compressed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kBufferBytes = 128 << 10;
}  // namespace

CompressedFile::CompressedFile(std::string path, Compression compression)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)), decompressor_(Decompressor::make(compression)),
      buffer_(new char[kBufferBytes]) {
  if (!fd_) throwError(ErrorKind::kUnavailable, "cannot read " + path_ + ": " + std::strerror(errno));
}

void CompressedFile::refill() {
  ssize_t n;
  while ((n = ::read(fd_.get(), buffer_.get(), kBufferBytes)) < 0 && errno == EINTR) {
  }
  if (n < 0) throwError(ErrorKind::kUnavailable, "cannot read " + path_ + ": " + std::strerror(errno));
  in_ = {buffer_.get(), std::size_t(n)};
  ended_ = n == 0;
  bytes_ += std::uint64_t(n);
}

std::size_t CompressedFile::read(char* to, std::size_t room) {
  for (;;) {
    if (in_.empty() && !ended_) refill();
    std::size_t made = 0, before = in_.size();
    absl::Status status = decompressor_->step(in_, to, room, made);
    if (made != 0) return made;
    bool stuck = in_.size() == before;
    if (!status.ok() || (stuck && !in_.empty())) {
      std::string why = status.ok() ? "bytes are left over" : std::string(status.message());
      throwError(ErrorKind::kLost, path_ + " is damaged: it cannot be decompressed (" + why + ")");
    }
    if (!stuck || !ended_) continue;
    if (!decompressor_->whole()) throwError(ErrorKind::kLost, path_ + " is cut short: it ends in the middle of compressed data");
    return 0;
  }
}

}  // namespace sluice::executor
