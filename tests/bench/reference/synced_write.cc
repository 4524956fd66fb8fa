#include "tests/bench/reference/synced_write.h"

#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

#include "tests/bench/row.h"

namespace sluice::bench {

std::vector<double> writeSynced(const std::string& directory, int count) {
  std::string path = directory + "/synced";
  std::filesystem::remove_all(path);
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, path, &opened);
  if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
  std::unique_ptr<rocksdb::DB> db(opened);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::string value(256, 'x');
  std::vector<double> seconds;
  for (int i = -count / 10; i < count; ++i) {
    double took = timed([&] { status = db->Put(synced, "record " + std::to_string(i), value); });
    if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
    if (i >= 0) seconds.push_back(took);
  }
  db.reset();
  std::filesystem::remove_all(path);
  return seconds;
}

}  // namespace sluice::bench
