#include "common/rocksdb/rocksdb_journal.h"

#include <pthread.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <xxhash.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/fail_point.h"
#include "common/mutex.h"
#include "common/rocksdb/wal_tail.h"

namespace sluice {
namespace {

constexpr char kFormatKey[] = "format", kFormat[] = "sluice journal 1", kSnapshotKey[] = "snapshot";

void putNumber(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += char(value >> shift);
}

std::uint64_t number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (char c : bytes.substr(0, 8)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string recordKey(std::uint64_t sequence) {
  std::string key = "r";
  putNumber(key, sequence);
  return key;
}

std::uint64_t recordChecksum(std::uint64_t sequence, std::string_view record) {
  return XXH3_64bits_withSeed(record.data(), record.size(), sequence);
}

std::string_view viewOf(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

std::string oneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

rocksdb::Options options() {
  rocksdb::Options o;
  o.create_if_missing = true;
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  o.write_buffer_size = 8 << 20;
  o.max_write_buffer_number = 2;
  o.max_background_jobs = 2;
  o.max_total_wal_size = 64 << 20;
  o.compression = rocksdb::kNoCompression;
  o.info_log_level = rocksdb::WARN_LEVEL;
  o.keep_log_file_num = 2;
  o.max_open_files = 64;
  return o;
}

class RocksdbJournal final : public Journal {
 public:
  RocksdbJournal(std::string directory, std::unique_ptr<rocksdb::DB> db, std::uint64_t tornBytes)
      : directory_(std::move(directory)), tornBytes_(tornBytes), db_(std::move(db)) {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "journal");
      loop();
    });
  }
  ~RocksdbJournal() override {
    {
      MutexLock lock(mutex_);
      closing_ = true;
      due_.notifyOne();
    }
    thread_.join();
  }

  // Reads where it ends, and whether it is one of ours.
  absl::Status prepare();

  absl::Status replay(const std::function<void(std::uint64_t, std::string_view)>& snapshot,
                      const std::function<void(std::uint64_t, std::string_view)>& apply,
                      const std::function<void(const std::string&)>& warn) override;
  std::uint64_t append(std::string record) override EXCLUDES(mutex_);
  void sync() override EXCLUDES(mutex_);
  void onSynced(std::function<void(std::uint64_t)> synced, std::function<void(std::string)> failed) override
      EXCLUDES(mutex_);
  std::uint64_t last() const override { return last_.load(std::memory_order_acquire); }
  void snapshot(std::uint64_t sequence, std::string state) override EXCLUDES(mutex_);

 private:
  void loop() EXCLUDES(mutex_);
  std::string syncLog();  // why it failed; empty: done
  std::string store(std::uint64_t sequence, const std::string& state);
  void fail(const std::string& why) EXCLUDES(mutex_);
  absl::Status damaged(const std::string& how) const {
    return absl::DataLossError("the journal in " + directory_ + " is damaged (" + oneLine(how) +
                               "); put back a copy of the directory, or remove it to begin anew");
  }

  const std::string directory_;
  const std::uint64_t tornBytes_;
  std::unique_ptr<rocksdb::DB> db_;
  std::atomic<std::uint64_t> last_{0};

