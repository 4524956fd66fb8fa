// The rows of an object file, or of the blocks that start in a range of it.
#include <cstring>

#include "sluice/error.h"
#include "worker/executor/file_reader.h"
#include "worker/executor/lasting_bytes.h"
#include "worker/executor/mapped_file.h"
#include "worker/executor/object_file.h"
#include "worker/executor/rows_cursor.h"

namespace sluice::executor {

namespace {

class ObjectRows final : public FileReader {
 public:
  explicit ObjectRows(const FileReading& reading)
      : reading_(reading), range_(reading.input.file()), file_(range_.path()), decoder_(*reading.type) {
    check(ObjectFileReader::open({file_.at(0), std::size_t(file_.size())}, reader_));
    if (reader_.schema() != reading.source.schema()) {
      throwError(ErrorKind::kInvalidArgument, range_.path() + " holds records of " + std::string(reader_.schema()) + ", and is read as " +
                                                  reading.source.schema() + "; name the type that it was written with");
    }
    block_ = reader_.blockFrom(std::uint64_t(range_.from()));
    end_ = range_.to() == 0 ? reader_.blocks() : reader_.blockFrom(std::uint64_t(range_.to()));
  }

  bool next(Chunk& out) override {
    try {
      while (!open_ || !decoder_.next(out, reading_.most)) {
        open_ = false;
        if (block_ == end_) return false;
        openBlock();
      }
    } catch (const Error& error) {
      throwError(error.kind(), range_.path() + ": " + error.what());
    }
    return true;
  }
  void check() const override { file_.check(); }
  void end() override { file_.letGo(); }
  std::uint64_t bytes() const override { return bytes_; }
  std::string place(std::size_t) const override { return range_.path(); }

 private:
  void check(const absl::Status& status) {
    if (!status.ok()) throwError(ErrorKind::kLost, range_.path() + " " + std::string(status.message()));
  }
  void openBlock() {
    std::uint64_t from = reader_.blockStart(block_);
    file_.bringIn(file_.at(std::int64_t(from)));
    room_.clear();
    std::string_view rows;
    absl::Status status = reader_.read(block_, room_, rows);
    if (!status.ok()) throwError(ErrorKind::kLost, std::string(status.message()));
    if (room_.size() != 0 && (reading_.type->flags & TypeDesc::kViews)) {
      char* lasting = reading_.lasting.take(rows.size());
      std::memcpy(lasting, rows.data(), rows.size());
      rows = {lasting, rows.size()};
    }
    decoder_.start(rows, reader_.blockRows(block_++));
    bytes_ += rows.size();
    open_ = true;
  }

  const FileReading reading_;
  const proto::Input::FileRange& range_;
  MappedFile file_;
  ObjectFileReader reader_;
  RowsDecoder decoder_;
  Buffer room_;
  std::size_t block_ = 0, end_ = 0;
  bool open_ = false;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<FileReader> openObjectRows(const FileReading& reading) { return std::make_unique<ObjectRows>(reading); }

}  // namespace sluice::executor
