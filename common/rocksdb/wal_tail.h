// Whether the newest write-ahead log of a RocksDB directory ends in the middle of a record. RocksDB drops such a tail
// without a word.
#pragma once
#include <cstdint>
#include <string>

#include "sluice/abi.h"

namespace sluice {

// Bytes of the incomplete record at the end; 0: none, or there is no log. Call it before the directory is opened.
SLUICE_INTERNAL std::uint64_t tornTailBytes(const std::string& directory);

}  // namespace sluice
