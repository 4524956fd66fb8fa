// Object files: records of one type as encoded rows, in blocks that can be found from the end of the file, so that a large file can be
// read in ranges. worker/README.md has the layout.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "sluice/abi.h"
#include "sluice/buffer.h"

namespace sluice::executor {

// Gives the file's bytes to `write`, in order. One thread.
class SLUICE_INTERNAL ObjectFileWriter {
 public:
  // `schema`: sluice::schemaOf<T>().
  ObjectFileWriter(std::string_view schema, std::function<void(std::string_view)> write);
  // A block of whole rows. Blocks without rows are left out.
  void add(std::string_view rows, std::uint64_t count);
  // Index and trailer: without them the file is torn.
  void finish();

 private:
  void put(std::string_view bytes);
  const std::function<void(std::string_view)> write_;
  std::uint64_t at_ = 0, rows_ = 0;
  Buffer index_, frame_;
};

// Reads an object file that lies in memory (or is mapped), which stays with the caller. Believes nothing that it has not checked: any bytes
// end in an answer or in kDataLoss with one line, without a crash, and without allocating more than 256 times their number.
class SLUICE_INTERNAL ObjectFileReader {
 public:
  // Checks header, index and trailer; the blocks are checked as they are read.
  static absl::Status open(std::string_view file, ObjectFileReader& reader);

  std::string_view schema() const { return schema_; }
  std::uint64_t rows() const { return rows_; }
  std::size_t blocks() const { return blocks_; }
  std::uint64_t blockStart(std::size_t i) const;  // offset in the file
  std::uint64_t blockRows(std::size_t i) const;
  // The first block that starts at or after the offset; blocks() if there is none.
  std::size_t blockFrom(std::uint64_t offset) const;
  // The rows of a block: a view into the file, or into `room` where they were compressed (appended there).
  absl::Status read(std::size_t i, Buffer& room, std::string_view& rows) const;

 private:
  std::uint64_t word(std::size_t i) const;  // of the index
  std::string_view file_, schema_;
  std::uint64_t index_ = 0;  // offset
  std::size_t blocks_ = 0;
  std::uint64_t rows_ = 0;
};

}  // namespace sluice::executor
