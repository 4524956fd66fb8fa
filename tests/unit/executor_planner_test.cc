// File streams: which files belong to a batch, how they are read, and what the planner of an executor tells the master.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "executor_fleet.h"
#include "sluice/ops/filter.h"
#include "worker/executor/path_filter.h"
#include "worker/executor/planner.h"

namespace sluice::executor::testing {
namespace {

using Names = std::vector<std::string>;

Names names(const std::vector<FileFacts>& files) {
  Names found;
  for (const auto& file : files) found.push_back(file.path);
  return found;
}

TEST(FilePlanner, NewFilesAreNewerThanTheStreamAndNotAfterTheBatch) {
  const std::int64_t start = 100'000;
  FilePlanner planner({start, true, 1000, 60'000}, {});
  std::vector<FileFacts> listing{{"old", start - 1, 1}, {"at-start", start, 1}, {"new", start + 500, 1}, {"future", start + 2000, 1}};
  EXPECT_EQ(names(planner.select(listing, start + 1000)), Names{"new"});
  EXPECT_EQ(names(planner.select(listing, start + 1000)), Names{}) << "selected before";
  EXPECT_EQ(names(planner.select(listing, start + 2000)), Names{"future"}) << "its time has come";
}

TEST(FilePlanner, LaterChangesOfAFileAreIgnoredWithinTheWindow) {
  FilePlanner planner({100'000, true, 1000, 60'000}, {});
  std::vector<FileFacts> listing{{"log", 100'500, 1}};
  for (std::int64_t t = 101'000; t <= 300'000; t += 1000) {
    if (t == 103'000 || t == 150'000) listing[0].modifiedMs = t - 500;
    if (t == 250'000) listing[0].modifiedMs = 249'500;
    // Out of the window it is forgotten, and too old; changed after that it is a new file. (Spark selects it again when the selection is out of
    // the window and the change is not.)
    EXPECT_EQ(names(planner.select(listing, t)), t == 101'000 || t == 250'000 ? Names{"log"} : Names{}) << t;
  }
}

TEST(FilePlanner, TheWindowIsWholeBatches) {
  FilePlanner planner({100'000, false, 7000, 20'000}, {});  // 3 intervals, 21 s
  std::vector<FileFacts> listing{{"inside", 93'000, 1}, {"edge", 86'000, 1}, {"outside", 85'000, 1}};
  EXPECT_EQ(names(planner.select(listing, 107'000)), Names{"inside"});
  FilePlanner wider({100'000, false, 7000, 22'000}, {});
  EXPECT_EQ(names(wider.select(listing, 107'000)), (Names{"inside", "edge", "outside"}));
}

// After a restart: what earlier incarnations selected, and since when nobody looked.
TEST(FilePlanner, FilesOfBatchesThatWereMissedAreStillFound) {
  FilePlannerOptions options{100'000, true, 1000, 60'000, 500'000};
  FilePlanner planner(options, {{"selected", 499'000}, {"long ago", 400'000}});
  std::vector<FileFacts> listing{{"selected", 498'500, 1}, {"long ago", 399'500, 1}, {"down", 700'000, 1}, {"now", 999'500, 1}};
  EXPECT_EQ(names(planner.select(listing, 1'000'000)), (Names{"down", "now"})) << "the stream was down for 500 s";
  EXPECT_EQ(names(planner.select(listing, 1'001'000)), Names{});
  listing.push_back({"late", 800'000, 1});
  EXPECT_EQ(names(planner.select(listing, 1'002'000)), Names{}) << "the window is as ever again";
}

TEST(FilePlanner, SeenFilesAreForgottenByTheirOwnBatch) {
  FilePlannerOptions options{100'000, true, 1000, 60'000, 900'000};
  FilePlanner planner(options, {{"a", 899'000}});
  // Long after the beginning of the stream, and yet not selected a second time.
  EXPECT_EQ(names(planner.select({{"a", 898'500, 1}}, 901'000)), Names{});
}

TEST(ListFiles, DirectoriesAndGlobs) {
  TemporaryFolder folder;
  for (const char* sub : {"/day-1", "/day-2", "/other"}) std::filesystem::create_directory(folder.path() + sub);
  for (const char* name : {"/day-1/b", "/day-1/a", "/day-1/.hidden", "/day-1/_SUCCESS", "/day-2/c", "/other/d"}) std::ofstream(folder.path() + name) << "text";
  std::filesystem::create_directory(folder.path() + "/day-1/folder");
  std::ofstream(folder.path() + "/day-1/folder/below") << "text";
  auto plain = listFiles(folder.path() + "/day-1");
  EXPECT_EQ(plain.warning, "");
  EXPECT_EQ(names(plain.files), (Names{folder.path() + "/day-1/a", folder.path() + "/day-1/b"}));
  EXPECT_EQ(plain.files[0].bytes, 4u);
  EXPECT_EQ(names(listFiles(folder.path() + "/day-1", true).files).size(), 4u) << "for a filter of the application";
  EXPECT_EQ(names(listFiles(folder.path() + "/day-*").files).size(), 3u);
  EXPECT_NE(listFiles(folder.path() + "/none").warning.find("No such file"), std::string::npos);
  EXPECT_EQ(listFiles(folder.path() + "/none*").warning, "nothing matches " + folder.path() + "/none*");
  EXPECT_EQ(listFiles(folder.path() + "/other/d").warning, folder.path() + "/other/d is no directory");
}

TEST(InputsOf, LongFilesAreSharedUnlessTheyAreCompressed) {
  proto::Source lines, records;
  records.set_format(proto::FORMAT_RECORDS), records.set_record_bytes(1000);
  auto large = inputsOf({"/d/log", 0, 200 << 20}, lines);
  ASSERT_EQ(large.size(), 4u);
  EXPECT_EQ(large[0].file().from(), 0);
  for (std::size_t i = 0; i < large.size(); ++i) {
    EXPECT_EQ(large[i].file().to(), i + 1 < large.size() ? large[i + 1].file().from() : 200 << 20);
    EXPECT_TRUE(large[i].text());
  }
  EXPECT_EQ(inputsOf({"/d/log.gz", 0, 200 << 20}, lines).size(), 1u);
  EXPECT_EQ(inputsOf({"/d/log.zst", 0, 200 << 20}, lines)[0].file().to(), 0) << "to its end, wherever that is";
  EXPECT_EQ(inputsOf({"/d/empty", 0, 0}, lines).size(), 1u) << "a partition, as for any other file";
  auto fixed = inputsOf({"/d/x.gz", 0, 100'000'000}, records);
  ASSERT_EQ(fixed.size(), 2u);
  EXPECT_EQ(fixed[1].file().from() % 1000, 0);
  EXPECT_EQ(fixed[0].records() + fixed[1].records(), 100'000u);
  EXPECT_EQ(inputsOf({"/d/x", 0, 100'000'001}, records).size(), 1u) << "whoever reads it says what is wrong";
}

auto onlyCsv = [](std::string_view path) { return path.ends_with(".csv"); };
auto throwing = [](std::string_view path) -> bool { throw std::runtime_error("cannot decide on " + std::string(path)); };
template <class F> OpRef filterOf(F f) { return ops::Filter<std::string_view, F>::of(f); }

TEST(FilterFiles, KeepsWhatTheFunctionLetsPass) {
  OpRef filter = filterOf(onlyCsv);
  EXPECT_EQ(names(filterFiles(*filter.desc, filter.captures, {{"/d/a.csv"}, {"/d/b.txt"}, {"/d/.c.csv"}})), (Names{"/d/a.csv", "/d/.c.csv"}));
  OpRef bad = filterOf(throwing);
  EXPECT_THROW(filterFiles(*bad.desc, bad.captures, {{"/d/a.csv"}}), std::runtime_error);
}

// An executor with a planner on one directory, its clock and its disk thread in the hands of the test.
class Planning : public ::testing::Test {
 protected:
  Planning() : fleet(1) {}
  void start(const OpRef* filter = nullptr, std::string directory = "") {
    PlanMaker plan;
    auto& source = plan.add<std::string_view>(proto::NODE_SOURCE, "textFileStream");
    source.mutable_source()->set_kind(proto::SOURCE_FILES);
    source.set_slide_ms(1000);
    if (filter) {
      *source.mutable_op() = codeAt(filter->desc);
      plan.captures().set_nodes(0, filter->captures);
    }
    plan.output(source, proto::OUTPUT_RESULTS);
    fleet.install(plan, 2);
    auto [envelope, start] = compose(&proto::Message::mutable_start_receiver);
    start->set_node(1), start->set_incarnation(1), start->set_template_hash(7);
    start->set_zero_ms(1'000'000), start->set_interval_ms(1000), start->set_next_seal_ms(1'001'000);
    start->mutable_source()->set_kind(proto::SOURCE_FILES), start->mutable_source()->set_remember_ms(60'000);
    start->mutable_source()->set_directory(directory.empty() ? folder.path() : directory), start->mutable_source()->set_text(true);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    fleet.toMaster.clear();
  }
  void put(const std::string& name, std::int64_t modifiedMs) {
    std::ofstream(folder.path() + "/" + name) << "text";
    std::filesystem::last_write_time(folder.path() + "/" + name,
                                     std::chrono::file_clock::from_sys(std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(modifiedMs))));
  }
  // The next grid time comes, and the listing takes so long.
  std::vector<proto::Stored> tick(std::int64_t tookMs = 0) {
    fleet.toMaster.clear();
    fleet.fire(fleet.at(1), kReceiverTimer);
    fleet.now = fleet.now + Milliseconds(tookMs);
    fleet.settle();
    std::vector<proto::Stored> told;
    for (const auto& envelope : fleet.ofKind(proto::Message::kStored)) told.push_back(envelope->message.stored());
    return told;
  }
  static constexpr std::uint32_t kReceiverTimer = 2;
  TemporaryFolder folder;
  Fleet fleet;
};

TEST_F(Planning, EachGridTimeIsSealedWithItsFiles) {
  start();
  put("a", 1'000'500);
  auto told = tick();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].sealed_ms(), 1'001'000);
  ASSERT_EQ(told[0].blocks_size(), 1);
  EXPECT_EQ(told[0].blocks(0).file().path(), folder.path() + "/a");
  put("b", 1'001'500);
  told = tick();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].sealed_ms(), 1'002'000);
  ASSERT_EQ(told[0].blocks_size(), 1);
  EXPECT_EQ(told[0].blocks(0).file().path(), folder.path() + "/b");
}

TEST_F(Planning, ASlowListingIsWarnedOfOnce) {
  start();
  auto told = tick(900);
  EXPECT_EQ(told.size(), 1u);
  told = tick(1'100);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].error(), "listing " + folder.path() + " takes longer than the batch interval of 1000 ms; move old files out of it");
  EXPECT_EQ(told[1].sealed_ms(), 1'002'000);
  told = tick(1'300);
  EXPECT_EQ(told.size(), 1u) << "said already";
}

TEST_F(Planning, AMissingDirectoryIsAWarningAndAnEmptyBatch) {
  start(nullptr, folder.path() + "/later");
  auto told = tick();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].error(), "cannot list " + folder.path() + "/later: No such file or directory");
  EXPECT_EQ(told[1].blocks_size(), 0);
  EXPECT_EQ(told[1].sealed_ms(), 1'001'000);
  EXPECT_EQ(tick().size(), 1u) << "said already";
  std::filesystem::create_directory(folder.path() + "/later");
  put("later/a", 1'002'500);
  told = tick();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].blocks_size(), 1);
}

TEST_F(Planning, AFilterThatThrowsLeavesTheFilesForTheNextBatch) {
  static int asked = 0;
  asked = 0;
  auto third = [](std::string_view) {
    if (++asked < 3) throw std::runtime_error("not yet");
    return true;
  };
  OpRef filter = filterOf(third);
  start(&filter);
  put("a", 1'000'500);
  auto told = tick();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].error(), "textFileStream at plan.cc:1: the filter threw: not yet; the directory is looked at again for the next batch");
  EXPECT_EQ(told[1].blocks_size(), 0);
  EXPECT_EQ(told[1].sealed_ms(), 1'001'000) << "the batch is not held up";
  tick();
  told = tick();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].blocks_size(), 1);
}

}  // namespace
}  // namespace sluice::executor::testing
