#include "worker/executor/part_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "sluice/error.h"

namespace sluice::executor {

PartFile::PartFile(const std::string& directory, const std::string& name) : path_(directory + "/" + name) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("cannot create ");
}

PartFile::~PartFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(path_.c_str());
}

void PartFile::write(std::string_view bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot write ");
    bytes.remove_prefix(std::size_t(n));
  }
}

void PartFile::finish() {
  if (::fsync(fd_) != 0) fail("cannot sync ");
  if (::close(std::exchange(fd_, -1)) != 0) fail("cannot close ");
}

void PartFile::fail(const char* what) const { throwError(ErrorKind::kUnavailable, what + path_ + ": " + std::strerror(errno)); }

}  // namespace sluice::executor
