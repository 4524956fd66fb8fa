#include "master/manifest_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include <xxhash.h>

namespace sluice::master {
namespace {

namespace fs = std::filesystem;
constexpr char kPrefix[] = "manifest-";
constexpr char kStatePrefix[] = "state-";  // files that executors write for TakeCheckpoint

absl::Status ioError(const std::string& what, const std::string& path) {
  return absl::UnavailableError(what + " " + path + ": " + std::strerror(errno));
}

absl::Status syncDirectory(const std::string& directory) {
  int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ioError("cannot open checkpoint directory", directory);
  int failed = ::fsync(fd);
  ::close(fd);
  return failed ? ioError("cannot sync checkpoint directory", directory) : absl::OkStatus();
}

absl::Status writeDurably(const std::string& path, const std::string& bytes) {
  std::string temporary = path + ".tmp";
  int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ioError("cannot write checkpoint file", temporary);
  for (std::size_t at = 0; at < bytes.size();) {
    ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      auto status = ioError("cannot write checkpoint file", temporary);
      ::close(fd), ::unlink(temporary.c_str());
      return status;
    }
    at += std::size_t(n);
  }
  int failed = ::fsync(fd);
  ::close(fd);
  if (failed) return ioError("cannot sync checkpoint file", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return ioError("cannot rename checkpoint file to", path);
  return absl::OkStatus();
}

std::uint64_t checksumOf(proto::Manifest manifest) {
  manifest.clear_checksum();
  std::string bytes = manifest.SerializeAsString();
  return XXH3_64bits(bytes.data(), bytes.size());
}

// Times of the manifests in the directory, newest first.
std::vector<std::int64_t> manifestTimes(const std::string& directory) {
  std::vector<std::int64_t> times;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    std::string name = entry.path().filename();
    if (name.rfind(kPrefix, 0) != 0 || name.find('.') != std::string::npos) continue;
    char* end = nullptr;
    std::int64_t time = std::strtoll(name.c_str() + sizeof(kPrefix) - 1, &end, 10);
    if (end && *end == 0) times.push_back(time);
  }
  std::sort(times.rbegin(), times.rend());
  return times;
}

std::string manifestPath(const std::string& directory, std::int64_t time) {
  return directory + "/" + kPrefix + std::to_string(time);
}

// Why this manifest cannot be used; empty if it can.
std::string load(const std::string& directory, std::int64_t time, proto::Manifest& manifest) {
  std::ifstream in(manifestPath(directory, time), std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  if (!in || !manifest.ParseFromString(bytes.str())) return "is torn";
  if (manifest.checksum() != checksumOf(manifest)) return "has a wrong checksum";
  std::map<std::string, std::uint64_t> sizes;
  for (const auto& file : manifest.files()) {
    if (file.name().empty() && file.pane() && file.rows() == 0) continue;
    if (file.name().empty() || file.name().find('/') != std::string::npos) return "names a file outside of its directory";
    std::error_code error;
    auto [known, added] = sizes.emplace(file.name(), 0);  // panes share files
    if (added) known->second = fs::file_size(directory + "/" + file.name(), error);
    const std::uint64_t size = known->second;
    if (error) return "names " + file.name() + ", which is not there";
    if (file.pane() ? size < file.offset() + file.bytes() : size != file.bytes()) return "names " + file.name() + ", which has a wrong size";
  }
  return "";
}

void removeUnnamed(const std::string& directory, const std::vector<std::int64_t>& kept) {
  std::set<std::string> named;
  for (std::int64_t time : kept) {
    proto::Manifest manifest;
    // A damaged manifest may name anything: then nothing is deleted.
    if (!load(directory, time, manifest).empty()) return;
    for (const auto& file : manifest.files()) named.insert(file.name());
  }
  std::int64_t newest = kept.empty() ? 0 : kept.front();
  std::error_code error;
  std::vector<fs::path> unnamed;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    std::string name = entry.path().filename();
    if (name.rfind(kStatePrefix, 0) != 0 || named.contains(name)) continue;
    // Files of a later checkpoint may be under way: the time follows the prefix.
    if (std::strtoll(name.c_str() + sizeof(kStatePrefix) - 1, nullptr, 10) > newest) continue;
    unnamed.push_back(entry.path());
  }
  for (const auto& path : unnamed) fs::remove(path, error);
}

}  // namespace

absl::Status writeManifest(const std::string& directory, proto::Manifest manifest, int keep) {
  std::error_code error;
  fs::create_directories(directory, error);
  manifest.set_checksum(checksumOf(manifest));
  if (auto status = writeDurably(manifestPath(directory, manifest.when_ms()), manifest.SerializeAsString()); !status.ok()) return status;
  if (auto status = syncDirectory(directory); !status.ok()) return status;
  auto times = manifestTimes(directory);
  std::vector<std::int64_t> kept(times.begin(), times.begin() + std::min<std::size_t>(times.size(), std::size_t(keep)));
  for (std::size_t i = kept.size(); i < times.size(); ++i) fs::remove(manifestPath(directory, times[i]), error);
  removeUnnamed(directory, kept);
  return absl::OkStatus();
}

absl::Status readManifest(const std::string& directory, ManifestRead& read) {
  auto times = manifestTimes(directory);
  for (std::int64_t time : times) {
    proto::Manifest manifest;
    std::string why = load(directory, time, manifest);
    if (why.empty()) {
      read.manifest = std::move(manifest);
      return absl::OkStatus();
    }
    if (!read.warning.empty()) read.warning += "; ";
    read.warning += "checkpoint " + std::to_string(time) + " in " + directory + " " + why;
  }
  if (times.empty()) return absl::OkStatus();
  return absl::DataLossError("no whole checkpoint in " + directory + ": " + read.warning +
                             "; restore the files, or start with another checkpoint directory");
}

}  // namespace sluice::master
