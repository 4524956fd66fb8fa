#include "worker/executor/published_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>

#include "common/output_files.h"
#include "worker/executor/directories.h"
#include "worker/executor/rolling_files.h"

namespace sluice::executor {

namespace {

// Whether `name` is a part of the directory as it is now.
bool isPart(std::string_view name, std::uint32_t parts, std::string_view extension) {
  std::uint32_t number = 0;
  const char* end = name.data() + name.size();
  auto [at, error] = std::from_chars(name.data() + 5, end, number);
  return error == std::errc() && number < parts && std::string_view(at, std::size_t(end - at)) == extension;
}

}  // namespace

void publishFile(const std::string& staged, const std::string& final) {
  std::string directory = parentOf(final);
  makeDirectories(directory);
  bool there = ::access(staged.c_str(), F_OK) == 0;
  // A directory with new and old parts is not whole.
  if (there) ::unlink((directory + "/" + kSuccessName).c_str());
  if (there && ::rename(staged.c_str(), final.c_str()) == 0) return;
  int why = errno;
  if (why == ENOENT && ::access(final.c_str(), F_OK) == 0) return;  // done before
  errno = why;
  throwErrno("cannot publish " + staged + " as", final);
}

void publishMarker(const std::string& marker, std::uint32_t parts, const std::string& extension) {
  std::string directory = parentOf(marker);
  makeDirectories(directory);
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.starts_with("part-") && !isPart(name, parts, extension)) ::unlink(it->path().c_str());
  }
  int fd = ::open(marker.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) throwErrno("cannot create", marker);
  ::fsync(fd);
  ::close(fd);
}

void publishFiles(const proto::Publish& publish) {
  std::set<std::string> directories, staging;
  for (const auto& file : publish.files()) {
    if (file.staged().empty()) continue;
    publishFile(file.staged(), file.final());
    directories.insert(parentOf(file.final()));
    staging.insert(parentOf(file.staged()));
  }
  for (const std::string& directory : directories) syncDirectory(directory), syncDirectory(parentOf(directory));
  for (const auto& file : publish.files()) {
    if (!file.staged().empty()) continue;
    publishMarker(file.final(), file.parts(), file.extension());
    syncDirectory(parentOf(file.final()));
  }
  for (const std::string& directory : staging) ::rmdir(directory.c_str());  // if it was the last part in it
  for (const auto& rolling : publish.rolling()) appendRolling(rolling, publish.instance().when_ms());
}

}  // namespace sluice::executor
