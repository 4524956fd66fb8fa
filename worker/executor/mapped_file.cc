#include "worker/executor/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::ptrdiff_t kPage = 4096;
constexpr std::size_t kWindow = 2 << 20;
}  // namespace

MappedFile::MappedFile(const std::string& path, std::int64_t from) : path_(path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (fd < 0 || ::fstat(fd, &facts) != 0) {
    int why = errno;
    if (fd >= 0) ::close(fd);
    throwError(ErrorKind::kUnavailable, "cannot read " + path + ": " + std::strerror(why));
  }
  size_ = facts.st_size, device_ = facts.st_dev, inode_ = facts.st_ino;
  base_ = from / kPage * kPage;
  if (base_ >= size_) {
    ::close(fd);
    return;
  }
  mapped_ = std::size_t(size_ - base_);
  void* map = ::mmap(nullptr, mapped_, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, base_);
  int why = errno;
  ::close(fd);
  if (map == MAP_FAILED) throwError(ErrorKind::kUnavailable, "cannot map " + path + ": " + std::strerror(why));
  map_ = static_cast<char*>(map);
  guard_.emplace(map_, mapped_, path_);
  gone_ = ready_ = map_;
}

MappedFile::~MappedFile() {
  guard_.reset();
  if (map_) ::munmap(map_, mapped_);
}

void MappedFile::bringIn(const char* at) {
  const char* target = at + kWindow / 4;
  if (!map_ || ready_ >= target || ready_ >= end()) return;
  const char* from = std::max<const char*>(ready_, map_ + (at - map_) / kPage * kPage);
  std::size_t n = std::min(kWindow, std::size_t(end() - from));
  char* first = map_ + (from - map_);
#if defined(MADV_POPULATE_READ)
  if (::madvise(first, n, MADV_POPULATE_READ) != 0)
#endif
    ::madvise(first, n, MADV_WILLNEED);
  ready_ = from + n;
  if (at - gone_ > std::ptrdiff_t(4 * kWindow)) {
    std::ptrdiff_t behind = (at - gone_ - std::ptrdiff_t(2 * kWindow)) / kPage * kPage;
    ::madvise(map_ + (gone_ - map_), std::size_t(behind), MADV_DONTNEED);
    gone_ += behind;
  }
}

void MappedFile::check() const {
  struct stat facts {};
  // Another file by that name leaves this one as it was.
  if (::stat(path_.c_str(), &facts) != 0 || facts.st_dev != device_ || facts.st_ino != inode_ || facts.st_size >= size_) return;
  throwError(ErrorKind::kUnavailable, cutShort(path_));
}

void MappedFile::letGo() {
  if (map_ && ready_ > gone_) ::madvise(map_ + (gone_ - map_), std::size_t(end() - gone_), MADV_DONTNEED);
}

}  // namespace sluice::executor
