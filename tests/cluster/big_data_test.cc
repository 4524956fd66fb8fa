// Sorting and grouping of data many times larger than the memory of those who do it: executors of 64 MB. The data is made inside the tasks.
// SLUICE_BIG_DATA_MB says how much; ctest takes less than the 2048 it was accepted on.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/executor_entry.h"
#include "sluice/sluice.h"
#include "tests/cluster/peak_memory.h"
#include "tests/cluster/program.h"

namespace sluice::testing {
namespace {

constexpr std::uint64_t kBudgetMb = 64, kBesideMb = 80;  // beside: pages of libraries (16 MB), threads, and what malloc keeps
constexpr std::int64_t kRecordBytes = 104;  // of a Record, encoded
using Record = std::pair<std::int64_t, std::string>;

std::int64_t records() {
  const char* megabytes = std::getenv("SLUICE_BIG_DATA_MB");
  std::int64_t mb = megabytes ? std::atoll(megabytes) : 384 / SLUICE_TEST_SCALE;
  return mb * (1 << 20) / kRecordBytes;
}

constexpr std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}
// A text of 95 characters that only `x` gives.
std::string textOf(std::uint64_t x) {
  std::string text(95, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 8 == 0) x = mixed(x + 0x9e3779b97f4a7c15ull);
    text[i] = char('a' + (x >> (8 * (i % 8))) % 23);
  }
  return text;
}
std::uint64_t hashOf(std::string_view text) {
  std::uint64_t h = text.size();
  for (std::size_t i = 0; i + 8 <= text.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    h = mixed(h + word);
  }
  return h;
}

// What a partition held, for checking without bringing it here.
struct Seen {
  std::int64_t count = 0, first = 0, last = 0;
  std::uint64_t sum = 0;  // of hashes: the order does not matter
  bool ordered = true;
  SLUICE_FIELDS(Seen, count, first, last, sum, ordered)
};
Seen look(Iterator<Record>& records) {
  Seen seen;
  for (const auto& [key, text] : records) {
    if (seen.count++ == 0) seen.first = key;
    else seen.ordered = seen.ordered && seen.last <= key;
    seen.last = key;
    seen.sum += mixed(std::uint64_t(key)) ^ hashOf(text);
  }
  return seen;
}
std::vector<Seen> lookAt(const RDD<Record>& rdd) {
  return rdd.mapPartitions([](Iterator<Record>& records) { return std::vector<Seen>{look(records)}; }).collect();
}
Seen total(const std::vector<Seen>& parts) {
  Seen all;
  for (const Seen& part : parts) all.count += part.count, all.sum += part.sum;
  return all;
}

class BigData : public ::testing::Test {
 protected:
  BigData() : n_(records()) {
    if (const char* outer = std::getenv("TMPDIR")) outer_ = outer;
    ::setenv("TMPDIR", folder_.path().c_str(), 1);
    ::setenv("XDG_CACHE_HOME", folder_.path("cache").c_str(), 1);
    std::string master = SLUICE_TEST_SCALE == 1 ? "local-cluster[3,1," + std::to_string(kBudgetMb) + "]" : "local[2]";
    context_.emplace(Conf().setAppName("big_data_test").setMaster(master));
    memory_.emplace(folder_.path());  // their folders lie in it
    started_ = std::chrono::steady_clock::now();
  }
  ~BigData() override {
    memory_->stop();
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
    context_.reset();
    if (outer_) ::setenv("TMPDIR", outer_->c_str(), 1);
    else ::unsetenv("TMPDIR");  // the next test's folder does not lie in this one's
    std::printf("%lld MB in %.1f s\n", static_cast<long long>(n_ * kRecordBytes >> 20), seconds);
    memory_->print();
    if (SLUICE_TEST_SCALE == 1) memory_->expectAtMost(kBudgetMb + kBesideMb, 3);
  }

  // n records in random order, whose keys are 0 … keys - 1; each key n / keys times.
  RDD<Record> made(std::int64_t n, std::int64_t keys, int partitions = 12) const {
    return context_->range(0, n, 1, partitions).map([keys](std::int64_t i) {
      return Record(std::int64_t(mixed(std::uint64_t(i % keys)) >> 1), textOf(std::uint64_t(i)));
    });
  }
  static void checkOrder(const std::vector<Seen>& parts) {
    std::int64_t last = INT64_MIN;
    for (const Seen& part : parts) {
      EXPECT_TRUE(part.ordered);
      if (part.count == 0) continue;
      EXPECT_LE(last, part.first);
      last = part.last;
    }
  }
  static void expectSame(const std::vector<Seen>& got, const std::vector<Seen>& want) {
    EXPECT_EQ(total(got).count, total(want).count);
    EXPECT_EQ(total(got).sum, total(want).sum);
  }
  Partitioner<std::int64_t> own() const {
    return {7, [](std::int64_t key) { return std::uint64_t(key) % 7; }};
  }

  std::optional<std::string> outer_;  // TMPDIR
  TestFolder folder_;
  const std::int64_t n_;
  std::optional<Context> context_;
  std::optional<PeakMemory> memory_;
  std::chrono::steady_clock::time_point started_;
};

TEST_F(BigData, SortBy) {
  auto rdd = made(n_, n_);
  auto parts = lookAt(rdd.sortBy([](const Record& record) { return record.first; }));
  checkOrder(parts);
  expectSame(parts, lookAt(rdd));
}

