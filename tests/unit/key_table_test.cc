// The combiners' table against std::map, over all kinds of keys.
#include "sluice/key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sluice {
namespace {

// Feeds the same random keys to the table and to a map, and compares values and order of insertion.
template <class K, class MakeKey> void compare(MakeKey makeKey, int rounds) {
  auto seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  KeyTable<K, std::vector<int>> table;
  std::map<K, std::pair<std::size_t, std::vector<int>>> expected;
  for (int i = 0; i < rounds; ++i) {
    K key = makeKey(random);
    expected.try_emplace(key, std::pair(expected.size(), std::vector<int>())).first->second.second.push_back(i);
    table.upsert(
        key, [&] { return std::vector<int>{i}; }, [&](std::vector<int>& values) { values.push_back(i); });
  }
  ASSERT_EQ(table.size(), expected.size());
  for (auto& [key, entry] : expected) {
    EXPECT_EQ(table.key(entry.first), key);
    EXPECT_EQ(table.value(entry.first), entry.second);
  }
  EXPECT_GT(table.memory(), table.size() * sizeof(std::vector<int>));
  table.clear();
  EXPECT_TRUE(table.empty());
  table[makeKey(random)].push_back(1);
  EXPECT_EQ(table.size(), 1u);
}

std::string randomText(std::mt19937_64& random, std::size_t longest, int letters) {
  std::string text(random() % (longest + 1), 'a');
  for (char& c : text) c = char('a' + random() % letters);
  return text;
}

TEST(KeyTable, ShortText) { compare<std::string>([](auto& r) { return randomText(r, 5, 3); }, 20000); }
TEST(KeyTable, TextAroundTheInlineSize) { compare<std::string>([](auto& r) { return randomText(r, 40, 2) + std::string(r() % 3, '\0'); }, 20000); }
TEST(KeyTable, LongText) { compare<std::string>([](auto& r) { return std::string(5000, 'x') + std::to_string(r() % 300); }, 3000); }
TEST(KeyTable, Int32) { compare<std::int32_t>([](auto& r) { return std::int32_t(r() % 3 ? r() % 5000 : r()); }, 30000); }
TEST(KeyTable, Int64) { compare<std::int64_t>([](auto& r) { return std::int64_t(r() % 5000) << 40; }, 30000); }
TEST(KeyTable, Int8) { compare<std::int8_t>([](auto& r) { return std::int8_t(r()); }, 3000); }
TEST(KeyTable, UInt16) { compare<std::uint16_t>([](auto& r) { return std::uint16_t(r()); }, 100000); }
TEST(KeyTable, Bool) { compare<bool>([](auto& r) { return r() % 2 == 0; }, 100); }
enum class Colour { kRed, kGreen, kBlue };
TEST(KeyTable, Enum) { compare<Colour>([](auto& r) { return Colour(r() % 3); }, 100); }
TEST(KeyTable, Double) { compare<double>([](auto& r) { return double(r() % 1000) / 8; }, 5000); }
TEST(KeyTable, Pair) { compare<std::pair<int, std::string>>([](auto& r) { return std::pair(int(r() % 10), randomText(r, 30, 2)); }, 20000); }
TEST(KeyTable, Tuple) {
  compare<std::tuple<std::optional<int>, std::vector<std::string>>>(
      [](auto& r) {
        using Maybe = std::optional<int>;
        return std::tuple(r() % 2 ? Maybe(r() % 3) : Maybe(), std::vector<std::string>(r() % 3, randomText(r, 100, 2)));
      },
      5000);
}

TEST(KeyTable, ViewsFindOwnedKeys) {
  KeyTable<std::string, long> table;
  table[std::string_view("a")] += 1;
  table[std::string("a")] += 1;
  table[std::string_view("a much longer key than sixteen bytes")] += 1;
  table[std::string("a much longer key than sixteen bytes")] += 1;
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.value(0), 2);
  EXPECT_EQ(table.value(1), 2);
}

TEST(KeyTable, ZeroesAndNansAreOneKey) {
  KeyTable<double, int> table;
  ++table[0.0], ++table[-0.0], ++table[std::numeric_limits<double>::quiet_NaN()], ++table[-std::numeric_limits<double>::quiet_NaN()];
  EXPECT_EQ(table.size(), 2u);
}

TEST(KeyTable, AThrowingValueLeavesNoKey) {
  KeyTable<std::string, std::string> table;
  auto fresh = []() -> std::string { throw 1; };
  auto found = [](std::string&) {};
  EXPECT_THROW(table.upsert(std::string("a"), fresh, found), int);
  EXPECT_TRUE(table.empty());
  table[std::string("a")] = "x";
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace sluice