  Mutex mutex_;
  CondVar due_;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool failed_ GUARDED_BY(mutex_) = false;  // told once; nothing is synced any more
  std::string appendFailure_ GUARDED_BY(mutex_);
  std::uint64_t wanted_ GUARDED_BY(mutex_) = 0;  // the last sync() asked for everything up to here
  bool asked_ GUARDED_BY(mutex_) = false;
  std::optional<std::pair<std::uint64_t, std::string>> state_
      GUARDED_BY(mutex_);  // the newest snapshot, not written yet
  std::function<void(std::uint64_t)> onSynced_ GUARDED_BY(mutex_);
  std::function<void(std::string)> onFailed_ GUARDED_BY(mutex_);
  std::thread thread_;
};

absl::Status RocksdbJournal::prepare() {
  std::string format;
  auto status = db_->Get({}, kFormatKey, &format);
  if (status.IsNotFound()) {
    std::unique_ptr<rocksdb::Iterator> any(db_->NewIterator({}));
    any->SeekToFirst();
    if (any->Valid()) return damaged("its first record is missing");
    rocksdb::WriteOptions synced;
    synced.sync = true;
    status = db_->Put(synced, kFormatKey, kFormat);
    format = kFormat;
  }
  if (!status.ok()) return damaged(status.ToString());
  if (format != kFormat) {
    return absl::FailedPreconditionError("the journal in " + directory_ + " was written by another version (" +
                                         oneLine(format) + ")");
  }
  std::unique_ptr<rocksdb::Iterator> end(db_->NewIterator({}));
  end->SeekForPrev(recordKey(UINT64_MAX));
  if (end->Valid() && end->key().size() == 9 && end->key()[0] == 'r') last_ = number(viewOf(end->key()).substr(1));
  if (!end->status().ok()) return damaged(end->status().ToString());
  std::string state;
  if (db_->Get({}, kSnapshotKey, &state).ok() && state.size() >= 16)
    last_ = std::max(last_.load(), number(std::string_view(state).substr(8)));
  return absl::OkStatus();
}

absl::Status RocksdbJournal::replay(const std::function<void(std::uint64_t, std::string_view)>& snapshot,
                                    const std::function<void(std::uint64_t, std::string_view)>& apply,
                                    const std::function<void(const std::string&)>& warn) {
  std::uint64_t sequence = 0;
  std::string state;
  auto status = db_->Get({}, kSnapshotKey, &state);
  if (status.ok()) {
    std::string_view body = std::string_view(state).substr(std::min<std::size_t>(8, state.size()));
    if (body.size() < 8 || XXH3_64bits(body.data(), body.size()) != number(state))
      return damaged("the checksum of its snapshot is wrong");
    sequence = number(body);
    snapshot(sequence, body.substr(8));
  } else if (status.IsNotFound()) {
    snapshot(0, {});
  } else {
    return damaged(status.ToString());
  }
  rocksdb::ReadOptions once;
  once.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(once));
  for (it->Seek(recordKey(sequence + 1)); it->Valid() && it->key()[0] == 'r'; it->Next()) {
    std::uint64_t found = number(viewOf(it->key()).substr(1));
    if (found != sequence + 1) {
      return damaged("after record " + std::to_string(sequence) + " comes record " + std::to_string(found));
    }
    std::string_view value = viewOf(it->value());
    if (value.size() < 8 || number(value) != recordChecksum(found, value.substr(8))) {
      return damaged("the checksum of record " + std::to_string(found) + " is wrong");
    }
    sequence = found;
    apply(sequence, value.substr(8));
  }
  if (!it->status().ok()) return damaged(it->status().ToString());
  last_ = sequence;
  if (tornBytes_ != 0) {
    warn("the journal in " + directory_ + " ended in the middle of a record: its last " + std::to_string(tornBytes_) +
         " bytes, which nobody was told of, are dropped; it goes on after record " + std::to_string(sequence));
  }
  return absl::OkStatus();
}

std::uint64_t RocksdbJournal::append(std::string record) {
  std::uint64_t sequence = last_.load(std::memory_order_relaxed) + 1;
  std::string value;
  value.reserve(8 + record.size());
  putNumber(value, recordChecksum(sequence, record));
  value += record;
  auto status = SLUICE_FAIL_POINT("journal.append") ? rocksdb::Status::IOError("No space left on device")
                                                    : db_->Put({}, recordKey(sequence), value);
  last_.store(sequence, std::memory_order_release);
  if (!status.ok()) {
    MutexLock lock(mutex_);
    appendFailure_ = status.ToString();
    due_.notifyOne();
  }
  return sequence;
}

void RocksdbJournal::sync() {
  MutexLock lock(mutex_);
  wanted_ = last_.load(std::memory_order_relaxed);
  asked_ = true;
  due_.notifyOne();
}

void RocksdbJournal::onSynced(std::function<void(std::uint64_t)> synced, std::function<void(std::string)> failed) {
  MutexLock lock(mutex_);
  onSynced_ = std::move(synced), onFailed_ = std::move(failed);
}

