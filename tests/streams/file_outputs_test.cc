// Files that streams write: a directory for each batch, whole or not there.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

using sluice::Seconds;
using sluice::testing::Batches;
using sluice::testing::Cluster;
using sluice::testing::noRdd;
using sluice::testing::Shape;
using sluice::testing::temporaryDirectory;
using Lines = std::vector<std::string>;
using Count = std::pair<std::string, int>;

constexpr Shape kShapes[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

std::string textOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::set<std::string> namesIn(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

std::string timeOf(const Cluster& cluster, int secondsAgo = 0) {
  return std::to_string((const_cast<Cluster&>(cluster).clock().now().floor(Seconds(1)) - Seconds(secondsAgo)).milliseconds());
}

TEST(SaveAsTextFiles, ADirectoryForEachBatch) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string dir = temporaryDirectory();
    Cluster cluster(shape);
    auto in = cluster.input<int>({{1, 2, 3}, {}, noRdd});
    in.saveAsTextFiles(dir + "/plain");
    in.map([](int x) { return std::pair(x, "x"); }).saveAsTextFiles(dir + "/pairs", "txt");
    in.saveAsTextFiles(dir + "/slash/");
    cluster.runBatches(3);
    std::string first = timeOf(cluster, 2), second = timeOf(cluster, 1), third = timeOf(cluster);
    EXPECT_EQ(namesIn(dir), (std::set<std::string>{"plain-" + first, "plain-" + second, "pairs-" + first + ".txt", "pairs-" + second + ".txt", "slash"}))
        << "nothing is staged any more, and a batch without an RDD has no directory";
    EXPECT_EQ(namesIn(dir + "/plain-" + first), (std::set<std::string>{"_SUCCESS", "part-00000", "part-00001"}));
    EXPECT_EQ(textOf(dir + "/plain-" + first + "/part-00000") + textOf(dir + "/plain-" + first + "/part-00001"), "1\n2\n3\n");
    EXPECT_EQ(textOf(dir + "/pairs-" + first + ".txt/part-00000"), "(1,x)\n(2,x)\n");
    EXPECT_TRUE(namesIn(dir + "/plain-" + second).contains("_SUCCESS"));
    EXPECT_EQ(namesIn(dir + "/slash"), (std::set<std::string>{first, second})) << "only the time";
  }
}

TEST(SaveAsObjectFiles, AreReadByABatchJob) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string dir = temporaryDirectory();
    Cluster cluster(shape);
    auto counts = cluster.input<std::string>({{"a", "b", "a"}, {"c"}}).map([](const std::string& w) { return std::pair(w, 1); }).reduceByKey(std::plus<>());
    counts.saveAsObjectFiles(dir + "/counts", "obj");
    cluster.runBatches(2);
    auto read = [&](int ago) {
      auto all = cluster.context().objectFile<Count>(dir + "/counts-" + timeOf(cluster, ago) + ".obj").collect();
      return std::set<Count>(all.begin(), all.end());
    };
    EXPECT_EQ(read(1), (std::set<Count>{{"a", 2}, {"b", 1}}));
    EXPECT_EQ(read(0), (std::set<Count>{{"c", 1}}));
  }
}

// What an earlier run left in a batch's directory is replaced, also where it had more parts.
TEST(SaveAsTextFiles, ARerunReplaces) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string dir = temporaryDirectory();
    Cluster cluster(shape);
    auto in = cluster.input<std::string>({{"new"}});
    in.saveAsTextFiles(dir + "/out");
    std::string time = std::to_string((cluster.clock().now().floor(Seconds(1)) + Seconds(1)).milliseconds());
    std::filesystem::create_directories(dir + "/out-" + time);
    for (const char* name : {"part-00000", "part-00001", "part-00007", "_SUCCESS"}) std::ofstream(dir + "/out-" + time + "/" + name) << "old";
    cluster.runBatches(1);
    EXPECT_EQ(namesIn(dir + "/out-" + time), (std::set<std::string>{"_SUCCESS", "part-00000", "part-00001"}));
    EXPECT_EQ(textOf(dir + "/out-" + time + "/part-00000") + textOf(dir + "/out-" + time + "/part-00001"), "new\n");
  }
}

TEST(SaveAsTextFiles, CompressedParts) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string dir = temporaryDirectory();
    Cluster cluster(shape);
    cluster.input<std::string>({{"a", "b", "c"}}).saveAsTextFiles(dir + "/out", "txt", sluice::Compression::kZstd);
    cluster.runBatches(1);
    std::string out = dir + "/out-" + timeOf(cluster) + ".txt";
    EXPECT_EQ(namesIn(out), (std::set<std::string>{"_SUCCESS", "part-00000.zst", "part-00001.zst"}));
    EXPECT_EQ(cluster.context().textFile(out).collect(), (Lines{"a", "b", "c"}));
  }
}

