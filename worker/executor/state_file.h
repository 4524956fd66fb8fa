// Files of checkpoints: the rows of one or more partitions, in the frames that are used on disk elsewhere too.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/abi.h"
#include "worker/executor/store.h"

namespace sluice::executor {

// Rows in a state file: "SLSTATE1", a u32 version, then frames (rows_format.h), the first of which holds the type's name and no rows.
struct StateRows {
  std::uint64_t offset = 0, bytes = 0, checksum = 0, rows = 0;
};

// Writes rows one after the other into a file, which has its name once finish() has synced it. Throws Error(kUnavailable).
class SLUICE_INTERNAL StateFileWriter {
 public:
  explicit StateFileWriter(const std::string& path);
  ~StateFileWriter();
  StateFileWriter(const StateFileWriter&) = delete;
  StateRows add(std::string_view typeName, const Rows& rows, Store& store);
  void finish();

 private:
  class NewFile;
  std::unique_ptr<NewFile> file_;
};

// Throws Error(kLost) if they are not whole or not what was written.
SLUICE_INTERNAL RowsPtr readStateFile(const std::string& path, const StateRows& expected, std::string_view typeName, Store& store);

}  // namespace sluice::executor
