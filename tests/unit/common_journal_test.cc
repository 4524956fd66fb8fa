#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/fail_point.h"
#include "common/mutex.h"
#include "common/rocksdb/rocksdb_journal.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

std::string line(const absl::Status& status) { return std::string(status.message().data(), status.message().size()); }

// What a replay gave.
struct Replayed {
  std::string error, snapshot;
  std::uint64_t snapshotSequence = 0;
  std::vector<std::pair<std::uint64_t, std::string>> records;
  std::vector<std::string> warnings;
};

Replayed replay(Journal& journal) {
  Replayed r;
  r.error = line(journal.replay(
      [&](std::uint64_t sequence, std::string_view state) { r.snapshotSequence = sequence, r.snapshot = state; },
      [&](std::uint64_t sequence, std::string_view record) { r.records.emplace_back(sequence, record); },
      [&](const std::string& warning) { r.warnings.push_back(warning); }));
  return r;
}

// Waits for what the journal's thread tells.
struct Synced {
  explicit Synced(Journal& journal) {
    journal.onSynced(
        [this](std::uint64_t sequence) {
          MutexLock lock(mutex);
          all.push_back(sequence);
          changed.notifyAll();
        },
        [this](std::string line) {
          MutexLock lock(mutex);
          failure = std::move(line);
          changed.notifyAll();
        });
  }
  std::vector<std::uint64_t> until(std::uint64_t sequence) {
    MutexLock lock(mutex);
    while (all.empty() || all.back() < sequence) changed.wait(mutex);
    return all;
  }
  std::string failed() {
    MutexLock lock(mutex);
    while (failure.empty()) changed.wait(mutex);
    return failure;
  }
  Mutex mutex;
  CondVar changed;
  std::vector<std::uint64_t> all GUARDED_BY(mutex);
  std::string failure GUARDED_BY(mutex);
};

class RocksdbJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / ("sluice-journal-" + std::to_string(getpid()));
    fs::remove_all(root_);
    dir_ = (root_ / "journal").string();
  }
  void TearDown() override { fs::remove_all(root_); }

  std::unique_ptr<Journal> open(const std::string& directory) {
    std::unique_ptr<Journal> journal;
    EXPECT_EQ(line(openRocksdbJournal(directory, &journal)), "");
    return journal;
  }
  std::string refusal(const std::string& directory) {
    std::unique_ptr<Journal> journal;
    auto status = openRocksdbJournal(directory, &journal);
    return status.ok() ? replay(*journal).error : line(status);
  }
  // A copy of the directory as it is: what a crash leaves behind.
  std::string crashed() {
    std::string copy = (root_ / "crashed").string();
    fs::remove_all(copy);
    fs::copy(dir_, copy, fs::copy_options::recursive);
    fs::remove(copy + "/LOCK");
    return copy;
  }
  static fs::path newestLog(const std::string& directory) {
    fs::path newest;
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() == ".log" && entry.file_size() > 0 && (newest.empty() || entry.path() > newest))
        newest = entry.path();
    }
    return newest;
  }
  static std::string record(std::uint64_t i) { return "record " + std::to_string(i) + std::string(i % 50, 'x'); }
  static void fill(Journal& journal, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i <= to; ++i) ASSERT_EQ(journal.append(record(i)), i);
  }
  static void expectRecords(const Replayed& replayed, std::uint64_t from, std::uint64_t to) {
    EXPECT_EQ(replayed.error, "");
    ASSERT_EQ(replayed.records.size(), to + 1 - from);
    for (std::uint64_t i = from; i <= to; ++i) {
      EXPECT_EQ(replayed.records[i - from].first, i);
      EXPECT_EQ(replayed.records[i - from].second, record(i));
    }
  }

  fs::path root_;
  std::string dir_;
};

TEST_F(RocksdbJournalTest, WhatWasAppendedIsReplayedInOrder) {
  {
    auto journal = open(dir_);
    EXPECT_TRUE(replay(*journal).records.empty());
    fill(*journal, 1, 1000);
    EXPECT_EQ(journal->last(), 1000u);
  }
  auto journal = open(dir_);
  auto replayed = replay(*journal);
  expectRecords(replayed, 1, 1000);
  EXPECT_TRUE(replayed.warnings.empty());
  EXPECT_EQ(journal->append("one more"), 1001u);
}

