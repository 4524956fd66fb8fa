#include "common/package_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

namespace sluice {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kCopyBytes = 1 << 20;

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

absl::Status fileError(const std::string& what, const std::string& path, int why) {
  std::string line = what + " " + path + ": " + std::strerror(why);
  return why == ENOENT ? absl::NotFoundError(line) : why == ENOSPC ? absl::ResourceExhaustedError(line) : absl::InternalError(line);
}

absl::Status makeDirectories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? fileError("cannot make the directory", path, error.value()) : absl::OkStatus();
}

bool writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(std::size_t(n));
  }
  return true;
}

// Reads the whole file in pieces; `each` returns false to stop.
template <class Each> absl::Status eachPiece(const std::string& path, Each each) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fileError("cannot read", path, errno);
  auto piece = std::make_unique<char[]>(kCopyBytes);
  absl::Status status;
  for (;;) {
    ssize_t n = ::read(fd, piece.get(), kCopyBytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status = fileError("cannot read", path, errno);
    if (n <= 0 || !each(std::string_view(piece.get(), std::size_t(n)))) break;
  }
  ::close(fd);
  return status;
}

class Hasher {
 public:
  Hasher() : state_(XXH3_createState()) { XXH3_64bits_reset(state_); }
  ~Hasher() { XXH3_freeState(state_); }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void add(std::string_view bytes) { XXH3_64bits_update(state_, bytes.data(), bytes.size()), size_ += bytes.size(); }
  std::uint64_t hash() const { return XXH3_64bits_digest(state_); }
  std::uint64_t size() const { return size_; }

 private:
  XXH3_state_t* state_;
  std::uint64_t size_ = 0;
};

// A name that stays within the package's directory.
bool plainName(const std::string& name) { return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos; }

}  // namespace

absl::Status hashFile(const std::string& path, std::uint64_t& hash, std::uint64_t& size) {
  Hasher hasher;
  auto status = eachPiece(path, [&](std::string_view piece) { return hasher.add(piece), true; });
  hash = hasher.hash(), size = hasher.size();
  return status;
}

std::uint64_t packageHash(const proto::Package& package) {
  Hasher hasher;
  for (const auto& image : package.images()) {
    std::uint64_t facts[3] = {image.hash(), image.size(), image.name().size()};
    hasher.add({reinterpret_cast<const char*>(facts), sizeof facts});
    hasher.add(image.name());
  }
  hasher.add(package.class_name());
  return hasher.hash();
}

PackageStore::~PackageStore() {
  for (auto& [hash, file] : arriving_) ::close(file.fd), ::unlink(file.path.c_str());
}

std::string PackageStore::objectPath(std::uint64_t hash) const { return directory_ + "/objects/" + hex(hash); }

std::string PackageStore::imagePath(const proto::Package& package, int image) const {
  return directory_ + "/packages/" + hex(package.hash()) + "/" + package.images(image).name();
}

bool PackageStore::has(std::uint64_t hash, std::uint64_t size) const {
  struct stat facts {};
  return ::stat(objectPath(hash).c_str(), &facts) == 0 && std::uint64_t(facts.st_size) == size;
}

std::uint64_t PackageStore::upTo(std::uint64_t hash, std::uint64_t size) const {
  if (has(hash, size)) return size;
  auto it = arriving_.find(hash);
  return it == arriving_.end() ? 0 : std::min(it->second.written, size - 1);  // whole is said of checked files only
}