void RocksdbJournal::snapshot(std::uint64_t sequence, std::string state) {
  MutexLock lock(mutex_);
  state_ = {sequence, std::move(state)};
  due_.notifyOne();
}

// One sync covers all that was appended before it began: many askers share it while the one before is under way.
void RocksdbJournal::loop() {
  for (;;) {
    std::uint64_t target;
    bool asked, last;
    std::string why;
    std::optional<std::pair<std::uint64_t, std::string>> state;
    std::function<void(std::uint64_t)> synced;
    {
      MutexLock lock(mutex_);
      while (!closing_ && !asked_ && !state_ && (appendFailure_.empty() || failed_)) due_.wait(mutex_);
      last = closing_, asked = asked_, why = appendFailure_;
      if (last && !asked && !state_) return;
      asked_ = false;
      target = wanted_;
      state.swap(state_);
      synced = onSynced_;
      if (failed_) continue;
    }
    if (why.empty() && state) why = store(state->first, state->second);
    if (why.empty() && asked) why = syncLog();
    if (!why.empty()) {
      fail(why);
    } else if (asked && synced) {
      synced(target);
    }
  }
}

std::string RocksdbJournal::syncLog() {
  if (SLUICE_FAIL_POINT("journal.before_sync")) return "Input/output error";
  auto status = db_->SyncWAL();
  if (SLUICE_FAIL_POINT("journal.after_sync")) return "Input/output error";
  return status.ok() ? "" : status.ToString();
}

std::string RocksdbJournal::store(std::uint64_t sequence, const std::string& state) {
  std::string body;
  body.reserve(8 + state.size());
  putNumber(body, sequence);
  body += state;
  std::string value;
  value.reserve(8 + body.size());
  putNumber(value, XXH3_64bits(body.data(), body.size()));
  value += body;
  rocksdb::WriteBatch batch;
  batch.Put(kSnapshotKey, value);
  batch.DeleteRange(recordKey(0), recordKey(sequence + 1));
  // Synced apart: a synced write holds up append().
  auto status = SLUICE_FAIL_POINT("journal.before_snapshot") ? rocksdb::Status::IOError("Input/output error") : db_->Write({}, &batch);
  if (status.ok()) status = db_->SyncWAL();
  return status.ok() ? "" : status.ToString();
}

void RocksdbJournal::fail(const std::string& why) {
  std::function<void(std::string)> failed;
  {
    MutexLock lock(mutex_);
    if (failed_) return;
    failed_ = true;
    failed = onFailed_;
  }
  if (failed) failed("the journal in " + directory_ + " cannot be written: " + oneLine(why));
}

}  // namespace

absl::Status openRocksdbJournal(const std::string& directory, std::unique_ptr<Journal>* journal) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::UnavailableError("cannot make the journal's directory " + directory + ": " + error.message());
  std::uint64_t torn = tornTailBytes(directory);
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::Open(options(), directory, &db);
  if (!status.ok()) {
    std::string text = oneLine(status.ToString());
    if (text.find("LOCK") != std::string::npos && text.find("lock") != std::string::npos) {
      return absl::UnavailableError("the journal in " + directory + " is in use by another process");
    }
    if (status.IsCorruption()) {
      return absl::DataLossError("the journal in " + directory + " is damaged (" + text +
                                 "); put back a copy of the directory, or remove it to begin anew");
    }
    return absl::UnavailableError("cannot open the journal in " + directory + ": " + text);
  }
  auto opened = std::make_unique<RocksdbJournal>(directory, std::unique_ptr<rocksdb::DB>(db), torn);
  if (auto prepared = opened->prepare(); !prepared.ok()) return prepared;
  *journal = std::move(opened);
  return absl::OkStatus();
}

}  // namespace sluice

sluice::Journal* sluice_open_journal(const char* directory, std::string* error) {
  std::unique_ptr<sluice::Journal> journal;
  auto status = sluice::openRocksdbJournal(directory, &journal);
  if (status.ok()) return journal.release();
  *error = std::string(status.message().data(), status.message().size());
  return nullptr;
}
