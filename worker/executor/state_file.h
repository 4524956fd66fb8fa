// Files of checkpointed state: one for each partition, its rows in the frames that are used on disk elsewhere too.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/abi.h"
#include "worker/executor/store.h"

namespace sluice::executor {

// A state file: "SLSTATE1", a u32 version, then frames (rows_format.h), the first of which holds the type's name and no rows.
struct StateFile {
  std::uint64_t bytes = 0, checksum = 0, rows = 0;
};
// Temporary name, sync, rename, directory synced. Throws Error(kUnavailable).
SLUICE_INTERNAL StateFile writeStateFile(const std::string& path, std::string_view typeName, const Rows& rows, Store& store);
// Throws Error(kLost) if it is not whole or not what was written.
SLUICE_INTERNAL RowsPtr readStateFile(const std::string& path, const StateFile& expected, std::string_view typeName, Store& store);

}  // namespace sluice::executor
