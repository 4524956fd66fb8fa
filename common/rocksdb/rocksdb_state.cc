// States larger than memory, in RocksDB: no write-ahead log of its own (a state is made of checkpoints again), a cache that all states of
// the process share.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <filesystem>

#include "common/state_db.h"
#include "sluice/error.h"

namespace sluice {
namespace {

constexpr std::size_t kCacheBytes = 48 << 20;    // of the process: blocks, and tables that are still in memory
constexpr std::size_t kBuffersBytes = 16 << 20;  // of these, the latter

rocksdb::Slice sliceOf(std::string_view view) { return {view.data(), view.size()}; }
std::string_view viewOf(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

void check(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return;
  std::string text = status.ToString();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  throwError(ErrorKind::kUnavailable, "the state in " + directory + " cannot be read or written: " + text);
}

struct Shared {
  // Few shards: a block that does not fit into its shard would be read from the disk each time.
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kCacheBytes, 2);
  std::shared_ptr<rocksdb::WriteBufferManager> buffers = std::make_shared<rocksdb::WriteBufferManager>(kBuffersBytes, cache);
};

rocksdb::Options options() {
  static Shared* shared = new Shared;  // outlives every state
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = shared->cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::Options o;
  o.create_if_missing = true;
  o.error_if_exists = true;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  o.write_buffer_manager = shared->buffers;
  o.write_buffer_size = 4 << 20;
  o.max_background_jobs = 2;
  o.compression = rocksdb::kLZ4Compression;
  o.info_log_level = rocksdb::WARN_LEVEL;
  o.keep_log_file_num = 1;
  o.max_open_files = 128;
  o.avoid_flush_during_shutdown = true;
  return o;
}

// The open database; its directory goes with it.
struct Open {
  explicit Open(std::string d) : directory(std::move(d)) {
    rocksdb::DB* opened = nullptr;
    std::error_code ignored;
    std::filesystem::create_directories(directory, ignored);
    check(rocksdb::DB::Open(options(), directory, &opened), directory);
    db.reset(opened);
  }
  ~Open() {
    db.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  const std::string directory;
  std::unique_ptr<rocksdb::DB> db;
};

class View final : public StateDbView {
 public:
  explicit View(std::shared_ptr<Open> open) : open_(std::move(open)), snapshot_(open_->db->GetSnapshot()) {}
  ~View() override { open_->db->ReleaseSnapshot(snapshot_); }
  void scan(std::string_view from, std::string_view to, const std::function<bool(std::string_view, std::string_view)>& see) const override {
    rocksdb::ReadOptions read;
    rocksdb::Slice end = sliceOf(to);
    read.snapshot = snapshot_, read.iterate_upper_bound = &end, read.fill_cache = false;
    std::unique_ptr<rocksdb::Iterator> at(open_->db->NewIterator(read));
    for (at->Seek(sliceOf(from)); at->Valid(); at->Next()) {
      if (!see(viewOf(at->key()), viewOf(at->value()))) return;
    }
    check(at->status(), open_->directory);
  }

 private:
  std::shared_ptr<Open> open_;
  const rocksdb::Snapshot* snapshot_;
};

class RocksdbState final : public StateDb {
 public:
  explicit RocksdbState(const char* directory) : open_(std::make_shared<Open>(directory)) { write_.disableWAL = true; }
  bool get(std::string_view key, std::string& value) override {
    rocksdb::Status status = open_->db->Get({}, sliceOf(key), &value);
    if (status.IsNotFound()) return false;
    check(status, open_->directory);
    return true;
  }
  void write(const std::vector<Change>& changes) override {
    rocksdb::WriteBatch batch;
    for (const Change& change : changes) {
      if (change.removed) batch.Delete(change.key);
      else batch.Put(change.key, change.value);
    }
    check(open_->db->Write(write_, &batch), open_->directory);
  }
  void removeRange(std::string_view from, std::string_view to) override {
    check(open_->db->DeleteRange(write_, open_->db->DefaultColumnFamily(), sliceOf(from), sliceOf(to)), open_->directory);
  }
  std::shared_ptr<const StateDbView> view() override { return std::make_shared<View>(open_); }

 private:
  std::shared_ptr<Open> open_;
  rocksdb::WriteOptions write_;
};

}  // namespace
}  // namespace sluice

// For those that load this library. Throws sluice::Error.
extern "C" SLUICE_INTERNAL sluice::StateDb* sluice_open_state(const char* directory) { return new sluice::RocksdbState(directory); }
