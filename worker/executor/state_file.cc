#include "worker/executor/state_file.h"

#include <fcntl.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "sluice/error.h"
#include "worker/executor/directories.h"
#include "worker/executor/rows_format.h"

namespace sluice::executor {

namespace {

constexpr std::string_view kStateMagic = "SLSTATE1";
constexpr std::uint32_t kStateVersion = 1;

// As many of them as there are.
std::string readBytes(const std::string& path, std::uint64_t offset, std::uint64_t wanted) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throwError(ErrorKind::kLost, "cannot read " + path + ": " + std::strerror(errno));
  std::string bytes;
  char part[64 << 10];
  ssize_t n = 0;
  while (bytes.size() < wanted) {
    n = ::pread(fd, part, std::min<std::uint64_t>(sizeof(part), wanted - bytes.size()), off_t(offset + bytes.size()));
    if (n > 0) bytes.append(part, std::size_t(n));
    if (n == 0 || (n < 0 && errno != EINTR)) break;
  }
  ::close(fd);
  if (n < 0) throwError(ErrorKind::kLost, "cannot read " + path + ": " + std::strerror(errno));
  return bytes;
}

}  // namespace

// Under a temporary name until it is whole.
class StateFileWriter::NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)), temporary_(path_ + ".tmp") {
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) throwErrno("cannot create", temporary_);
    XXH3_64bits_reset(&sum_);
  }
  ~NewFile() {
    if (fd_ >= 0) ::close(fd_), ::unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;
  void write(std::string_view bytes) {
    XXH3_64bits_update(&sum_, bytes.data(), bytes.size());
    size_ += bytes.size();
    while (!bytes.empty()) {
      ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throwErrno("cannot write", temporary_);
      bytes.remove_prefix(std::size_t(n));
    }
  }
  void finish() {
    if (::fsync(fd_) != 0) throwErrno("cannot sync", temporary_);
    ::close(std::exchange(fd_, -1));
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) throwErrno("cannot name", path_);
  }
  std::uint64_t size() const { return size_; }
  // Of what was written since it was asked for last.
  std::uint64_t checksum() {
    std::uint64_t sum = XXH3_64bits_digest(&sum_);
    XXH3_64bits_reset(&sum_);
    return sum;
  }

 private:
  const std::string path_, temporary_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  XXH3_state_t sum_;
};

StateFileWriter::StateFileWriter(const std::string& path) {
  makeDirectories(parentOf(path));
  file_ = std::make_unique<NewFile>(path);
}

StateFileWriter::~StateFileWriter() = default;

StateRows StateFileWriter::add(std::string_view typeName, const Rows& rows, Store& store) {
  const std::uint64_t offset = file_->size();
  Buffer frame;
  frame.append(kStateMagic);
  frame.append(&kStateVersion, sizeof(kStateVersion));
  appendFrame(typeName, 0, frame);
  file_->write(frame.view());
  for (const Piece& piece : rows.pieces) {
    Pin pin;
    if (!store.pin(piece.object, pin)) throwError(ErrorKind::kLost, "a state partition was dropped");
    frame.clear();
    appendFrame(pin.view(), piece.object->rows(), frame);
    file_->write(frame.view());
  }
  return {offset, file_->size() - offset, file_->checksum(), rows.rows};
}

void StateFileWriter::finish() { file_->finish(); }

RowsPtr readStateFile(const std::string& path, const StateRows& expected, std::string_view typeName, Store& store) {
  std::string bytes = readBytes(path, expected.offset, expected.bytes);
  auto damaged = [&](const std::string& why) { throwError(ErrorKind::kLost, "the checkpoint file " + path + " " + why); };
  if (bytes.size() != expected.bytes || XXH3_64bits(bytes.data(), bytes.size()) != expected.checksum) {
    damaged("is not what was written (size or checksum)");
  }
  std::string_view left = bytes;
  std::uint32_t version = 0;
  if (left.substr(0, kStateMagic.size()) != kStateMagic || left.size() < kStateMagic.size() + sizeof(version)) damaged("is none of ours");
  std::memcpy(&version, left.data() + kStateMagic.size(), sizeof(version));
  if (version != kStateVersion) damaged("was written by another version");
  left.remove_prefix(kStateMagic.size() + sizeof(version));
  auto rows = std::make_shared<Rows>();
  for (bool first = true; !left.empty(); first = false) {
    FrameHeader header;
    if (left.size() < sizeof(header)) damaged("is cut short");
    std::memcpy(&header, left.data(), sizeof(header));
    if (header.stored > left.size() - sizeof(header)) damaged("is cut short");
    Buffer plain;
    std::uint64_t count = 0;
    absl::Status status = readFrame(left.substr(0, sizeof(header) + header.stored), plain, count);
    if (!status.ok()) damaged(std::string(status.message()));
    left.remove_prefix(sizeof(header) + header.stored);
    if (!first) {
      rows->add({store.put(ObjectKind::kState, Bytes::of(std::move(plain)), count)});
    } else if (!typeName.empty() && plain.view() != typeName) {
      damaged("holds " + std::string(plain.view()) + ", and the state is " + std::string(typeName) + " now");
    }
  }
  if (rows->rows != expected.rows) damaged("has a wrong number of rows");
  return rows;
}

}  // namespace sluice::executor