absl::Status PackageStore::begin(std::uint64_t hash, Arriving& file) {
  if (auto status = makeDirectories(directory_ + "/objects"); !status.ok()) return status;
  file.path = objectPath(hash) + ".part-" + std::to_string(::getpid());
  file.fd = ::open(file.path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  file.written = 0;
  return file.fd < 0 ? fileError("cannot write", file.path, errno) : absl::OkStatus();
}

absl::Status PackageStore::write(std::uint64_t hash, std::uint64_t size, std::uint64_t offset, std::string_view bytes) {
  if (has(hash, size)) return absl::OkStatus();
  auto [it, fresh] = arriving_.try_emplace(hash);
  Arriving& file = it->second;
  if (fresh) {
    if (auto status = begin(hash, file); !status.ok()) return arriving_.erase(it), status;
  }
  if (offset != file.written || bytes.size() > size - offset) return absl::OkStatus();
  auto drop = [&] { ::close(file.fd), ::unlink(file.path.c_str()), arriving_.erase(it); };
  if (!writeAll(file.fd, bytes)) {
    auto status = fileError("cannot write", file.path, errno);
    drop();
    return status;
  }
  file.written += bytes.size();
  if (file.written < size) return absl::OkStatus();
  std::uint64_t found = 0, foundSize = 0;
  auto status = hashFile(file.path, found, foundSize);
  if (status.ok() && found != hash) status = absl::DataLossError("a package file arrived damaged (" + hex(hash) + "); it is asked for again");
  if (status.ok() && (::fsync(file.fd) != 0 || ::rename(file.path.c_str(), objectPath(hash).c_str()) != 0)) {
    status = fileError("cannot keep", file.path, errno);
  }
  drop();
  return status;
}

absl::Status PackageStore::read(std::uint64_t hash, std::uint64_t offset, std::uint64_t most, Bytes& bytes, std::uint64_t& size) const {
  std::string path = objectPath(hash);
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fileError("cannot read", path, errno);
  struct stat facts {};
  size = ::fstat(fd, &facts) == 0 ? std::uint64_t(facts.st_size) : 0;
  std::string piece(most, '\0');
  ssize_t n = ::pread(fd, piece.data(), most, off_t(offset));
  int why = errno;
  ::close(fd);
  if (n < 0) return fileError("cannot read", path, why);
  piece.resize(std::size_t(n));
  bytes = Bytes::of(std::move(piece));
  return absl::OkStatus();
}

absl::Status PackageStore::copyIn(const std::string& path, proto::Image& image) {
  std::uint64_t hash = 0, size = 0;
  if (auto status = hashFile(path, hash, size); !status.ok()) return status;
  image.set_name(fs::path(path).filename().string());
  image.set_hash(hash), image.set_size(size);
  if (has(hash, size)) return absl::OkStatus();
  // A file that changes while it is copied fails the check in write().
  std::uint64_t at = 0;
  absl::Status written;
  auto status = eachPiece(path, [&](std::string_view piece) {
    written = write(hash, size, at, piece);
    at += piece.size();
    return written.ok();
  });
  if (!status.ok()) return status;
  if (!written.ok()) return written;
  return has(hash, size) ? absl::OkStatus() : absl::AbortedError(path + " changed while it was read; submit it again when it is built");
}

absl::Status PackageStore::add(const std::vector<std::string>& paths, proto::Package& package) {
  for (const auto& path : paths) {
    proto::Image image;
    if (auto status = copyIn(path, image); !status.ok()) return status;
    for (const auto& other : package.images()) {
      if (other.name() != image.name()) continue;
      return absl::InvalidArgumentError("two files of the package are called " + image.name() + "; names must differ");
    }
    *package.add_images() = std::move(image);
  }
  package.set_hash(packageHash(package));
  return absl::OkStatus();
}

absl::Status PackageStore::assemble(const proto::Package& package, std::string& module) {
  std::string directory = directory_ + "/packages/" + hex(package.hash());
  if (auto status = makeDirectories(directory); !status.ok()) return status;
  for (int i = 0; i < package.images_size(); ++i) {
    const auto& image = package.images(i);
    if (!plainName(image.name())) return absl::InvalidArgumentError("a package file has the name \"" + image.name() + "\"");
    if (!has(image.hash(), image.size())) return absl::NotFoundError("the package file " + image.name() + " is not here");
    if (::link(objectPath(image.hash()).c_str(), imagePath(package, i).c_str()) != 0 && errno != EEXIST) {
      return fileError("cannot make", imagePath(package, i), errno);
    }
  }
  module = package.images_size() ? imagePath(package, 0) : "";
  return absl::OkStatus();
}

}  // namespace sluice
