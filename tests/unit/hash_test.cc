// The frozen hash: equal to libxxhash's, and to what it was when it was frozen.
#include "sluice/hash.h"

#include <gtest/gtest.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace sluice {
namespace {

TEST(Hash, EqualsXxh3ForAllLengths) {
  std::mt19937_64 random(7);
  for (std::size_t size = 0; size <= 300; ++size) {
    for (int round = 0; round < 20; ++round) {
      std::string bytes(size, 0);
      for (char& c : bytes) c = char(random());
      std::unique_ptr<char[]> exact(new char[size]);  // so that ASan sees reads past the end
      std::copy(bytes.begin(), bytes.end(), exact.get());
      EXPECT_EQ(hashBytes(exact.get(), size), XXH3_64bits(bytes.data(), size)) << size;
    }
  }
}

TEST(Hash, OfKeys) {
  EXPECT_EQ(keyHash(std::string("hello")), XXH3_64bits("hello", 5));
  EXPECT_EQ(keyHash(std::string_view("hello")), keyHash(std::string("hello")));
  std::int32_t number = -5;
  EXPECT_EQ(keyHash(number), XXH3_64bits(&number, 4));
  std::int64_t large = 1234567890123;
  EXPECT_EQ(keyHash(large), XXH3_64bits(&large, 8));
  EXPECT_EQ(keyHash(std::pair(std::string("ab"), 1)), keyHash(std::pair(std::string_view("ab"), 1)));
  EXPECT_EQ(keyHash(std::pair(std::string("ab"), std::uint8_t(1))), XXH3_64bits("\2ab\1", 4));
  EXPECT_NE(keyHash(std::pair(std::string("a"), std::string("bc"))), keyHash(std::pair(std::string("ab"), std::string("c"))));
}

TEST(Hash, OfFloats) {
  EXPECT_EQ(keyHash(0.0), keyHash(-0.0));
  EXPECT_EQ(keyHash(std::numeric_limits<double>::quiet_NaN()), keyHash(-std::nan("7")));
  EXPECT_EQ(keyHash(std::vector<float>{0.f, 1.f}), keyHash(std::vector<float>{-0.f, 1.f}));
  EXPECT_NE(keyHash(1.0), keyHash(-1.0));
}

// Keys that were placed once must be found again: these numbers never change.
TEST(Hash, Golden) {
  EXPECT_EQ(keyHash(std::string("")), 0x2d06800538d394c2u);
  EXPECT_EQ(keyHash(std::string("the")), XXH3_64bits("the", 3));
  EXPECT_EQ(keyHash(std::string("the")), 0xcb1283631cf33d7du);
  EXPECT_EQ(keyHash(42), 0x2132b64814a1ad5du);
  EXPECT_EQ(keyHash(std::int64_t(42)), 0xd5a6f8c838df27c8u);
  EXPECT_EQ(keyHash(std::pair(std::string("word"), std::int64_t(1))), 0xdd87758daf6c5be2u);
  EXPECT_EQ(keyHash(std::tuple(std::optional<int>(3), std::vector<std::string>{"a", ""}, 2.5)), 0x4b64572f67237779u);
  EXPECT_EQ(keyHash(std::string("a key that is longer than sixteen bytes")), 0x5b31b4ade7cbf01eu);
}

TEST(Hash, SpreadsOverGroups) {
  std::map<std::uint64_t, int> groups;
  for (int i = 0; i < 102400; ++i) ++groups[keyHash(i * 1024) >> 54];
  EXPECT_EQ(groups.size(), 1024u);
  for (auto [group, count] : groups) EXPECT_LT(count, 170) << group;
}

}  // namespace
}  // namespace sluice
