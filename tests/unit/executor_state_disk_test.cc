// The state on disk says what the one in memory says, batch for batch; and its versions stay as they were.
#include "worker/executor/state_disk.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "sluice/error.h"
#include "worker/executor/state_log.h"
#include "worker/executor/state_session.h"

namespace sluice::executor {
namespace {

using Entries = std::set<std::tuple<std::string, std::string, std::int64_t>>;

class StateDiskTest : public ::testing::Test {
 protected:
  StateDiskTest() : folder_(::testing::TempDir() + "state-disk-" + std::to_string(::getpid())) { std::filesystem::create_directories(folder_); }
  ~StateDiskTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::unique_ptr<StateDisk> disk(Store& store, RowsPtr version) {
    if (!db_) db_ = open_(folder_ + "/states");
    return std::make_unique<StateDisk>(db_, made_++, store, std::move(version));
  }
  static Entries entriesOf(RowsPtr version, Store& store) {
    Entries all;
    StateCursor cursor(std::move(version), store);
    Chunk chunk;
    while (cursor.next(chunk)) {
      for (std::size_t i = 0; i < chunk.size; ++i) {
        const StateEntry& entry = chunk.as<StateEntry>()[i];
        EXPECT_TRUE(all.emplace(entry.key, entry.value, entry.timeMs).second);
      }
    }
    return all;
  }
  static std::vector<std::string> due(StateTable& table, std::int64_t timeMs) {
    std::vector<std::string> keys;
    StateEntry entry;
    table.begin();
    while (table.nextDue(timeMs, entry)) keys.push_back(std::string(entry.key) + "=" + std::string(entry.value));
    return keys;
  }

  std::string folder_;
  StateDbOpener open_ = rocksdbStates();
  std::shared_ptr<StateDb> db_;
  std::uint32_t made_ = 0;
};

TEST_F(StateDiskTest, AgreesWithTheLog) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Store store(256 << 20, folder_);
  StateLog log(store);
  log.load(nullptr);
  auto table = disk(store, nullptr);
  std::vector<std::pair<RowsPtr, Entries>> versions;
  for (std::int64_t batch = 1; batch <= 60; ++batch) {
    Buffer changes;
    std::set<std::string> touched;
    for (std::uint64_t i = 0, n = random() % 80; i < n; ++i) {
      std::string key = i == 0 ? "" : std::to_string(random() % 300);
      if (!touched.insert(key).second) continue;
      StateEntry known;
      if (random() % 4 == 0 && log.find(key, known)) StateRow{key, {}, batch, true}.append(changes);
      else StateRow{key, std::string(random() % 50, 'x'), std::int64_t(random() % 40) - 10, false}.append(changes);
    }
    RowsPtr inLog = log.commit(changes.view()), onDisk = table->commit(changes.view());
    Entries want = entriesOf(inLog, store);
    ASSERT_EQ(entriesOf(onDisk, store), want) << "batch " << batch;
    EXPECT_EQ(table->empty(), want.empty());
    EXPECT_EQ(onDisk->rows, want.size());
    EXPECT_EQ(due(*table, 5), due(log, 5));
    versions.emplace_back(onDisk, std::move(want));
  }
  for (const auto& [version, want] : versions) ASSERT_EQ(entriesOf(version, store), want);
  // Made again of a version's pieces: of its own, and of the log's, in which entries overtake others.
  auto again = disk(store, versions[30].first);
  EXPECT_EQ(entriesOf(again->commit({}), store), versions[30].second);
  auto ofLog = disk(store, log.version());
  Buffer one;
  StateRow{"new", "1", 1, false}.append(one);
  Entries want = versions.back().second;
  want.emplace("new", "1", 1);
  EXPECT_EQ(entriesOf(ofLog->commit(one.view()), store), want);
}

TEST_F(StateDiskTest, TakesNoMemoryAndLeavesNothingBehind) {
  Store store(64 << 20, folder_);
  {
    auto table = disk(store, nullptr);
    Buffer changes;
    for (int i = 0; i < 5000; ++i) StateRow{std::to_string(i), std::string(100, 'v'), 1, false}.append(changes);
    RowsPtr version = table->commit(changes.view());
    EXPECT_EQ(store.usedBytes(), 0);
    EXPECT_EQ(version->rows, 5000u);
    EXPECT_EQ(version->bytes, changes.size());
    // The version outlives its table.
    table.reset();
    EXPECT_EQ(entriesOf(version, store).size(), 5000u);
    std::size_t left = 0;
    db_->view()->scan("", "\xff", [&](std::string_view, std::string_view) { return ++left; });
    EXPECT_EQ(left, 0u);
    db_.reset();
    EXPECT_EQ(entriesOf(version, store).size(), 5000u);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace sluice::executor
