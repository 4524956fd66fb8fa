// The block builder and its times, as tables.
#include <gtest/gtest.h>

#include "executor_fleet.h"
#include "worker/executor/blocks.h"

namespace sluice::executor::testing {
namespace {

std::vector<std::string> taken(BlockBuilder& builder) {
  std::vector<std::string> blocks;
  for (const CutBlock& block : builder.take()) blocks.emplace_back(block.bytes.view());
  return blocks;
}
using Blocks = std::vector<std::string>;

TEST(BlockBuilder, AnIncompleteLineGoesIntoTheNextBlock) {
  BlockBuilder builder;
  builder.addText("one\ntw");
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{"one\n"});
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{});
  builder.addText("o\nthree");
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{"two\n"});
  builder.endText();
  builder.endText();
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{"three\n"});
  builder.endText();
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{});
}

TEST(BlockBuilder, CountsTheLinesOfABlock) {
  BlockBuilder builder;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(std::size_t(i % 3), 'x') + "\n";
  builder.addText(text + "rest");
  builder.cut();
  auto done = builder.take();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].rows, 1000u);
  builder.endText();
  builder.cut();
  EXPECT_EQ(builder.take()[0].rows, 1u);
}

TEST(BlockBuilder, CutsBySize) {
  BlockBuilder builder({.rowsBytes = 8, .textBytes = 8, .lineBytes = 32});
  builder.addText("1234\n123");
  EXPECT_EQ(taken(builder), Blocks{});
  builder.addText("4\n5");
  EXPECT_EQ(taken(builder), Blocks{"1234\n1234\n"});
  builder.addText(std::string(40, 'x'));  // longer than any line may be
  builder.addText("\n");
  builder.cut();
  std::string joined;
  for (const std::string& block : taken(builder)) joined += block;
  EXPECT_EQ(joined, "5" + std::string(40, 'x') + "\n");
}

TEST(BlockBuilder, CutsRowsBySize) {
  BlockBuilder builder({.rowsBytes = 8});
  builder.addRows("aaaa", 1);
  builder.addRows("bbbbb", 2);
  builder.addRows("c", 1);
  auto done = builder.take();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].rows, 3u);
  EXPECT_FALSE(done[0].text);
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{"c"});
}

TEST(BlockBuilder, RoomStaysWhereItIsWhenABlockIsCut) {
  BlockBuilder builder;
  builder.addText("one\ntwo\nth");
  std::size_t size = 0;
  char* room = builder.textSpace(16, size);
  ASSERT_GE(size, 16u);
  builder.cut();  // while somebody reads into the room
  EXPECT_EQ(taken(builder), Blocks{"one\ntwo\n"});
  std::memcpy(room, "ree\nf", 5);
  builder.textRead(5);
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{"three\n"});
  room = builder.textSpace(16, size);
  std::memcpy(room, "our\n", 4);
  builder.textRead(4);
  builder.cut();
  EXPECT_EQ(taken(builder), Blocks{"four\n"});
}

// The reader asks for room again before the line that came after a cut is cut itself.
TEST(BlockBuilder, ALineIsWholeAlsoAfterACutWhileItWasRead) {
  BlockBuilder builder;
  std::size_t size = 0;
  builder.addText("one\ntw");
  char* room = builder.textSpace(8, size);
  builder.cut();
  std::memcpy(room, "o\n", 2);
  builder.textRead(2);
  builder.textSpace(8, size);
  builder.textRead(0);
  builder.cut();
  EXPECT_EQ(taken(builder), (Blocks{"one\n", "two\n"})) << "not one block later";
  room = builder.textSpace(8, size);
  std::memcpy(room, "a\nb", 3);
  builder.textRead(3);
  builder.textSpace(8, size);
  builder.cut();
  builder.textRead(0);
  room = builder.textSpace(8, size);
  *room = '\n';
  builder.textRead(1);
  builder.endText();
  builder.cut();
  EXPECT_EQ(taken(builder), (Blocks{"a\n", "b\n"})) << "and without an empty line at the end";
}

TEST(BlockTimes, IntervalAndGrid) {
  auto at = [](std::int64_t ms) { return Moment::of(Time(ms)); };
  BlockTimes times(1000, 500, Milliseconds(200), at(600));
  struct Row {
    std::int64_t nowMs;
    bool cut;
    std::int64_t sealed, nextMs;
  };
  for (const Row& row : std::vector<Row>{{700, false, 0, 800},
                                         {800, true, 0, 1000},
                                         {1000, true, 1000, 1200},
                                         {1201, true, 0, 1401},
                                         {1400, false, 0, 1401},
                                         {1401, true, 0, 1500},
                                         {2600, true, 2500, 2800}}) {  // held up: one seal for all that passed
    auto due = times.at(at(row.nowMs));
    EXPECT_EQ(due.cut, row.cut) << row.nowMs;
    EXPECT_EQ(due.sealedMs, row.sealed) << row.nowMs;
    EXPECT_EQ(times.next(), at(row.nextMs)) << row.nowMs;
  }
  // Never longer than the batch interval.
  BlockTimes often(1000, 10, Milliseconds(200), at(995));
  EXPECT_EQ(often.next(), at(1000));
  often.at(at(1000));
  EXPECT_EQ(often.next(), at(1010));
}

}  // namespace
}  // namespace sluice::executor::testing
