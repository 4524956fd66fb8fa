// The journal on disk: records in RocksDB under dense sequence numbers and checksums of our own, synced by a thread of
// its own.
//
// append() writes at once without syncing (some microseconds): what was appended survives the process, what was synced
// survives the host. One process at a time has a directory.
//
// Keys and values, format 1 (integers big-endian):
//   "format"              "sluice journal 1"
//   "snapshot"            xxh3 of the rest (8) + sequence (8) + state
//   'r' + sequence (8)    xxh3 of the record, seeded with the sequence (8) + record
#pragma once
#include <memory>
#include <string>

#include "common/journal.h"

namespace sluice {

// Makes the directory if need be. An error is one line that names the directory: in use by another process, not
// writable, damaged, written by another version.
SLUICE_INTERNAL absl::Status openRocksdbJournal(const std::string& directory, std::unique_ptr<Journal>* journal);

}  // namespace sluice

// For those that load this library: null and the line in *error.
extern "C" SLUICE_INTERNAL sluice::Journal* sluice_open_journal(const char* directory, std::string* error);
