// The block builder, its times, and the file planner, as tables.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "executor_fleet.h"
#include "worker/executor/blocks.h"
#include "worker/executor/planner.h"

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

std::vector<std::string> names(const std::vector<FileFacts>& files) {
  std::vector<std::string> found;
  for (const auto& file : files) found.push_back(file.path);
  return found;
}

TEST(FilePlanner, SparksRules) {
  using Names = std::vector<std::string>;
  const std::int64_t start = 100'000;
  FilePlanner planner({start, true, 1000, Seconds(60)}, {"restored"});
  std::vector<FileFacts> listing{{"old", start - 1, 1}, {"at-start", start, 1}, {"new", start + 500, 1}, {"future", start + 2000, 1}, {"restored", start + 400, 1}};
  EXPECT_EQ(names(planner.select(listing, start + 1000)), Names{"new"});
  EXPECT_EQ(names(planner.select(listing, start + 1000)), Names{});          // selected before
  EXPECT_EQ(names(planner.select(listing, start + 2000)), Names{"future"});  // its time has come
  listing[2].modifiedMs = start + 2500;                                      // appended to: ignored
  EXPECT_EQ(names(planner.select(listing, start + 3000)), Names{});
  // Out of the remember window: forgotten, but too old to be selected again.
  listing[2].modifiedMs = start + 500;
  EXPECT_EQ(names(planner.select(listing, start + 120'000)), Names{});
  listing[2].modifiedMs = start + 119'000;
  EXPECT_EQ(names(planner.select(listing, start + 121'000)), Names{"new"});
}

TEST(FilePlanner, OldFilesOnlyInsideTheWindow) {
  using Names = std::vector<std::string>;
  FilePlanner planner({100'000, false, 7000, Seconds(20)}, {});  // window: 3 whole intervals, 21 s
  std::vector<FileFacts> listing{{"inside", 93'000, 1}, {"edge", 86'000, 1}, {"outside", 85'000, 1}};
  EXPECT_EQ(names(planner.select(listing, 107'000)), Names{"inside"});
  FilePlanner wider({100'000, false, 7000, Seconds(22)}, {});
  EXPECT_EQ(names(wider.select(listing, 107'000)), (Names{"inside", "edge", "outside"}));
}

TEST(FilePlanner, Listing) {
  TemporaryFolder folder;
  for (const char* sub : {"/day-1", "/day-2", "/other"}) std::filesystem::create_directory(folder.path() + sub);
  for (const char* name : {"/day-1/b", "/day-1/a", "/day-1/.hidden", "/day-2/c", "/other/d"}) std::ofstream(folder.path() + name) << "text";
  std::filesystem::create_directory(folder.path() + "/day-1/folder");
  auto plain = listFiles(folder.path() + "/day-1");
  EXPECT_EQ(plain.warning, "");
  EXPECT_EQ(names(plain.files), (std::vector<std::string>{folder.path() + "/day-1/a", folder.path() + "/day-1/b"}));
  EXPECT_EQ(plain.files[0].bytes, 4u);
  EXPECT_EQ(names(listFiles(folder.path() + "/day-*").files).size(), 3u);
  EXPECT_NE(listFiles(folder.path() + "/none").warning.find("No such file"), std::string::npos);
  EXPECT_NE(listFiles(folder.path() + "/none*").warning, "");
}

}  // namespace
}  // namespace sluice::executor::testing