TEST_F(BigData, SortByKeyDescending) {
  auto rdd = made(n_, n_ / 3);
  auto parts = lookAt(rdd.sortByKey(false, 6).map([](Record&& record) { return Record(-record.first, std::move(record.second)); }));
  checkOrder(parts);
  EXPECT_EQ(total(parts).count, n_);
}

TEST_F(BigData, RepartitionAndSortWithinPartitions) {
  auto rdd = made(n_, n_ / 3);
  auto parts = lookAt(rdd.repartitionAndSortWithinPartitions(own()));
  EXPECT_EQ(parts.size(), 7u);
  for (const Seen& part : parts) EXPECT_TRUE(part.ordered);
  expectSame(parts, lookAt(rdd));
}

// Twenty values a key: nothing becomes smaller.
TEST_F(BigData, GroupByKey) {
  std::int64_t keys = n_ / 20;
  for (bool byOwn : {false, true}) {
    auto rdd = made(20 * keys, keys);
    auto groups = byOwn ? rdd.groupByKey(own()) : rdd.groupByKey(6);
    auto checked = groups.map([](const std::pair<std::int64_t, std::vector<std::string>>& group) {
      std::uint64_t sum = 0;
      for (const auto& text : group.second) sum += mixed(std::uint64_t(group.first)) ^ hashOf(text);
      return Seen{std::int64_t(group.second.size()), 1, 0, sum, group.second.size() == 20};
    });
    Seen all = checked.reduce([](Seen a, const Seen& b) { return Seen{a.count + b.count, a.first + b.first, 0, a.sum + b.sum, a.ordered && b.ordered}; });
    EXPECT_EQ(all.first, keys);
    EXPECT_TRUE(all.ordered) << "every group is whole";
    expectSame({all}, lookAt(rdd));
  }
}

// Four values a key: the tables hold most of the data.
TEST_F(BigData, ReduceByKey) {
  std::int64_t keys = n_ / 4;
  auto reduced = made(4 * keys, keys).reduceByKey([](std::string a, const std::string& b) { return a < b ? b : std::move(a); }, 6);
  auto greatest = context_->range(0, keys, 1, 12).map([keys](std::int64_t i) {
    std::string most;
    for (int k = 0; k < 4; ++k) most = std::max(most, textOf(std::uint64_t(i + k * keys)));
    return Record(std::int64_t(mixed(std::uint64_t(i)) >> 1), most);
  });
  expectSame(lookAt(reduced), lookAt(greatest));
}

TEST_F(BigData, Distinct) {
  std::int64_t different = n_ / 4;
  auto rdd = context_->range(0, 4 * different, 1, 12).map([different](std::int64_t i) { return textOf(std::uint64_t(i % different)); });
  EXPECT_EQ(rdd.distinct(6).count(), different);
}

TEST_F(BigData, Join) {
  std::int64_t keys = n_ / 4;
  auto left = made(2 * keys, keys);
  auto right = made(2 * keys, keys).mapValues([](const std::string& text) { return hashOf(text); });
  for (bool byOwn : {false, true}) {
    auto joined = byOwn ? left.join(right, own()) : left.join(right, 6);
    EXPECT_EQ(joined.count(), 4 * keys);
  }
}

// Neither side is exchanged for the join: what lies beneath is read in the join's own passes.
TEST_F(BigData, JoinOfWhatLiesTheSameWay) {
  std::int64_t keys = n_ / 4;
  auto calls = context_->longAccumulator();
  auto left = made(2 * keys, keys).partitionBy(own()).mapValues([calls](const std::string& text) {
    calls.add(1);
    return text + "!";
  });
  auto right = made(2 * keys, keys).reduceByKey([](std::string a, const std::string&) { return a; }, own());
  auto joined = left.join(right);
  EXPECT_EQ(detail::exchangesOf(joined.node()), 2u);
  EXPECT_EQ(joined.count(), 2 * keys);
  EXPECT_EQ(calls.value(), 2 * keys) << "each record went through once";
}

TEST_F(BigData, CogroupAndSubtract) {
  std::int64_t keys = n_ / 4;
  auto left = made(2 * keys, keys), right = made(keys, keys);
  auto groups = left.cogroup(right, 6).map([](const auto& group) { return std::pair(group.second.first.size(), group.second.second.size()); });
  EXPECT_EQ(groups.filter([](const std::pair<std::size_t, std::size_t>& sizes) { return sizes.first == 2 && sizes.second == 1; }).count(), keys);
  auto half = made(keys, keys).filter([](const Record& record) { return record.first % 2 == 0; });
  auto rest = lookAt(left.subtractByKey(half, 6));
  auto want = lookAt(left.filter([](const Record& record) { return record.first % 2 != 0; }));
  expectSame(rest, want);
}

TEST_F(BigData, CartesianWithALargeRightSide) {
  std::int64_t n = n_ / 8;
  auto right = made(n, n, 3);
  auto pairs = context_->range(0, 4, 1, 2).cartesian(right);
  EXPECT_EQ(pairs.count(), 4 * n);
}

// All values under one key: that cannot be, and is said.
TEST_F(BigData, ValuesOfOneKeyThatDoNotFit) {
  auto groups = made(std::max<std::int64_t>(n_, 200'000'000 / kRecordBytes), 1).groupByKey(3);
  if (SLUICE_TEST_SCALE != 1) return;
  try {
    groups.count();
    FAIL() << "200 MB in one group of an executor of 64 MB";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the values of one key do not fit into the executor's memory"), std::string::npos) << error.what();
  }
  EXPECT_EQ(context_->range(0, 10).count(), 10);
}

}  // namespace
}  // namespace sluice::testing

int main(int argc, char** argv) {
  sluice::runIfExecutor(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
