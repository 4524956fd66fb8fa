// One synced record at a time in a RocksDB write-ahead log: what durability costs on this disk.
#pragma once
#include <string>
#include <vector>

namespace sluice::bench {

// Seconds of each of `count` synced writes of 256 bytes into a new database in `directory`.
std::vector<double> writeSynced(const std::string& directory, int count);

}  // namespace sluice::bench
