#include "worker/executor/spill_file.h"

#include <fcntl.h>
#include <sys/mman.h>
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

char* SpillFile::map(std::size_t n, std::size_t& size) {
  constexpr std::size_t kPage = 4096;
  std::uint64_t start = (size_ + kPage - 1) / kPage * kPage;
  size = (n + kPage - 1) / kPage * kPage;
  // Taken from the disk now: a full one would end the process when the pages are written.
  int why = ::posix_fallocate(fd_, off_t(start), off_t(size));
  void* at = why == 0 ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, off_t(start)) : MAP_FAILED;
  if (at == MAP_FAILED) {
    throwError(ErrorKind::kUnavailable, "cannot spill to " + directory_ + ": " + std::strerror(why ? why : errno) +
                                            "; free some space there or give the executors more memory");
  }
  size_ = start + size;
  return static_cast<char*>(at);
}

void OperatorSpill::write(std::string_view rows) {
  pending_.append(rows);
  if (pending_.size() >= (256u << 10)) flush();
}

OperatorSpill::OperatorSpill(Store& store) : store_(store), file_(store.onDisk([&] { return std::make_unique<SpillFile>(store.directory()); })) {}

void OperatorSpill::flush() {
  store_.onDisk([&] { return file_->append(pending_); });
  pending_.clear();
}

void OperatorSpill::rewind() {
  flush();
  pending_.shrink_to_fit();
  at_ = 0;
}

std::size_t OperatorSpill::read(char* to, std::size_t n) {
  if (!pending_.empty()) flush();
  n = std::size_t(std::min<std::uint64_t>(n, file_->size() - at_));
  file_->read(at_, to, n);
  at_ += n;
  return n;
}

}  // namespace sluice::executor
