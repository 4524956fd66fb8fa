// What an executor writes for good, all of it on the disk's thread: published output files and checkpointed state.
#pragma once
#include <string>

#include "worker/executor/control.h"
#include "worker/executor/templates.h"
#include "worker/executor/values.h"

namespace sluice::executor {

class DurableFiles {
 public:
  DurableFiles(Control& control, Values& values, Templates& templates) : control_(control), values_(values), templates_(templates) {}

  // Makes staged files visible (published_files.h) and says Published. May be repeated.
  void onPublish(const proto::Publish& publish);
  // Writes these state partitions as files of their own, synced, and says CheckpointWritten.
  void onTakeCheckpoint(const proto::TakeCheckpoint& take);
  // Reads such files back as kept values.
  void onRestore(const proto::Restore& restore);

 private:
  Control& control_;
  Values& values_;
  Templates& templates_;
};

// A state file: "SLSTATE1", a u32 version, then frames (rows_format.h), the first of which holds the type's name and no rows.
struct StateFile {
  std::uint64_t bytes = 0, checksum = 0, rows = 0;
};
// Temporary name, sync, rename, directory synced. Throws Error(kUnavailable).
SLUICE_INTERNAL StateFile writeStateFile(const std::string& path, std::string_view typeName, const Rows& rows, Store& store);
// Throws Error(kLost) if it is not whole or not what was written.
SLUICE_INTERNAL RowsPtr readStateFile(const std::string& path, const StateFile& expected, std::string_view typeName, Store& store);

}  // namespace sluice::executor
