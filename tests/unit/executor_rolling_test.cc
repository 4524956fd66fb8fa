// Rolled files: decisions as a table, and batches that are repeated, torn, taken over and taken back.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "sluice/error.h"
#include "worker/executor/rolling_files.h"

namespace sluice::executor::testing {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

class Rolling : public ::testing::Test {
 protected:
  Rolling() {
    std::string pattern = (fs::temp_directory_path() / "sluice-rolling-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    rolling_.set_directory(root_ + "/out");
    rolling_.set_roll_bytes(10), rolling_.set_roll_age_ms(1'000'000);
    rolling_.set_owner("checkpoint /c"), rolling_.set_begun_ms(1);
  }
  ~Rolling() override { fs::remove_all(root_); }

  // The batch at t with these parts; staged as tasks do.
  proto::Publish::Rolling batch(std::int64_t t, const std::vector<std::string>& parts) {
    auto rolling = rolling_;
    fs::create_directories(root_ + "/out/.sluice-1-" + std::to_string(t));
    for (std::size_t p = 0; p < parts.size(); ++p) {
      rolling.add_staged(root_ + "/out/.sluice-1-" + std::to_string(t) + "/o0-p" + std::to_string(p));
      std::ofstream(rolling.staged(int(p))) << parts[p];
    }
    return rolling;
  }
  void append(std::int64_t t, const std::vector<std::string>& parts) { appendRolling(batch(t, parts), t); }
  // What is in the directory, but for the record, the lock and folders of what is staged.
  Files files() const {
    Files found;
    for (const auto& entry : fs::directory_iterator(root_ + "/out")) {
      std::string name = entry.path().filename();
      if (name == ".rolling" || name == ".rolling-lock" || entry.is_directory()) continue;
      std::ifstream in(entry.path());
      found[name] = std::string(std::istreambuf_iterator<char>(in), {});
    }
    return found;
  }
  std::string whyNot(const proto::Publish::Rolling& rolling, std::int64_t t) const {
    try {
      appendRolling(rolling, t);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  std::string root_;
  proto::Publish::Rolling rolling_;
};

TEST_F(Rolling, FilesGrowUntilTheyAreLargeEnough) {
  append(100, {"aaaa", "", "bb"});
  EXPECT_EQ(files(), (Files{{".part-100-000", "aaaabb"}})) << "open files are hidden, staged ones gone";
  append(200, {"cccc"});
  EXPECT_EQ(files(), (Files{{".part-100-000", "aaaabbcccc"}})) << "exactly as large as it may be";
  append(300, {"d"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaabbcccc"}, {".part-300-000", "d"}}));
  append(400, {"eeeeeeeeeeeeeee", "f", "gggggggggg"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaabbcccc"},
                            {"part-300-000", "d"},
                            {"part-400-000", "eeeeeeeeeeeeeee"},
                            {"part-400-001", "f"},
                            {".part-400-002", "gggggggggg"}}))
      << "parts are never cut";
}

TEST_F(Rolling, FilesAreFinishedWhenTheyAreOldEnough) {
  rolling_.set_roll_bytes(1000), rolling_.set_roll_age_ms(300), rolling_.set_extension(".gz");
  append(1000, {"a"});
  append(1200, {"b"});
  append(1300, {"c"});
  EXPECT_EQ(files(), (Files{{"part-1000-000.gz", "ab"}, {".part-1300-000.gz", "c"}}));
  append(1500, {});
  append(1600, {});
  EXPECT_EQ(files(), (Files{{"part-1000-000.gz", "ab"}, {"part-1300-000.gz", "c"}})) << "an empty batch finishes them too";
}

TEST_F(Rolling, ABatchCountsOnceHoweverOftenItIsPublished) {
  append(100, {"aaaa"});
  append(200, {"bbbb"});
  append(200, {"bbbb"});
  append(100, {"aaaa"});
  EXPECT_EQ(files(), (Files{{".part-100-000", "aaaabbbb"}}));
  append(300, {"cccc"});
  append(300, {"cccc"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaabbbb"}, {".part-300-000", "cccc"}}));
}

// Half of a batch was written, and its executor died before it could say so in the record.
TEST_F(Rolling, ATornAppendIsCutAwayFirst) {
  append(100, {"aaaa"});
  std::ofstream(root_ + "/out/.part-100-000", std::ios::app) << "torn";
  std::ofstream(root_ + "/out/.part-200-000") << "torn as well, and longer than what comes";
  append(200, {"bbbbbb", "cc"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaabbbbbb"}, {".part-200-000", "cc"}}));
  std::ofstream(root_ + "/out/.part-200-000", std::ios::app) << "torn";
  append(300, {"dddddddddd"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaabbbbbb"}, {"part-200-000", "cc"}, {".part-300-000", "dddddddddd"}}));
}

// The record was written, and the executor died before it gave the finished file its name.
TEST_F(Rolling, ANameThatWasNotGivenIsGivenNextTime) {
  append(100, {"aaaaaaaaaa"});
  append(200, {"bb"});
  fs::rename(root_ + "/out/part-100-000", root_ + "/out/.part-100-000");
  append(200, {"bb"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaaaaaaaa"}, {".part-200-000", "bb"}}));
}

TEST_F(Rolling, TheEndOfAStreamFinishesTheOpenFile) {
  append(100, {"aaaa"});
  auto last = rolling_;
  last.set_finish(true);
  appendRolling(last, 101);
  appendRolling(last, 101);
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaa"}}));
  // A run that is restored from the last batch has nothing to take back.
  rolling_.set_begun_ms(150), rolling_.set_replayed_ms(100);
  append(200, {"bb"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaa"}, {".part-200-000", "bb"}}));
}

TEST_F(Rolling, WhatARestoredRunProcessesAgainIsTakenBack) {
  append(100, {"aaaa"});
  append(200, {"bbbb"});
  append(300, {"cccc"});
  append(400, {"dddddddddd"});
  append(500, {"e"});
  EXPECT_EQ(files().size(), 4u);
  rolling_.set_begun_ms(600), rolling_.set_replayed_ms(100);
  append(700, {"BBBB"});
  EXPECT_EQ(files(), (Files{{".part-100-000", "aaaaBBBB"}})) << "the file that was open at the cut is open again";
  append(700, {"BBBB"});
  append(800, {"CCC"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaaBBBB"}, {".part-800-000", "CCC"}}));
  // Restored again from the same cut.
  rolling_.set_begun_ms(900);
  append(1000, {"b"});
  EXPECT_EQ(files(), (Files{{".part-100-000", "aaaab"}}));
}

TEST_F(Rolling, ARunThatIsNotRestoredGoesOn) {
  append(100, {"aaaa"});
  rolling_.set_begun_ms(150);  // with receivers: what they had got does not come again
  append(200, {"bbbb"});
  EXPECT_EQ(files(), (Files{{".part-100-000", "aaaabbbb"}}));
}

TEST_F(Rolling, OnlyWhatARestoreMayAskForIsKeptInTheRecord) {
  for (int t = 1; t <= 50; ++t) {
    rolling_.set_kept_ms(t - 5);
    append(t * 1, {"x"});
  }
  std::ifstream in(root_ + "/out/.rolling");
  RollingRecord record;
  absl::Status status = RollingRecord::parse(std::string(std::istreambuf_iterator<char>(in), {}), record);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(record.marks.begin()->first, 45);
  EXPECT_EQ(record.lastMs(), 50);
}

TEST_F(Rolling, AnotherStreamFinishesWhatTheOneBeforeLeft) {
  append(100, {"aaaa"});
  std::ofstream(root_ + "/out/.part-100-000", std::ios::app) << "torn";
  rolling_.set_owner("application b"), rolling_.set_begun_ms(200);
  append(300, {"bb"});
  EXPECT_EQ(files(), (Files{{"part-100-000", "aaaa"}, {".part-300-000", "bb"}}));
  // The one before is not dead after all.
  rolling_.set_owner("checkpoint /c"), rolling_.set_begun_ms(1);
  EXPECT_EQ(whyNot(batch(400, {"cc"}), 400), "the files in " + root_ + "/out are rolled by another stream (application b); name another directory");
  rolling_.set_owner("application b");
  EXPECT_EQ(whyNot(batch(400, {"cc"}), 400), "the files in " + root_ + "/out are rolled by a later run of this stream (application b)");
  EXPECT_EQ(files()[".part-300-000"], "bb");
}

TEST_F(Rolling, DamageIsSaidAndNothingIsGuessed) {
  append(100, {"aaaa"});
  fs::resize_file(root_ + "/out/.part-100-000", 2);
  EXPECT_EQ(whyNot(batch(200, {"b"}), 200),
            root_ + "/out/.part-100-000 has 2 bytes of the 4 that were written: somebody else changed it; move the directory away, or name another one");
  std::ofstream(root_ + "/out/.rolling", std::ios::app) << "x";
  EXPECT_NE(whyNot(batch(200, {"b"}), 200).find("/out/.rolling is damaged: nobody knows which records the open file holds; move the directory away"),
            std::string::npos);
  auto gone = batch(300, {"c"});
  fs::remove(gone.staged(0));
  fs::remove(root_ + "/out/.rolling");
  EXPECT_NE(whyNot(gone, 300).find("cannot read " + gone.staged(0) + ": No such file"), std::string::npos);
}

TEST(RollingRecord, IsTextThatComesBack) {
  RollingRecord record;
  record.owner = "checkpoint /a path/with blanks", record.begunMs = 17;
  record.marks[100] = {"part-100-000.gz", 100, 12};
  record.marks[200] = {};
  record.finished = {"part-100-000.gz"};
  EXPECT_EQ(record.text().substr(0, record.text().rfind("checksum")),
            "sluice rolling 1\nowner checkpoint /a path/with blanks\nbegun 17\nbatch 100 100 12 part-100-000.gz\nbatch 200 0 0 -\n"
            "finished part-100-000.gz\n");
  RollingRecord back;
  absl::Status status = RollingRecord::parse(record.text(), back);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(back.text(), record.text());
  std::string text = record.text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string broken = text;
    broken[i] ^= 1;
    EXPECT_FALSE(RollingRecord::parse(broken, back).ok()) << i;
    EXPECT_FALSE(RollingRecord::parse(text.substr(0, i), back).ok()) << i;
  }
  auto sealed = [](const RollingRecord::Mark& mark, const std::string& finished) {
    RollingRecord made;
    made.owner = "o";
    made.marks[100] = mark;
    made.finished = {finished};
    return made.text();
  };
  EXPECT_TRUE(RollingRecord::parse(sealed({"part-1-000", 1, 1}, "part-1-000"), back).ok());
  EXPECT_FALSE(RollingRecord::parse(sealed({"part-1-000", 1, -1}, "part-1-000"), back).ok());
  EXPECT_FALSE(RollingRecord::parse(sealed({"part-1-000", INT64_MIN, 1}, "part-1-000"), back).ok());
  EXPECT_FALSE(RollingRecord::parse(sealed({"part-1/../../x", 1, 1}, "part-1-000"), back).ok());
  EXPECT_FALSE(RollingRecord::parse(sealed({"part-1-000", 1, 1}, "../x"), back).ok()) << "files lie in the directory";
  EXPECT_EQ(RollingRecord::parse("sluice rolling 2\n", back).message(), "was written by another version of Sluice");
  EXPECT_EQ(RollingRecord::parse("", back).message(), "is none of ours");
}

}  // namespace
}  // namespace sluice::executor::testing
