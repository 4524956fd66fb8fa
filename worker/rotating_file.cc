#include "worker/rotating_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace sluice::worker {

void RotatingFile::open() {
  file_ = OwnedFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  struct stat facts {};
  size_ = file_ && ::fstat(file_.get(), &facts) == 0 ? std::uint64_t(facts.st_size) : 0;
}

void RotatingFile::rotate() {
  file_.close();
  auto name = [&](int i) { return i == 0 ? path_ : path_ + "." + std::to_string(i); };
  if (kept_ == 0) ::unlink(path_.c_str());
  for (int i = kept_; i > 0; --i) ::rename(name(i - 1).c_str(), name(i).c_str());
  open();
}

void RotatingFile::write(std::string_view text) {
  if (!file_) open();
  while (!text.empty() && file_) {
    if (size_ >= maxBytes_) rotate();
    std::size_t fit = std::size_t(std::min<std::uint64_t>(text.size(), maxBytes_ - std::min(size_, maxBytes_)));
    // Lines stay whole where they can.
    if (fit < text.size()) {
      std::size_t end = text.substr(0, fit).rfind('\n');
      if (end != std::string_view::npos) {
        fit = end + 1;
      } else if (size_ > 0 && text.find('\n') < maxBytes_) {
        rotate();
        continue;
      }
    }
    ssize_t n = ::write(file_.get(), text.data(), fit);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    size_ += std::uint64_t(n);
    text.remove_prefix(std::size_t(n));
    if (!text.empty()) rotate();
  }
}

}  // namespace sluice::worker
