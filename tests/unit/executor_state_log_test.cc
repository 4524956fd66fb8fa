// The log and index of mapWithState's state: against a plain map, over many batches.
#include "worker/executor/state_log.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "sluice/error.h"

namespace sluice::executor {
namespace {

using Model = std::map<std::string, std::pair<std::string, std::int64_t>>;

std::string directory() { return ::testing::TempDir(); }

Model contents(StateLog& table) {
  Model all;
  StateLog::Position at;
  StateEntry entry;
  std::int64_t last = 0;
  while (table.next(at, entry)) {
    EXPECT_TRUE(all.emplace(std::string(entry.key), std::pair(std::string(entry.value), entry.timeMs)).second);
    EXPECT_GE(entry.timeMs, last) << "the log is in order of time";
    last = entry.timeMs;
  }
  EXPECT_EQ(all.size(), table.size());
  return all;
}

void change(Buffer& changes, Model& model, const std::string& key, const std::string& value, std::int64_t timeMs) {
  StateRow{key, value, timeMs, false}.append(changes);
  model[key] = {value, timeMs};
}
void remove(Buffer& changes, Model& model, const std::string& key, std::int64_t timeMs) {
  StateRow{key, {}, timeMs, true}.append(changes);
  model.erase(key);
}

TEST(StateLog, FindsTheNewestAndForgetsTheRemoved) {
  Store store(64 << 20, directory());
  StateLog table(store);
  table.load(nullptr);
  Model model;
  Buffer one;
  change(one, model, "a", "1", 1000);
  change(one, model, "", "empty key", 1000);
  RowsPtr first = table.commit(one.view());
  Buffer two;
  change(two, model, "a", "", 2000);
  remove(two, model, "", 2000);
  RowsPtr second = table.commit(two.view());
  StateEntry found;
  ASSERT_TRUE(table.find("a", found));
  EXPECT_EQ(found.value, "");
  EXPECT_EQ(found.timeMs, 2000);
  EXPECT_FALSE(table.find("", found));
  // The earlier version is as it was.
  StateLog before(store);
  before.load(first);
  EXPECT_EQ(contents(before), (Model{{"", {"empty key", 1000}}, {"a", {"1", 1000}}}));
  EXPECT_EQ(table.commit({}), second) << "a batch without changes shares the version";
}

TEST(StateLog, IsAMapOverManyBatches) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Store store(256 << 20, directory());
  StateLog table(store);
  table.load(nullptr);
  Model model;
  for (std::int64_t batch = 1; batch <= 400; ++batch) {
    Buffer changes;
    std::set<std::string> touched;
    int count = int(random() % (batch % 50 == 0 ? 3000 : 60));
    for (int i = 0; i < count; ++i) {
      std::string key = std::to_string(random() % 4000);
      if (!touched.insert(key).second) continue;
      if (random() % 4 == 0 && model.contains(key)) remove(changes, model, key, batch);
      else change(changes, model, key, std::string(random() % 200, 'x'), batch);
    }
    RowsPtr version = table.commit(changes.view());
    if (batch % 20 != 0) continue;
    ASSERT_EQ(contents(table), model) << "batch " << batch;
    StateLog again(store);
    again.load(version);
    ASSERT_EQ(contents(again), model) << "batch " << batch;
    // What is kept is of the order of what lives.
    std::uint64_t live = table.bytes() - table.garbage();
    EXPECT_LE(table.bytes(), 3 * live + (1 << 20));
    EXPECT_LE(version->pieces.size(), 64u);
  }
}

TEST(StateLog, RemovedKeysLeaveNothingBehind) {
  Store store(256 << 20, directory());
  StateLog table(store);
  table.load(nullptr);
  Model model;
  // Sessions come and go beside a few keys that stay.
  for (std::int64_t batch = 1; batch <= 600; ++batch) {
    Buffer changes;
    for (int i = 0; i < 50; ++i) change(changes, model, "s" + std::to_string(batch * 50 + i), std::string(100, 'v'), batch);
    for (int i = 0; batch > 10 && i < 50; ++i) remove(changes, model, "s" + std::to_string((batch - 10) * 50 + i), batch);
    if (batch == 1) change(changes, model, "stays", "1", batch);
    table.commit(changes.view());
  }
  EXPECT_EQ(contents(table), model);
  EXPECT_LE(table.bytes(), 1u << 20);
}

TEST(StateLog, IdleEntriesComeOldestFirst) {
  Store store(64 << 20, directory());
  StateLog table(store);
  table.load(nullptr);
  Model model;
  for (std::int64_t batch = 1; batch <= 30; ++batch) {
    Buffer changes;
    change(changes, model, "k" + std::to_string(batch), "v", batch);
    change(changes, model, "always", "v", batch);
    // Those idle for more than ten batches go.
    std::vector<std::string> idle;
    StateEntry entry;
    table.begin();
    while (table.nextIdle(batch - 10, entry)) idle.emplace_back(entry.key);
    if (batch > 11) EXPECT_EQ(idle, std::vector<std::string>{"k" + std::to_string(batch - 11)});
    else EXPECT_TRUE(idle.empty());
    for (const auto& key : idle) remove(changes, model, key, batch);
    table.commit(changes.view());
  }
  EXPECT_EQ(contents(table), model);
}

TEST(StateLog, DueEntriesComeInOrderOfTimeAndKey) {
  Store store(64 << 20, directory());
  StateLog table(store);
  table.load(nullptr);
  Model model;
  Buffer one;
  for (const char* key : {"c", "a", "b"}) change(one, model, key, "v", 20);
  change(one, model, "early", "v", 10);
  change(one, model, "never", "v", INT64_MAX);
  RowsPtr first = table.commit(one.view());
  auto due = [](StateLog& of, std::int64_t timeMs) {
    std::vector<std::string> keys;
    StateEntry entry;
    of.begin();
    while (of.nextDue(timeMs, entry)) keys.emplace_back(entry.key);
    return keys;
  };
  EXPECT_EQ(due(table, 9), std::vector<std::string>{});
  EXPECT_EQ(due(table, 20), (std::vector<std::string>{"early", "a", "b", "c"}));
  EXPECT_EQ(due(table, 20), (std::vector<std::string>{"early", "a", "b", "c"})) << "nothing was committed";
  Buffer two;
  remove(two, model, "early", 0);
  change(two, model, "a", "v", 30);
  change(two, model, "b", "v", 20);
  remove(two, model, "c", 0);
  RowsPtr second = table.commit(two.view());
  EXPECT_EQ(due(table, 29), std::vector<std::string>{"b"});
  EXPECT_EQ(due(table, 30), (std::vector<std::string>{"b", "a"}));
  StateLog again(store);
  again.load(second);
  EXPECT_EQ(due(again, 30), (std::vector<std::string>{"b", "a"}));
  again.load(first);
  EXPECT_EQ(due(again, 15), std::vector<std::string>{"early"});
}

TEST(StateLog, WorksWhenMemoryIsShort) {
  Store store(1 << 20, directory());
  StateLog table(store);
  table.load(nullptr);
  Model model;
  for (std::int64_t batch = 1; batch <= 20; ++batch) {
    Buffer changes;
    for (int i = 0; i < 2000; ++i) change(changes, model, std::to_string(batch * 1700 + i), std::string(80, char('a' + batch % 20)), batch);
    table.commit(changes.view());
  }
  EXPECT_GT(store.spilledBytes(), 0u);
  EXPECT_EQ(contents(table), model);
}

TEST(StateLog, DamagedRowsAreSaid) {
  Store store(64 << 20, directory());
  Buffer bytes;
  StateRow{"key", "value", 1, false}.append(bytes);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    auto rows = std::make_shared<Rows>();
    Buffer piece;
    piece.append(bytes.view().substr(0, cut));
    rows->add({store.put(ObjectKind::kState, Bytes::of(std::move(piece)), 1)});
    StateLog table(store);
    EXPECT_THROW(table.load(rows), Error) << cut;
  }
}

}  // namespace
}  // namespace sluice::executor
