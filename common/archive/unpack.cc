// Unpacking archives of strangers into a new directory. While files are written there is no symbolic link in it, so that no name can lead
// through one; links are made at the end, and each is looked at where it leads.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostEntries = 1'000'000;
constexpr std::size_t kMostParts = 256;   // of a name: whoever cleans up holds a descriptor for each
constexpr std::size_t kNameShown = 100;   // bytes

struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Closer {
  void operator()(struct archive* a) const { ::archive_read_free(a); }
};
using Archive = std::unique_ptr<struct archive, Closer>;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Names in archives are UTF-8, whatever this process's locale says; libarchive looks at the thread's.
class Utf8Names {
 public:
  Utf8Names() : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(utf8_ ? ::uselocale(utf8_) : nullptr) {}
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;
  ~Utf8Names() {
    if (!utf8_) return;
    ::uselocale(before_);
    ::freelocale(utf8_);
  }

 private:
  const locale_t utf8_, before_;
};

[[noreturn]] void failed(const std::string& what) { throw Refused("cannot write " + what + ": " + std::strerror(errno)); }

// The parts of a name within the archive; "." does not count.
std::vector<std::string> partsOf(const char* name) {
  if (!name || !*name) throw Refused("an entry has no name, or one that cannot be read");
  std::string_view path = name;
  auto refuse = [&] { throw Refused("the entry '" + std::string(path) + "' would lie outside of the archive's folder; nothing of it is used"); };
  if (path.front() == '/') refuse();
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = path.substr(at, end - at);
    if (part == "..") refuse();
    if (!part.empty() && part != ".") parts.emplace_back(part);
    if (parts.size() > kMostParts) {
      throw Refused("the entry '" + std::string(path.substr(0, kNameShown)) + "...' has more than " + std::to_string(kMostParts) + " folders in one another");
    }
    at = end + 1;
  }
  return parts;
}

class Unpacking {
 public:
  Unpacking(std::string_view bytes, const std::string& directory, std::uint64_t mostBytes)
      : directory_(directory), most_(mostBytes), archive_(::archive_read_new()) {
    if (!archive_) throw std::bad_alloc();
    struct archive* a = archive_.get();
    ::archive_read_support_format_zip(a), ::archive_read_support_format_tar(a), ::archive_read_support_format_gnutar(a);
    ::archive_read_support_filter_gzip(a), ::archive_read_support_filter_bzip2(a), ::archive_read_support_filter_xz(a);
    ::archive_read_support_filter_zstd(a);
    if (::archive_read_open_memory(a, bytes.data(), bytes.size()) != ARCHIVE_OK) damaged();
    root_ = Descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (root_.get() < 0) failed(directory);
  }