TEST_F(RocksdbJournalTest, ASnapshotReplacesWhatIsBelowIt) {
  auto journal = open(dir_);
  replay(*journal);
  Synced synced(*journal);
  fill(*journal, 1, 500);
  journal->snapshot(300, "the state after 300");
  journal->sync();
  synced.until(500);
  auto copy = open(crashed());
  auto replayed = replay(*copy);
  EXPECT_EQ(replayed.snapshot, "the state after 300");
  EXPECT_EQ(replayed.snapshotSequence, 300u);
  expectRecords(replayed, 301, 500);
  copy->snapshot(500, "all");
  copy.reset();
  copy = open((root_ / "crashed").string());
  EXPECT_EQ(copy->last(), 500u);
  replayed = replay(*copy);
  EXPECT_EQ(replayed.snapshot, "all");
  EXPECT_TRUE(replayed.records.empty());
  EXPECT_EQ(copy->append("next"), 501u);
}

TEST_F(RocksdbJournalTest, RecordsGoThatASnapshotStandsFor) {
  auto journal = open(dir_);
  replay(*journal);
  fill(*journal, 1, 500);
  journal->snapshot(300, "the state after 300");
  journal->snapshot(400, "the state after 400");  // in place of the one before, if that is not written yet
  journal.reset();
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::OpenForReadOnly({}, dir_, &opened).ok());
  std::unique_ptr<rocksdb::DB> db(opened);
  std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
  int records = 0;
  for (it->Seek("r"); it->Valid() && it->key()[0] == 'r'; it->Next()) ++records;
  EXPECT_EQ(records, 100);
}

TEST_F(RocksdbJournalTest, ASnapshotThatCannotBeWrittenIsTold) {
  auto journal = open(dir_);
  replay(*journal);
  Synced synced(*journal);
  fill(*journal, 1, 3);
  FailPoint broken("journal.before_snapshot");
  journal->snapshot(3, "all");
  EXPECT_EQ(synced.failed(), "the journal in " + dir_ + " cannot be written: IO error: Input/output error");
}

TEST_F(RocksdbJournalTest, SyncedRecordsAndAppendedOnesSurviveACrashOfTheProcess) {
  auto journal = open(dir_);
  replay(*journal);
  Synced synced(*journal);
  fill(*journal, 1, 100);
  journal->sync();
  synced.until(100);
  fill(*journal, 101, 120);  // with the system, not synced
  auto copy = open(crashed());
  expectRecords(replay(*copy), 1, 120);
}

TEST_F(RocksdbJournalTest, ManyAskersShareASync) {
  auto journal = open(dir_);
  replay(*journal);
  Synced synced(*journal);
  constexpr std::uint64_t kCount = 2000;
  for (std::uint64_t i = 1; i <= kCount; ++i) {
    journal->append(record(i));
    journal->sync();
  }
  auto told = synced.until(kCount);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(std::adjacent_find(told.begin(), told.end()), told.end());
  EXPECT_EQ(told.back(), kCount);
  printf("%llu records, %zu syncs\n", static_cast<unsigned long long>(kCount), told.size());
}

TEST_F(RocksdbJournalTest, ATornTailIsDroppedAndTold) {
  auto journal = open(dir_);
  replay(*journal);
  fill(*journal, 1, 1000);
  std::string copy = crashed();
  fs::path log = newestLog(copy);
  fs::resize_file(log, fs::file_size(log) - 3);
  auto torn = open(copy);
  auto replayed = replay(*torn);
  expectRecords(replayed, 1, 999);
  ASSERT_EQ(replayed.warnings.size(), 1u);
  EXPECT_TRUE(
      replayed.warnings[0].starts_with("the journal in " + copy + " ended in the middle of a record: its last "));
  EXPECT_TRUE(replayed.warnings[0].ends_with("it goes on after record 999"));
  EXPECT_EQ(torn->append(record(1000)), 1000u);
  torn.reset();
  torn = open(copy);
  replayed = replay(*torn);
  expectRecords(replayed, 1, 1000);
  EXPECT_TRUE(replayed.warnings.empty());
}

// Wherever the file is cut, what is left is a beginning of what was written, and a cut inside a record is told.
TEST_F(RocksdbJournalTest, EveryCutLeavesABeginning) {
  auto journal = open(dir_);
  replay(*journal);
  fill(*journal, 1, 20);
  Synced synced(*journal);
  journal->snapshot(15, std::string(500, 's'));
  journal->sync();
  synced.until(20);
  fill(*journal, 21, 30);
  std::string original = crashed(), copy = (root_ / "cut").string();
  std::uint64_t before = 0;
  for (std::uintmax_t size = 60; size <= fs::file_size(newestLog(original)); size += 97) {
    fs::remove_all(copy);
    fs::copy(original, copy);
    fs::resize_file(newestLog(copy), size);
    auto cut = open(copy);
    auto replayed = replay(*cut);
    ASSERT_EQ(replayed.error, "") << size;
    std::uint64_t end = replayed.snapshotSequence + replayed.records.size();
    ASSERT_GE(end, before) << size;
    before = end;
    EXPECT_TRUE(replayed.snapshotSequence == 0 || (replayed.snapshotSequence == 15 && replayed.snapshot == std::string(500, 's'))) << size;
    expectRecords(replayed, replayed.snapshotSequence + 1, before);
    EXPECT_LE(replayed.warnings.size(), 1u);
  }
  EXPECT_GE(before, 25u);
}

