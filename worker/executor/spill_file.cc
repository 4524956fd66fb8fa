#include "worker/executor/spill_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sluice/error.h"

namespace sluice::executor {

SpillFile::SpillFile(const std::string& directory) : directory_(directory) {
  fd_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ < 0) {  // not every file system has nameless files
    std::string name = directory + "/spill-XXXXXX";
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ >= 0) ::unlink(name.c_str());
  }
  if (fd_ < 0) {
    throwError(ErrorKind::kUnavailable, "cannot make a spill file in " + directory + ": " + std::strerror(errno));
  }
}

SpillFile::~SpillFile() { ::close(fd_); }

std::uint64_t SpillFile::append(std::string_view bytes) {
  std::uint64_t start = size_;
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), off_t(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      size_ = start;
      throwError(ErrorKind::kUnavailable, "cannot spill to " + directory_ + ": " + std::strerror(errno) +
                                              "; free some space there or give the executors more memory");
    }
    size_ += std::uint64_t(n), bytes.remove_prefix(std::size_t(n));
  }
  return start;
}

void SpillFile::read(std::uint64_t offset, char* to, std::size_t n) const {
  while (n > 0) {
    ssize_t got = ::pread(fd_, to, n, off_t(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throwError(ErrorKind::kLost, "cannot read spilled rows back from " + directory_);
    offset += std::uint64_t(got), to += got, n -= std::size_t(got);
  }
}

void OperatorSpill::write(std::string_view rows) {
  pending_.append(rows);
  if (pending_.size() >= (256u << 10)) flush();
}

void OperatorSpill::flush() {
  file_.append(pending_);
  pending_.clear();
}

void OperatorSpill::rewind() {
  flush();
  pending_.shrink_to_fit();
  at_ = 0;
}

std::size_t OperatorSpill::read(char* to, std::size_t n) {
  if (!pending_.empty()) flush();
  n = std::size_t(std::min<std::uint64_t>(n, file_.size() - at_));
  file_.read(at_, to, n);
  at_ += n;
  return n;
}

}  // namespace sluice::executor
