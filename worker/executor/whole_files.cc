// Files that are one record each: their path, and all that is in them.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/compression.h"
#include "common/process.h"
#include "sluice/error.h"
#include "worker/executor/compressed_file.h"
#include "worker/executor/file_reader.h"

namespace sluice::executor {

namespace {

constexpr std::uint64_t kLargestRecord = 1ull << 30;
constexpr std::size_t kStep = 256 << 10;

class WholeFiles final : public FileReader {
 public:
  explicit WholeFiles(const FileReading& reading) : reading_(reading) {}

  bool next(Chunk& out) override {
    out = {};
    const auto& paths = reading_.input.files().paths();
    if (at_ == paths.size()) return false;
    record_.first = paths[at_++];
    record_.second.clear();
    read(record_.first, record_.second);
    bytes_ += record_.second.size();
    out = {&record_, 1};
    return true;
  }
  void end() override { record_ = {}; }
  std::uint64_t bytes() const override { return bytes_; }
  std::string place(std::size_t) const override { return at_ == 0 ? "no file" : reading_.input.files().paths(at_ - 1); }

 private:
  void read(const std::string& path, std::string& content) const;

  const FileReading reading_;
  int at_ = 0;
  std::pair<std::string, std::string> record_;
  std::uint64_t bytes_ = 0;
};

[[noreturn]] void tooLarge(const std::string& path) {
  throwError(ErrorKind::kInvalidArgument, path + " has more than 1 GiB, which is the most that one record may have; read it in lines or records");
}

void readPlain(const std::string& path, std::string& content) {
  auto failed = [&] { throwError(ErrorKind::kUnavailable, "cannot read " + path + ": " + std::strerror(errno)); };
  OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) failed();
  if (std::uint64_t(facts.st_size) > kLargestRecord) tooLarge(path);
  content.resize(std::size_t(facts.st_size));
  std::size_t have = 0;
  while (have < content.size()) {
    ssize_t n = ::read(file.get(), content.data() + have, content.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed();
    if (n == 0) break;
    have += std::size_t(n);
  }
  content.resize(have);
}

void readCompressed(const std::string& path, Compression compression, std::string& content) {
  CompressedFile file(path, compression);
  for (std::size_t made = 1, have = 0; made != 0; have += made) {
    if (have > kLargestRecord) tooLarge(path);
    content.resize(std::max(content.capacity(), have + kStep));
    made = file.read(content.data() + have, content.size() - have);
    if (made == 0) content.resize(have);
  }
}

void WholeFiles::read(const std::string& path, std::string& content) const {
  Compression compression = reading_.source.format() == proto::FORMAT_TEXTS ? compressionOf(path) : Compression::kNone;
  if (compression == Compression::kNone) readPlain(path, content);
  else readCompressed(path, compression, content);
}

}  // namespace

std::unique_ptr<FileReader> openWholeFiles(const FileReading& reading) { return std::make_unique<WholeFiles>(reading); }

}  // namespace sluice::executor