  void run() {
    struct archive_entry* entry = nullptr;
    for (;;) {
      int result = ::archive_read_next_header(archive_.get(), &entry);
      if (result == ARCHIVE_EOF) break;
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) damaged();
      count();
      if (::archive_entry_is_encrypted(entry)) throw Refused("it is encrypted");
      take(entry);
    }
    for (const auto& [parts, target] : links_) link(parts, target);
    for (const auto& [parts, target] : links_) checkLink(parts);
  }

 private:
  struct Link {
    std::vector<std::string> parts;
    std::string target;
  };

  void count() {
    if (++made_ > kMostEntries) throw Refused("it has more than " + std::to_string(kMostEntries) + " entries and folders");
  }

  [[noreturn]] void damaged() {
    const char* why = ::archive_error_string(archive_.get());
    throw Refused("it is no archive that can be read, or is damaged (" + std::string(why ? why : "unknown reason") + ")");
  }

  void take(struct archive_entry* entry) {
    const char* name = ::archive_entry_pathname(entry);
    std::vector<std::string> parts = partsOf(name);
    if (const char* other = ::archive_entry_hardlink(entry)) return hardLink(parts, partsOf(other));
    switch (::archive_entry_filetype(entry)) {
      case AE_IFDIR:
        (void)folder(parts, parts.size());
        return;
      case AE_IFLNK: {
        const char* target = ::archive_entry_symlink(entry);
        if (parts.empty() || !target || !*target || *target == '/') throw Refused("the link '" + std::string(name) + "' leads out of the archive's folder; nothing of it is used");
        links_.push_back({std::move(parts), target});
        return;
      }
      case AE_IFREG: return file(parts, (::archive_entry_perm(entry) & 0100) != 0);
      default: throw Refused("'" + std::string(name) + "' is neither a file nor a folder nor a link; nothing of it is used");
    }
  }

  // The folder of the first n parts, made where it is missing; never through a link.
  Descriptor folder(const std::vector<std::string>& parts, std::size_t n) {
    Descriptor at(::dup(root_.get()));
    for (std::size_t i = 0; i < n; ++i) {
      if (::mkdirat(at.get(), parts[i].c_str(), 0755) == 0) count();
      else if (errno != EEXIST) failed(parts[i]);
      Descriptor next(::openat(at.get(), parts[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (next.get() < 0) failed(parts[i]);
      at = std::move(next);
    }
    return at;
  }

  void file(const std::vector<std::string>& parts, bool executable) {
    if (parts.empty()) throw Refused("a file has no name");
    Descriptor in = folder(parts, parts.size() - 1);
    ::unlinkat(in.get(), parts.back().c_str(), 0);  // a later entry of a name counts
    Descriptor to(::openat(in.get(), parts.back().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, executable ? 0755 : 0644));
    if (to.get() < 0) failed(parts.back());
    std::uint64_t written = 0;
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    for (;;) {
      int result = ::archive_read_data_block(archive_.get(), &block, &size, &offset);
      if (result == ARCHIVE_EOF) size = 0;  // `offset` is where the file ends, behind a last hole
      else if (result != ARCHIVE_OK) damaged();
      // Holes count as if they were there.
      std::uint64_t end = std::uint64_t(offset) + size;
      if (offset < 0 || end > most_ || used_ > most_ - end) throw Refused("unpacked it has more than " + std::to_string(most_) + " bytes (sluice.archives.maxUnpackedSize)");
      if (result == ARCHIVE_EOF && end > written && ::ftruncate(to.get(), off_t(end)) != 0) failed(parts.back());
      written = std::max(written, end);
      if (result == ARCHIVE_EOF) break;
      write(to.get(), static_cast<const char*>(block), size, offset, parts.back());
    }
    used_ += written;
  }

  static void write(int fd, const char* bytes, std::size_t size, la_int64_t offset, const std::string& name) {
    while (size > 0) {
      ssize_t n = ::pwrite(fd, bytes, size, offset);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) failed(name);
      bytes += n, size -= std::size_t(n), offset += n;
    }
  }

  void hardLink(const std::vector<std::string>& parts, const std::vector<std::string>& other) {
    if (parts.empty() || other.empty()) throw Refused("a link has no name");
    if (parts == other) return;
    Descriptor from = folder(other, other.size() - 1), to = folder(parts, parts.size() - 1);
    ::unlinkat(to.get(), parts.back().c_str(), 0);
    if (::linkat(from.get(), other.back().c_str(), to.get(), parts.back().c_str(), 0) != 0) failed(parts.back());
  }

  void link(const std::vector<std::string>& parts, const std::string& target) {
    Descriptor in = folder(parts, parts.size() - 1);
    ::unlinkat(in.get(), parts.back().c_str(), 0);
    if (::symlinkat(target.c_str(), in.get(), parts.back().c_str()) != 0) failed(parts.back());
  }

  void checkLink(const std::vector<std::string>& parts) {
    std::error_code error;
    fs::path root = fs::canonical(directory_, error), at = directory_;
    for (const std::string& part : parts) at /= part;
    fs::path leads = error ? fs::path() : fs::canonical(at, error);  // one that leads nowhere might lead out once something is there
    fs::path inside = error ? fs::path("..") : leads.lexically_relative(root);
    if (error || inside.empty() || *inside.begin() == "..") {
      throw Refused("the link '" + parts.back() + "' leads out of the archive's folder, or nowhere; nothing of it is used");
    }
  }

  const std::string directory_;
  const std::uint64_t most_;
  std::uint64_t used_ = 0, made_ = 0;  // bytes; entries and folders
  Archive archive_;
  Descriptor root_{-1};
  std::vector<Link> links_;
};

}  // namespace

// `why` stays empty if all went well.
extern "C" SLUICE_EXPORT void sluice_unpack(const char* bytes, std::size_t size, const char* directory, std::uint64_t mostBytes, std::string* why) {
  Utf8Names names;
  try {
    Unpacking({bytes, size}, directory, mostBytes).run();
  } catch (const std::exception& error) {
    *why = error.what();
    if (why->empty()) *why = "it cannot be unpacked";
  }
}

}  // namespace sluice