// ---- Rolled files ----

// Everything in the directory that a reader sees; with `open`, also what is not finished.
std::multiset<std::string> linesIn(const std::string& directory, bool open = false) {
  std::multiset<std::string> lines;
  for (const std::string& name : namesIn(directory)) {
    if (!name.starts_with("part-") && !(open && name.starts_with(".part-"))) continue;
    std::ifstream in(directory + "/" + name);
    for (std::string line; std::getline(in, line);) lines.insert(line);
  }
  return lines;
}

std::set<std::string> rolledNames(const std::string& directory) {
  std::set<std::string> names;
  for (const std::string& name : namesIn(directory)) {
    if (name != ".rolling" && name != ".rolling-lock") names.insert(name);
  }
  return names;
}

// k lines in batch k: "1-0", "2-0", "2-1", ...
Batches<std::string> numbered(int batches) {
  Batches<std::string> all;
  for (int b = 1; b <= batches; ++b) {
    Lines lines;
    for (int i = 0; i < b; ++i) lines.push_back(std::to_string(b) + "-" + std::to_string(i));
    all.emplace_back(lines);
  }
  return all;
}
std::multiset<std::string> allOf(const Batches<std::string>& batches, std::size_t count) {
  std::multiset<std::string> lines;
  for (std::size_t b = 0; b < count; ++b) {
    for (const auto& line : batches[b].records()) lines.insert(line);
  }
  return lines;
}

TEST(RollingTextFiles, FewFilesOverManyBatches) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string dir = temporaryDirectory() + "/rolled";
    Cluster cluster(shape);
    auto in = numbered(8);
    cluster.input<std::string>(in).saveAsRollingTextFiles(dir, {.maxBytes = 40, .maxAge = Seconds(100)});
    std::string first = std::to_string((cluster.clock().now().floor(Seconds(1)) + Seconds(1)).milliseconds());
    cluster.runBatches(1);
    EXPECT_EQ(rolledNames(dir), std::set<std::string>{".part-" + first + "-000"}) << "hidden until it is finished";
    cluster.runBatches(7);
    EXPECT_EQ(linesIn(dir, true), allOf(in, 8));
    auto names = rolledNames(dir);
    EXPECT_EQ(std::count_if(names.begin(), names.end(), [](const std::string& name) { return name[0] == '.'; }), 1);
    EXPECT_TRUE(names.contains("part-" + first + "-000"));
    EXPECT_GE(names.size(), 4u);  // 36 lines of 4 bytes
    EXPECT_LE(names.size(), 8u);
    for (const std::string& name : names) EXPECT_LE(std::filesystem::file_size(dir + "/" + name), 40u);
  }
}

TEST(RollingTextFiles, AgeFinishesThemAlsoWhenNothingComes) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string dir = temporaryDirectory() + "/rolled";
    Cluster cluster(shape);
    cluster.input<std::string>({{"a"}, {"b"}, {}, {}, {}}).saveAsRollingTextFiles(dir, {.maxAge = Seconds(3), .compression = sluice::Compression::kGzip});
    cluster.runBatches(3);
    EXPECT_EQ(rolledNames(dir), std::set<std::string>{".part-" + timeOf(cluster, 2) + "-000.gz"});
    cluster.runBatches(1);
    EXPECT_EQ(rolledNames(dir), std::set<std::string>{"part-" + timeOf(cluster, 3) + "-000.gz"});
    EXPECT_EQ(cluster.context().textFile(dir).collect(), (Lines{"a", "b"})) << "one gzip member a batch and partition";
  }
}

TEST(RollingTextFiles, EachRecordOnceWhenExecutorsAreLost) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    std::string dir = temporaryDirectory() + "/rolled";
    Cluster cluster(shape);
    auto in = numbered(9);
    cluster.input<std::string>(in).saveAsRollingTextFiles(dir, {.maxBytes = 60});
    cluster.runBatches(3);
    cluster.kill(0);
    cluster.runBatches(3);
    cluster.kill(1);
    cluster.runBatches(3);
    EXPECT_EQ(linesIn(dir, true), allOf(in, 9));
  }
}

TEST(RollingTextFiles, EachRecordOnceUnderRandomFaults) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::string dir = temporaryDirectory() + "/rolled";
    sluice::testing::Faults faults;
    faults.seed = seed, faults.meanBreakUs = 60'000;
    if (seed % 3 == 0) faults.losses = {{std::int64_t(seed) * 90'000, 1}};
    Cluster cluster(faults, sluice::Milliseconds(500));
    auto in = numbered(8);
    cluster.input<std::string>(in).saveAsRollingTextFiles(dir, {.maxBytes = 50});
    cluster.runBatches(8);
    EXPECT_EQ(linesIn(dir, true), allOf(in, 8));
  }
}

