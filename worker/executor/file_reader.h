// Reading files as a source's records: one class for each form that files have.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proto/plan.pb.h"
#include "sluice/compression.h"
#include "sluice/operator.h"

namespace sluice::executor {

class LastingBytes;

// Used by one task's thread. What it hands out stays good for as long as the reader is there where the records are views, which is until
// the task ends; other records until the next call.
class FileReader {
 public:
  virtual ~FileReader() = default;
  // The next non-empty chunk; false at the end. Throws Error, naming the file, if it cannot be read or is not what it should be.
  virtual bool next(Chunk& out) = 0;
  // Throws Error if the file has become shorter since it was opened, so that what was handed out may be zeros.
  virtual void check() const {}
  // Nobody calls next() again: lets go of what views do not need.
  virtual void end() {}
  virtual std::uint64_t bytes() const = 0;  // of the files, that were read
  // Where record i of the last chunk lies: "log.txt:1234".
  virtual std::string place(std::size_t i) const = 0;
};

// What is read, and what a task lends its readers.
struct FileReading {
  const proto::Source& source;
  const proto::Input& input;  // a file's range, or several files; outlives the reader, as the source does
  const TypeDesc* type;       // of the records
  std::size_t most;           // records in a chunk
  std::string_view* lines;    // room for so many
  LastingBytes& lasting;
};

std::unique_ptr<FileReader> openFile(const FileReading& reading);

// ---- The forms, for openFile ----
std::unique_ptr<FileReader> openCompressedLines(const FileReading& reading, Compression compression);
std::unique_ptr<FileReader> openWholeFiles(const FileReading& reading);
std::unique_ptr<FileReader> openObjectRows(const FileReading& reading);

}  // namespace sluice::executor