TEST_F(RocksdbJournalTest, AFlippedByteIsRefused) {
  auto journal = open(dir_);
  replay(*journal);
  fill(*journal, 1, 1000);
  std::string original = crashed(), copy = (root_ / "flipped").string();
  auto size = fs::file_size(newestLog(original));
  for (std::uintmax_t at : {size / 10, size / 3, size / 2, size - size / 5, size - 2}) {
    fs::remove_all(copy);
    fs::copy(original, copy);
    {
      std::fstream file(newestLog(copy), std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(std::streamoff(at));
      char c = char(file.get() ^ 0x10);
      file.seekp(std::streamoff(at));
      file.put(c);
    }
    std::string why = refusal(copy);
    EXPECT_TRUE(why.starts_with("the journal in " + copy + " is damaged (")) << at << ": " << why;
    EXPECT_TRUE(why.ends_with("put back a copy of the directory, or remove it to begin anew")) << why;
    EXPECT_EQ(why.find('\n'), std::string::npos);
  }
}

TEST_F(RocksdbJournalTest, AMissingFileIsAGapThatIsRefused) {
  for (int part = 0; part < 3; ++part) {  // each opening writes what it found to a table file of its own
    auto journal = open(dir_);
    ASSERT_EQ(replay(*journal).error, "");
    fill(*journal, std::uint64_t(part) * 100 + 1, std::uint64_t(part) * 100 + 100);
  }
  std::string copy = crashed();
  std::vector<fs::path> tables;
  for (const auto& entry : fs::directory_iterator(copy)) {
    if (entry.path().extension() == ".sst") tables.push_back(entry.path());
  }
  ASSERT_FALSE(tables.empty());
  fs::remove(tables.front());
  EXPECT_NE(refusal(copy).find(copy), std::string::npos);
}

TEST_F(RocksdbJournalTest, OneProcessHasTheDirectory) {
  auto journal = open(dir_);
  EXPECT_EQ(refusal(dir_), "the journal in " + dir_ + " is in use by another process");
  pid_t child = ::fork();
  if (child == 0) {
    std::unique_ptr<Journal> other;
    _exit(openRocksdbJournal(dir_, &other).ok() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(RocksdbJournalTest, ADirectoryThatCannotBeHadIsOneLine) {
  fs::create_directories(root_);
  std::ofstream(root_ / "file") << "x";
  std::string why = refusal((root_ / "file" / "journal").string());
  EXPECT_TRUE(why.starts_with("cannot make the journal's directory " + (root_ / "file" / "journal").string())) << why;
}

TEST_F(RocksdbJournalTest, AFailedSyncIsToldOnceAndNothingIsSyncedAfterIt) {
  auto journal = open(dir_);
  replay(*journal);
  Synced synced(*journal);
  fill(*journal, 1, 10);
  {
    FailPoint fail("journal.before_sync");
    journal->sync();
    EXPECT_EQ(synced.failed(), "the journal in " + dir_ + " cannot be written: Input/output error");
  }
  journal->sync();
  journal.reset();
  MutexLock lock(synced.mutex);
  EXPECT_TRUE(synced.all.empty());
}

TEST_F(RocksdbJournalTest, AFullDiskIsTold) {
  auto journal = open(dir_);
  replay(*journal);
  Synced synced(*journal);
  FailPoint full("journal.append", {.skip = 2});
  fill(*journal, 1, 3);
  EXPECT_EQ(synced.failed(), "the journal in " + dir_ + " cannot be written: IO error: No space left on device");
}

TEST_F(RocksdbJournalTest, TheFactoryForThoseWhoLoadTheLibrary) {
  std::string error;
  std::unique_ptr<Journal> journal(sluice_open_journal(dir_.c_str(), &error));
  ASSERT_NE(journal, nullptr) << error;
  EXPECT_EQ(sluice_open_journal(dir_.c_str(), &error), nullptr);
  EXPECT_EQ(error, "the journal in " + dir_ + " is in use by another process");
}

TEST(MemoryJournal, SyncsAtOnce) {
  auto journal = memoryJournal();
  std::uint64_t synced = 0;
  journal->onSynced([&](std::uint64_t sequence) { synced = sequence; }, [](std::string) {});
  EXPECT_EQ(journal->append("a"), 1u);
  EXPECT_EQ(journal->append("b"), 2u);
  journal->sync();
  EXPECT_EQ(synced, 2u);
}

}  // namespace
}  // namespace sluice
