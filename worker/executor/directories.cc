#include "worker/executor/directories.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sluice/error.h"

namespace sluice::executor {

void throwErrno(const std::string& what, const std::string& path) {
  throwError(ErrorKind::kUnavailable, what + " " + path + ": " + std::strerror(errno));
}

std::string parentOf(const std::string& path) {
  std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

void makeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throwError(ErrorKind::kUnavailable, "cannot make the directory " + path + ": " + error.message());
}

void syncDirectory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throwErrno("cannot open the directory", path);
  int result = ::fsync(fd);
  ::close(fd);
  if (result != 0 && errno != EINVAL) throwErrno("cannot sync the directory", path);
}

}  // namespace sluice::executor
