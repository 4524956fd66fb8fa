// Streams of files that appear in a directory, on every shape: each of Spark's rules, on a clock that the test moves.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/compression.h"
#include "sluice/testing.h"

namespace {

namespace fs = std::filesystem;
using sluice::Conf;
using sluice::DStream;
using sluice::Milliseconds;
using sluice::Seconds;
using sluice::StreamingContext;
using sluice::Time;
using sluice::testing::Batches;
using sluice::testing::Cluster;
using sluice::testing::Midway;
using sluice::testing::Shape;
using sluice::testing::temporaryDirectory;
using Lines = std::multiset<std::string>;
using Lined = DStream<std::string_view>;

constexpr Shape kShapes[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

void setTime(const std::string& path, Time time) {
  using Millis = std::chrono::milliseconds;
  fs::last_write_time(path, std::chrono::file_clock::from_sys(std::chrono::sys_time<Millis>(Millis(time.milliseconds()))));
}

std::string compressed(sluice::Compression compression, std::string_view text) {
  auto compressor = sluice::Compressor::make(compression);
  sluice::Buffer out;
  compressor->add(text, out);
  compressor->finish(out);
  return std::string(out.view());
}

// A stream of files and what it gave, on a cluster whose clock stands still between batches.
class Watched {
 public:
  using Open = std::function<Lined(StreamingContext&, const std::string& dir)>;
  Watched(Shape shape, const Open& open, Conf conf = Conf()) : cluster(shape, Seconds(1), std::move(conf)) {
    got_ = cluster.collect(open(cluster.streaming(), dir));
  }
  // The time of the batch to come.
  Time next() { return cluster.clock().now().floor(Seconds(1)) + Seconds(1); }
  void put(const std::string& name, std::string_view text, Time modified) {
    std::ofstream(dir + "/" + name, std::ios::binary) << text;
    setTime(dir + "/" + name, modified);
  }
  void put(const std::string& name, std::string_view text) { put(name, text, next() - Milliseconds(500)); }
  Lines batch() {
    cluster.runBatches(1);
    auto records = got_->back().records();
    return Lines(records.begin(), records.end());
  }
  std::size_t partitions() const { return got_->back().parts->size(); }
  std::string failure() {
    try {
      cluster.runBatches(1);
      return "";
    } catch (const sluice::Error& error) {
      return error.what();
    }
  }
  void restore(const Open& open, const std::string& checkpoint) {
    cluster.stopAndRestore([&](Cluster& again) {
      again.streaming().checkpoint(checkpoint);
      got_ = again.collect(open(again.streaming(), dir));
    });
  }

  const std::string dir = temporaryDirectory();
  Cluster cluster;

 private:
  std::shared_ptr<const Batches<std::string_view>> got_;
};

Lined lines(StreamingContext& ssc, const std::string& dir) { return ssc.textFileStream(dir); }

void everywhere(const std::function<void(Watched&)>& body, const Watched::Open& open = lines, const Conf& conf = Conf()) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Watched watched(shape, open, conf);
    body(watched);
  }
}

TEST(FileStream, ABatchHasTheLinesOfTheFilesThatCameInItsInterval) {
  everywhere([](Watched& w) {
    EXPECT_EQ(w.batch(), Lines{});
    w.put("a", "one\ntwo\r\n");
    w.put("b", "three");
    EXPECT_EQ(w.batch(), (Lines{"one", "two", "three"}));
    EXPECT_EQ(w.partitions(), 2u) << "one for each file";
    EXPECT_EQ(w.batch(), Lines{});
    w.put("empty", "");
    w.put("c", "four\n");
    EXPECT_EQ(w.batch(), Lines{"four"});
  });
}

TEST(FileStream, AFileThatWasModifiedAfterTheBatchWaits) {
  everywhere([](Watched& w) {
    w.batch();
    w.put("at", "at the batch", w.next());
    w.put("after", "after it", w.next() + Milliseconds(1));
    EXPECT_EQ(w.batch(), Lines{"at the batch"});
    EXPECT_EQ(w.batch(), Lines{"after it"});
  });
}

