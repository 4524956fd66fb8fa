#include "worker/executor/file_reader.h"

#include <algorithm>

#include "common/compression.h"
#include "sluice/error.h"
#include "worker/executor/mapped_file.h"
#include "worker/executor/text_lines.h"

namespace sluice::executor {

namespace {

constexpr std::size_t kChunkBytes = 256 << 10;

class PlainLines final : public FileReader {
 public:
  explicit PlainLines(const FileReading& reading)
      : reading_(reading), range_(reading.input.file()), text_(range_.path(), range_.from(), range_.to()) {}

  bool next(Chunk& out) override {
    const char* before = text_.at();
    out = {reading_.lines, text_.next(reading_.lines, reading_.most, kChunkBytes)};
    bytes_ += std::uint64_t(text_.at() - before);
    chunk_ = out.size;
    return out.size != 0;
  }
  void check() const override { text_.check(); }
  void end() override { text_.letGo(); }
  std::uint64_t bytes() const override { return bytes_; }
  std::string place(std::size_t i) const override {
    return range_.path() + " at byte " + std::to_string(i < chunk_ ? text_.offsetOf(reading_.lines[i].data()) : range_.from());
  }

 private:
  const FileReading reading_;
  const proto::Input::FileRange& range_;
  MappedText text_;
  std::uint64_t bytes_ = 0;
  std::size_t chunk_ = 0;
};

// Runs of bytes of one length: views into the file.
class FixedRecords final : public FileReader {
 public:
  explicit FixedRecords(const FileReading& reading)
      : reading_(reading), range_(reading.input.file()), length_(std::max<std::uint64_t>(reading.source.record_bytes(), 1)),
        file_(range_.path(), range_.from()) {
    if (std::uint64_t(file_.size()) % length_ != 0) {
      throwError(ErrorKind::kInvalidArgument, range_.path() + " has " + std::to_string(file_.size()) +
                                                  " bytes, which is no multiple of the record length " + std::to_string(length_));
    }
    at_ = range_.from();
    to_ = range_.to() == 0 ? file_.size() : std::min<std::int64_t>(range_.to(), file_.size());
  }

  bool next(Chunk& out) override {
    out = {};
    if (at_ >= to_) return false;
    file_.bringIn(file_.at(at_));
    auto left = std::uint64_t(to_ - at_) / length_;
    auto n = std::size_t(std::min({left, std::uint64_t(reading_.most), std::max<std::uint64_t>(kChunkBytes / length_, 1)}));
    for (std::size_t i = 0; i < n; ++i) reading_.lines[i] = {file_.at(at_ + std::int64_t(i * length_)), std::size_t(length_)};
    at_ += std::int64_t(n * length_);
    out = {reading_.lines, chunk_ = n};
    return true;
  }
  void check() const override { file_.check(); }
  void end() override { file_.letGo(); }
  std::uint64_t bytes() const override { return std::uint64_t(at_ - range_.from()); }
  std::string place(std::size_t i) const override {
    return range_.path() + " at byte " + std::to_string(i < chunk_ ? file_.offsetOf(reading_.lines[i].data()) : range_.from());
  }

 private:
  const FileReading reading_;
  const proto::Input::FileRange& range_;
  const std::uint64_t length_;
  MappedFile file_;
  std::int64_t at_ = 0, to_ = 0;
  std::size_t chunk_ = 0;
};

}  // namespace

std::unique_ptr<FileReader> openFile(const FileReading& reading) {
  switch (reading.source.format()) {
    case proto::FORMAT_LINES: {
      Compression compression = compressionOf(reading.input.file().path());
      if (compression != Compression::kNone) return openCompressedLines(reading, compression);
      if (std::string why = cannotDecompress(reading.input.file().path()); !why.empty()) {
        throwError(ErrorKind::kInvalidArgument, reading.input.file().path() + ": " + why);
      }
      return std::make_unique<PlainLines>(reading);
    }
    case proto::FORMAT_RECORDS: return std::make_unique<FixedRecords>(reading);
    case proto::FORMAT_TEXTS:
    case proto::FORMAT_BYTES: return openWholeFiles(reading);
    case proto::FORMAT_OBJECTS: return openObjectRows(reading);
    default: throwError(ErrorKind::kInvalidArgument, "files of a form that this version does not know");
  }
}

}  // namespace sluice::executor
