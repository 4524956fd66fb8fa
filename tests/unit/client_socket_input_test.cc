// What socketStream and rawSocketStream make of bytes that come in any pieces, and of hostile ones.
#include "sluice/socket_input.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sluice/error.h"
#include "tests/unit/rows_sink.h"

namespace sluice {
namespace {

using Pair = std::pair<std::string, int>;

// A connection that gives at most `piece` bytes at a time.
class Text final : public ByteInput {
 public:
  Text(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  std::size_t most = 0;  // that was asked for at once

 private:
  std::size_t receive(char* to, std::size_t n) override {
    most = std::max(most, n);
    n = std::min({n, piece_, text_.size() - at_});
    text_.copy(to, n, at_);
    at_ += n;
    return n;
  }
  const std::string text_;
  const std::size_t piece_;
  std::size_t at_ = 0;
};

class Rows final : public RowsSink {
 public:
  void addRows(std::string_view rows, std::size_t n) override {
    RowReader in{rows.data(), rows.data() + rows.size()};
    for (std::size_t i = 0; i < n; ++i) records.push_back(Codec<Pair>::get(in));
  }
  std::vector<Pair> records;
};

std::string errorOf(const std::string& bytes) {
  Text in(bytes, 3);
  Rows rows;
  try {
    detail::takeRawBlocks(in, rows, *typeDesc<Pair>());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SocketInput, LinesComeWholeFromAnyPieces) {
  for (std::size_t piece : {1, 2, 5, 100}) {
    Text in("one\n\ntwo\nrest", piece);
    std::string line;
    std::vector<std::string> lines;
    while (in.readLine(line)) lines.push_back(line);
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two", "rest"}));
  }
}

TEST(SocketInput, BytesAfterALineAreNotLost) {
  Text in("head\nabcdef", 100);
  std::string line;
  char four[4];
  ASSERT_TRUE(in.readLine(line));
  ASSERT_TRUE(in.readExactly(four, 4));
  EXPECT_EQ(std::string(four, 4), "abcd");
  EXPECT_EQ(in.read(four, 4), 2u);
  EXPECT_FALSE(in.readExactly(four, 1));
}

TEST(SocketInput, ARecordCutInTheMiddleIsSaid) {
  Text in("abc", 100);
  char four[4];
  EXPECT_THROW(in.readExactly(four, 4), Error);
  Text endless(std::string(100, 'x'), 100);
  std::string line;
  EXPECT_THROW(endless.readLine(line, 10), Error);
}

TEST(RawSocket, TakesBlocksAsRawBlockMakesThem) {
  std::vector<Pair> one{{"a", 1}, {"bb", 2}}, none, many(1000, Pair("x", 7));
  std::string bytes = rawBlock(one) + rawBlock(none) + rawBlock(many);
  for (std::size_t piece : {1, 7, 100'000}) {
    Text in(bytes, piece);
    Rows rows;
    detail::takeRawBlocks(in, rows, *typeDesc<Pair>());
    ASSERT_EQ(rows.records.size(), 1002u);
    EXPECT_EQ(rows.records[1], Pair("bb", 2));
  }
}

// Else a handful of bytes has 64 MiB made and cleared, again and again.
TEST(RawSocket, RoomIsMadeAsTheBytesCome) {
  Text in(std::string("\3\0\0\0", 4) + std::string(300'000, 'x'), 100'000);
  Rows rows;
  EXPECT_THROW(detail::takeRawBlocks(in, rows, *typeDesc<Pair>()), Error);
  EXPECT_LE(in.most, 1u << 20);
  std::vector<Pair> large(20'000, Pair(std::string(50, 'y'), 1));
  Text whole(rawBlock(large), 1 << 20);
  detail::takeRawBlocks(whole, rows, *typeDesc<Pair>());
  EXPECT_EQ(rows.records.size(), large.size());
}

TEST(RawSocket, HostileBlocksAreRefused) {
  std::string good = rawBlock(std::vector<Pair>{{"a", 1}});
  EXPECT_EQ(errorOf(good), "");
  EXPECT_NE(errorOf(std::string("\xff\xff\xff\xff", 4)).find("was announced; blocks have 4 bytes to 64 MiB"), std::string::npos);
  EXPECT_NE(errorOf(std::string("\0\0\0\3", 4)).find("a block of 3 bytes was announced"), std::string::npos);
  EXPECT_NE(errorOf(good.substr(0, good.size() - 1)).find("ended in the middle"), std::string::npos);
  std::string more = good;
  more[7] = 2;  // one record more than there is
  EXPECT_NE(errorOf(more).find("a block is none of pair<string,int>"), std::string::npos) << errorOf(more);
  std::string fewer = good;
  fewer[7] = 0;
  EXPECT_NE(errorOf(fewer).find("left over"), std::string::npos);
}

}  // namespace
}  // namespace sluice