TEST(FileStream, OnlyNewFilesCountUnlessOldOnesAreAskedFor) {
  everywhere([](Watched& w) {
    Time start = w.cluster.clock().now();
    w.put("old", "old", start - Seconds(5));
    w.put("at", "at the start", start);
    w.put("new", "new", start + Milliseconds(500));
    EXPECT_EQ(w.batch(), Lines{"new"});
  });
  everywhere(
      [](Watched& w) {
        Time start = w.cluster.clock().now();
        w.put("old", "old", start - Seconds(5));
        w.put("forgotten", "older than the window", start - Seconds(60));
        EXPECT_EQ(w.batch(), Lines{"old"});
      },
      [](StreamingContext& ssc, const std::string& dir) { return ssc.textFileStream(dir, false); });
}

TEST(FileStream, TheRememberWindowIsASetting) {
  everywhere(
      [](Watched& w) {
        w.put("inside", "inside", w.next() - Milliseconds(2999));
        w.put("outside", "outside", w.next() - Milliseconds(3000));
        EXPECT_EQ(w.batch(), Lines{"inside"}) << "2.5 s are three batches";
      },
      [](StreamingContext& ssc, const std::string& dir) { return ssc.textFileStream(dir, false); },
      Conf().set("sluice.streaming.fileStream.minRememberDuration", "2500ms"));
}

TEST(FileStream, ChangesOfAFileThatWasSeenAreIgnored) {
  everywhere([](Watched& w) {
    w.batch();
    w.put("log", "first\n");
    EXPECT_EQ(w.batch(), Lines{"first"});
    w.put("log", "first\nsecond\n");
    EXPECT_EQ(w.batch(), Lines{});
    fs::rename(w.dir + "/log", w.dir + "/log.1");
    EXPECT_EQ(w.batch(), (Lines{"first", "second"})) << "under another name it is another file";
  });
}

TEST(FileStream, HiddenNamesAndFoldersAreLeftOut) {
  everywhere([](Watched& w) {
    w.batch();
    w.put(".being-written", "no");
    w.put("_SUCCESS", "no");
    fs::create_directory(w.dir + "/folder");
    w.put("folder/below", "no");
    w.put("good", "yes");
    EXPECT_EQ(w.batch(), Lines{"yes"});
    fs::rename(w.dir + "/.being-written", w.dir + "/written");
    EXPECT_EQ(w.batch(), Lines{"no"});
  });
}

TEST(FileStream, AFilterOfTheApplicationDecidesAlone) {
  everywhere(
      [](Watched& w) {
        w.batch();
        w.put("a.csv", "a");
        w.put("b.txt", "b");
        w.put(".c.csv", "c");
        EXPECT_EQ(w.batch(), (Lines{"a", "c"}));
      },
      [](StreamingContext& ssc, const std::string& dir) { return ssc.textFileStream(dir, [](std::string_view path) { return path.ends_with(".csv"); }); });
  // With values of its own, and old files too.
  everywhere(
      [](Watched& w) {
        w.put("wanted", "yes", w.cluster.clock().now() - Seconds(1));
        w.put("other", "no", w.cluster.clock().now() - Seconds(1));
        EXPECT_EQ(w.batch(), Lines{"yes"});
      },
      [](StreamingContext& ssc, const std::string& dir) {
        auto named = [](std::string_view path, const std::string& name) { return path.ends_with(name); };
        return ssc.textFileStream(dir, sluice::with(named, std::string("/wanted")), false);
      });
}

TEST(FileStream, AGlobNamesDirectories) {
  everywhere(
      [](Watched& w) {
        fs::create_directory(w.dir + "/day-1");
        fs::create_directory(w.dir + "/other");
        w.batch();
        w.put("day-1/a", "a");
        w.put("other/b", "b");
        w.put("day-file", "c");
        EXPECT_EQ(w.batch(), Lines{"a"});
        fs::create_directory(w.dir + "/day-2");
        w.put("day-2/d", "d");
        EXPECT_EQ(w.batch(), Lines{"d"});
        // A directory that gets a name which matches.
        w.put("other/e", "e");
        fs::rename(w.dir + "/other", w.dir + "/day-3");
        EXPECT_EQ(w.batch(), (Lines{"b", "e"}));
      },
      [](StreamingContext& ssc, const std::string& dir) { return ssc.textFileStream(dir + "/day-*"); });
}

