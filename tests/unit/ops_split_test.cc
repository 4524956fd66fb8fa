// split as Java's String.split.
#include <gtest/gtest.h>

#include <random>

#include "sluice/split.h"

namespace sluice {
namespace {

std::vector<std::string> pieces(std::string_view text, char at) {
  std::vector<std::string> all;
  for (std::string_view piece : split(text, at)) all.emplace_back(piece);
  return all;
}

std::vector<std::string> javaSplit(std::string_view text, char at) {
  std::vector<std::string> all(1);
  for (char c : text) {
    if (c == at) all.emplace_back();
    else all.back() += c;
  }
  if (all.size() == 1) return all;  // not found: the text itself, also if empty
  while (!all.empty() && all.back().empty()) all.pop_back();
  return all;
}

using Pieces = std::vector<std::string>;

TEST(Split, AsJava) {
  EXPECT_EQ(pieces("a b c", ' '), (Pieces{"a", "b", "c"}));
  EXPECT_EQ(pieces("", ' '), (Pieces{""}));
  EXPECT_EQ(pieces(" ", ' '), Pieces());
  EXPECT_EQ(pieces("   ", ' '), Pieces());
  EXPECT_EQ(pieces(" a  b ", ' '), (Pieces{"", "a", "", "b"}));
  EXPECT_EQ(pieces("abc", ' '), (Pieces{"abc"}));
}

TEST(Split, Random) {
  auto seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::string space(4096, ' ');
  for (int round = 0; round < 20000; ++round) {
    std::size_t from = random() % 64, size = random() % 200;
    int rarely = int(random() % 12) + 1;
    for (char& c : space) c = random() % rarely == 0 ? ' ' : char('a' + random() % 26);
    std::string_view text = std::string_view(space).substr(from, size);
    auto expected = javaSplit(text, ' ');
    EXPECT_EQ(pieces(text, ' '), expected);
    // In gulps of any size.
    Split range = split(text, ' ');
    std::vector<std::string> all;
    std::string_view out[7];
    for (;;) {
      std::size_t room = random() % 7 + 1, n = range.take(out, room);
      for (std::size_t i = 0; i < n; ++i) all.emplace_back(out[i]);
      if (n < room) break;
    }
    EXPECT_EQ(all, expected);
    if (round > 500) round += 20;
  }
}

template <class T> constexpr bool kSplits = requires(T&& text) { split(std::forward<T>(text), ' '); };
static_assert(kSplits<std::string> && kSplits<const std::string&> && kSplits<std::string_view> && !kSplits<std::string&>);

TEST(Split, OfTemporariesOwnsItsPieces) {
  auto words = split(std::string("a b"), ' ');
  static_assert(std::is_same_v<decltype(words), std::vector<std::string>>);
  EXPECT_EQ(words, (Pieces{"a", "b"}));
}

}  // namespace
}  // namespace sluice