TEST(RollingTextFiles, AGracefulStopFinishesTheOpenFileAndARestoreGoesOn) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string root = temporaryDirectory(), dir = root + "/rolled";
    auto in = numbered(7);
    auto define = [&](Cluster& cluster) {
      cluster.streaming().checkpoint(root + "/checkpoint");
      cluster.input<std::string>(in).saveAsRollingTextFiles(dir);
    };
    Cluster cluster(shape);
    define(cluster);
    cluster.runBatches(3);
    EXPECT_TRUE(linesIn(dir).empty());
    cluster.stopAndRestore(define);
    EXPECT_EQ(linesIn(dir), allOf(in, 3));
    EXPECT_EQ(linesIn(dir, true), allOf(in, 3));
    cluster.runBatches(4);
    EXPECT_EQ(linesIn(dir, true), allOf(in, 7));
    EXPECT_EQ(linesIn(dir), allOf(in, 3)) << "what was finished stays as it was";
  }
}

// Stopped at once after 13 batches, and restored from the checkpoint that was made after 10.
TEST(RollingTextFiles, WhatARestoredStreamProcessesAgainIsThereOnce) {
  for (Shape shape : {Shape::kLocal4, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    std::string root = temporaryDirectory(), dir = root + "/rolled";
    auto in = numbered(16);
    auto define = [&](Cluster& cluster) {
      cluster.streaming().checkpoint(root + "/checkpoint");
      cluster.input<std::string>(in).saveAsRollingTextFiles(dir, {.maxBytes = 100});
    };
    {
      Cluster cluster(shape);
      define(cluster);
      cluster.runBatches(13);
    }
    EXPECT_EQ(linesIn(dir, true), allOf(in, 13));
    Cluster cluster(shape);
    define(cluster);
    cluster.clock().advance(Seconds(14));
    cluster.runBatches(6);
    EXPECT_EQ(linesIn(dir, true), allOf(in, 16));
  }
}

// The same with files, which come again in another batch than before.
TEST(RollingTextFiles, FilesThatComeAgainAreThereOnce) {
  for (Shape shape : {Shape::kLocal4, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    std::string root = temporaryDirectory(), dir = root + "/rolled";
    std::filesystem::create_directory(root + "/in");
    auto define = [&](Cluster& cluster) {
      cluster.streaming().checkpoint(root + "/checkpoint");
      cluster.streaming().textFileStream(root + "/in").saveAsRollingTextFiles(dir);
    };
    std::multiset<std::string> want;
    auto put = [&](Cluster& cluster, int number) {
      using Millis = std::chrono::milliseconds;
      std::string path = root + "/in/" + std::to_string(number);
      std::ofstream(path) << "line of " << number << "\n";
      auto time = (cluster.clock().now() + sluice::Milliseconds(500)).milliseconds();
      std::filesystem::last_write_time(path, std::chrono::file_clock::from_sys(std::chrono::sys_time<Millis>(Millis(time))));
      want.insert("line of " + std::to_string(number));
    };
    {
      Cluster cluster(shape);
      define(cluster);
      for (int i = 0; i < 13; ++i) {
        put(cluster, i);
        cluster.runBatches(1);
      }
    }
    EXPECT_EQ(linesIn(dir, true), want);
    Cluster cluster(shape);
    define(cluster);
    cluster.clock().advance(Seconds(14));
    put(cluster, 13);
    cluster.runBatches(2);
    EXPECT_EQ(linesIn(dir, true), want);
  }
}

TEST(RollingTextFiles, BadPoliciesAreRefused) {
  Cluster cluster(Shape::kLocal1);
  auto in = cluster.input<std::string>({{"a"}});
  auto whyNot = [&](const std::string& dir, sluice::RollingPolicy policy) {
    try {
      in.saveAsRollingTextFiles(dir, policy);
      return std::string();
    } catch (const sluice::Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(whyNot("", {}), "saveAsRollingTextFiles: the directory has no name");
  EXPECT_EQ(whyNot("/tmp/x", {.maxBytes = 0}), "saveAsRollingTextFiles: maxBytes is 0; it must be above 0");
  EXPECT_EQ(whyNot("/tmp/x", {.maxAge = Seconds(0)}), "saveAsRollingTextFiles: maxAge is 0 ms; it must be above 0");
  EXPECT_EQ(whyNot("/tmp/x", {}), "");
  EXPECT_NE(whyNot("/tmp/x/", {}).find("writes into /tmp/x already; name another directory"), std::string::npos);
}

}  // namespace