TEST(FileStream, TheDirectoryMayComeLater) {
  everywhere(
      [](Watched& w) {
        EXPECT_EQ(w.batch(), Lines{});
        EXPECT_EQ(w.batch(), Lines{});
        fs::create_directory(w.dir + "/later");
        w.put("later/a", "a");
        EXPECT_EQ(w.batch(), Lines{"a"});
      },
      [](StreamingContext& ssc, const std::string& dir) { return ssc.textFileStream(dir + "/later"); });
}

TEST(FileStream, CompressedFilesAreDecompressed) {
  everywhere([](Watched& w) {
    w.batch();
    w.put("a.gz", compressed(sluice::Compression::kGzip, "one\n") + compressed(sluice::Compression::kGzip, "two\n"));
    w.put("b.zst", compressed(sluice::Compression::kZstd, "three\n"));
    w.put("c.lz4", compressed(sluice::Compression::kLz4, "four\n"));
    w.put("d", "five\n");
    EXPECT_EQ(w.batch(), (Lines{"one", "two", "three", "four", "five"}));
    EXPECT_EQ(w.partitions(), 4u);
    w.put("torn.gz", compressed(sluice::Compression::kGzip, "six\n").substr(0, 15));
    EXPECT_NE(w.failure().find(w.dir + "/torn.gz is cut short: it ends in the middle of compressed data"), std::string::npos);
    w.put("e", "seven\n");
    EXPECT_EQ(w.batch(), Lines{"seven"}) << "the stream goes on";
    w.put("f.bz2", "BZh9");
    EXPECT_NE(w.failure().find(w.dir + "/f.bz2: files compressed as bz2 are not read; compress them as .gz, .zst or .lz4"), std::string::npos);
  });
}

TEST(FileStream, FilesAreInOneBatchAlsoWhenTheStreamIsRestored) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    std::string checkpoint = temporaryDirectory();
    Watched w(shape, [&](StreamingContext& ssc, const std::string& dir) {
      ssc.checkpoint(checkpoint);
      return lines(ssc, dir);
    });
    w.batch();
    w.put("a", "a");
    w.put("b", "b", w.next() - Milliseconds(10));
    EXPECT_EQ(w.batch(), (Lines{"a", "b"}));
    Time down = w.cluster.clock().now();
    w.restore(lines, checkpoint);
    w.put("while-down", "c", down + Milliseconds(1));
    EXPECT_EQ(w.batch(), Lines{"c"}) << "what was seen is not seen again";
    EXPECT_EQ(w.batch(), Lines{});
  }
}

TEST(FileStream, SurvivesTheLossOfItsExecutor) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Watched w(shape, lines);
    Lines all, want;
    for (int i = 0; i < 9; ++i) {
      std::string name = "file-" + std::to_string(i);
      w.put(name, name);
      want.insert(name);
      if (i == 3) w.cluster.kill(0);
      if (i == 6) w.cluster.kill(1);
      all.merge(w.batch());
    }
    all.merge(w.batch());
    EXPECT_EQ(all, want) << "each file once, in whichever batch";
  }
}

TEST(FileStream, BadDirectoriesAreRefused) {
  Cluster cluster(Shape::kLocal1);
  try {
    cluster.streaming().textFileStream("");
    ADD_FAILURE();
  } catch (const sluice::Error& error) {
    EXPECT_STREQ(error.what(), "textFileStream: the directory has no name");
  }
}

TEST(BinaryRecordsStream, RecordsAreOfOneLength) {
  everywhere(
      [](Watched& w) {
        w.batch();
        w.put("a", std::string("ab\ncd\0ef", 8));
        w.put("b.gz", "gh");
        EXPECT_EQ(w.batch(), (Lines{"ab", "\nc", std::string("d\0", 2), "ef", "gh"}));
        w.put("odd", "abc");
        EXPECT_NE(w.failure().find(w.dir + "/odd has 3 bytes, which is no multiple of the record length 2"), std::string::npos);
        w.put("c", "ij");
        EXPECT_EQ(w.batch(), Lines{"ij"});
      },
      [](StreamingContext& ssc, const std::string& dir) { return ssc.binaryRecordsStream(dir, 2); });
  Cluster cluster(Shape::kLocal1);
  try {
    cluster.streaming().binaryRecordsStream("/tmp", 0);
    ADD_FAILURE();
  } catch (const sluice::Error& error) {
    EXPECT_STREQ(error.what(), "binaryRecordsStream: the record length is 0; it must be above 0");
  }
}

}  // namespace
