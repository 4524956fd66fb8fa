// Files as inputs of batch jobs, on every shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "common/compression.h"
#include "everywhere.h"

namespace file_inputs {

struct Reading {
  std::string sensor;
  double value = 0;
  SLUICE_FIELDS(Reading, sensor, value)
  friend bool operator==(const Reading&, const Reading&) = default;
};
struct Sample {
  std::string sensor;
  double value = 0;
  SLUICE_FIELDS(Sample, sensor, value)
};

namespace {

using sluice::Context;
using sluice::testing::Cluster;
using sluice::testing::Shape;
using sluice::testing::everywhere;
using sluice::testing::temporaryDirectory;
using Lines = std::vector<std::string>;

std::string bytesOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, std::string_view bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// Views of lines are good until the task ends, also after the file they came from was read to its end and the next one opened.
TEST(TextFile, LinesOfSeveralFilesStayGoodInOneTask) {
  std::string dir = temporaryDirectory();
  for (int i = 0; i < 8; ++i) write(dir + "/" + std::to_string(i), std::string(10'000, char('a' + i)) + "\n");
  everywhere([&](const Context& sc) {
    auto all = sc.textFile(dir, 1).coalesce(1).glom().collect();
    ASSERT_EQ(all.size(), 1u);
    ASSERT_EQ(all[0].size(), 8u);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(all[0][std::size_t(i)], std::string(10'000, char('a' + i)));
    auto both = sc.textFile(dir + "/0", 1).union_(sc.textFile(dir + "/1", 1)).coalesce(1).glom().collect();
    EXPECT_EQ(both, (std::vector<Lines>{{std::string(10'000, 'a'), std::string(10'000, 'b')}}));
  });
}

TEST(ObjectFiles, ComeBackAsTheyWere) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory();
    std::vector<Reading> readings;
    for (int i = 0; i < 1000; ++i) readings.push_back({"sensor " + std::to_string(i % 9), i / 8.0});
    sc.parallelize(readings, 3).saveAsObjectFile(dir + "/readings");
    EXPECT_TRUE(std::filesystem::exists(dir + "/readings/_SUCCESS"));
    EXPECT_TRUE(std::filesystem::exists(dir + "/readings/part-00002"));
    EXPECT_EQ(sc.objectFile<Reading>(dir + "/readings").collect(), readings);
    EXPECT_EQ(sc.objectFile<Reading>(dir + "/readings/part-00000," + dir + "/readings/part-0000[12]").collect(), readings);
    // Text is saved as it is read, as views, and may be read either way.
    write(dir + "/text", "to be\nor not\n");
    sc.textFile(dir + "/text", 1).saveAsObjectFile(dir + "/lines");
    EXPECT_EQ(sc.objectFile<std::string>(dir + "/lines").collect(), (Lines{"to be", "or not"}));
    EXPECT_EQ(sc.objectFile<std::string_view>(dir + "/lines").collect(), (Lines{"to be", "or not"}));
    // No records, no partitions, nothing but their number.
    sc.parallelize(std::vector<int>{}, 2).saveAsObjectFile(dir + "/none");
    EXPECT_EQ(sc.objectFile<int>(dir + "/none").count(), 0);
    sc.parallelize(std::vector<sluice::Unit>(5), 2).saveAsObjectFile(dir + "/units");
    EXPECT_EQ(sc.objectFile<sluice::Unit>(dir + "/units").count(), 5);
  });
}

// One large file is read by several tasks, each the blocks that start in its range; views last although blocks are compressed.
TEST(ObjectFiles, AreReadInRanges) {
  std::string dir = temporaryDirectory();
  const int n = 400'000;
  {
    Cluster cluster(Shape::kLocal4);
    cluster.context().range(0, n, 1, 1).map([](std::int64_t i) { return std::pair(std::to_string(i), i); }).saveAsObjectFile(dir + "/one");
  }
  ASSERT_GT(std::filesystem::file_size(dir + "/one/part-00000"), 1u << 20);
  everywhere([&](const Context& sc) {
    auto all = sc.objectFile<std::pair<std::string_view, std::int64_t>>(dir + "/one", 4);
    EXPECT_EQ(all.getNumPartitions(), 4);
    auto shares = all.mapPartitions([](auto& records) {
      std::vector<std::pair<std::string_view, std::int64_t>> held;
      while (records.hasNext()) held.push_back(records.next());
      bool right = true;
      for (std::size_t i = 0; i < held.size(); ++i) {
        right = right && held[i].first == std::to_string(held[i].second) && held[i].second == held[0].second + std::int64_t(i);
      }
      return std::vector<std::pair<bool, std::int64_t>>{{right, std::int64_t(held.size())}};
    }).collect();
    std::int64_t sum = 0;
    int busy = 0;
    for (const auto& [right, count] : shares) {
      EXPECT_TRUE(right);
      sum += count, busy += count > n / 10;
    }
    EXPECT_EQ(sum, n);
    EXPECT_GE(busy, 3) << "the work is shared";
  });
}

TEST(ObjectFiles, OfAnotherTypeAreRefusedByName) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory();
    sc.parallelize(std::vector<Reading>{{"a", 1}}, 1).saveAsObjectFile(dir + "/readings");
    EXPECT_SAYS("part-00000 holds records of Reading{sensor:string,value:double}, and is read as Sample{sensor:string,value:double}; name the "
                "type that it was written with",
                sc.objectFile<Sample>(dir + "/readings").collect());
    EXPECT_SAYS("holds records of Reading{sensor:string,value:double}, and is read as pair<string,int64>",
                sc.objectFile<std::pair<std::string, long>>(dir + "/readings").count());
  });
}

// Somebody cuts a file that a task has mapped: the job fails of that and no process ends.
TEST(TextFile, AFileThatIsCutWhileItIsReadFailsTheJob) {
  everywhere([](const Context& sc) {
    std::string path = temporaryDirectory() + "/log";
    write(path, std::string(8 << 20, 'x') + "\n" + std::string(100, 'y') + "\n");
    auto cutIt = [](std::string_view line, const std::string& path) {
      std::filesystem::resize_file(path, 10);
      return std::count(line.begin(), line.end(), 'x');
    };
    EXPECT_SAYS(path + " became shorter while it was read", sc.textFile(path, 1).map(sluice::with(cutIt, path)).collect());
    EXPECT_EQ(sc.textFile(path).collect(), (Lines{std::string(10, 'x')}));
  });
}

// Within its last page there is no fault to hear of: zeros would have gone on as data.
TEST(TextFile, AFileThatLosesItsLastBytesFailsTheJob) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory(), path = dir + "/1";
    write(dir + "/2", "after it\n");
    auto cutIt = [](std::string_view line, const std::string& path) {
      if (line == "first") std::filesystem::resize_file(path, 7);
      return line.size();
    };
    for (const std::string& input : {path, dir}) {
      write(path, "first\nsecond\nthird\n");
      EXPECT_SAYS(path + " became shorter while it was read", sc.textFile(input, 1).coalesce(1).map(sluice::with(cutIt, path)).collect());
    }
    write(path, "first\nsecond\nthird\n");
    EXPECT_SAYS(path + " became shorter while it was read", sc.textFile(path, 1).map(sluice::with(cutIt, path)).take(1));
  });
}

// Its reader has come to its end, or stopped before it: what it gave are views all the same.
TEST(TextFile, AFileThatIsCutAfterItWasReadFailsTheJob) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory(), path = dir + "/1", other = dir + "/2";
    write(other, "after it\n");
    auto cutIt = [](sluice::Iterator<std::string_view>& lines, const std::string& path) {
      std::vector<std::size_t> sizes;
      for (std::string_view line : lines) {
        if (line == "after it") std::filesystem::resize_file(path, 7);
        sizes.push_back(line.size());
      }
      return sizes;
    };
    auto onlyFirst = [](sluice::Iterator<std::string_view>& lines) { return std::vector<std::string_view>{lines.next()}; };
    for (bool whole : {true, false}) {
      write(path, "first\nsecond\nthird\n");
      auto begin = whole ? sc.textFile(path, 1) : sc.textFile(path, 1).mapPartitions(onlyFirst);
      EXPECT_SAYS(path + " became shorter while it was read",
                  begin.union_(sc.textFile(other, 1)).coalesce(1).mapPartitions(sluice::with(cutIt, path)).collect());
    }
  });
}

TEST(ObjectFiles, TornDamagedAndForeignOnesAreOneLine) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory(), part = dir + "/numbers/part-00000";
    sc.parallelize(std::vector<int>{1, 2, 3}, 1).saveAsObjectFile(dir + "/numbers");
    std::string good = bytesOf(part);
    write(part, good.substr(0, good.size() - 5));
    EXPECT_SAYS(part + " is cut short", sc.objectFile<int>(part).collect());
    std::string flipped = good;
    flipped[40] = char(flipped[40] ^ 1);
    write(part, flipped);
    EXPECT_SAYS(part + ": rows on disk are damaged (checksum)", sc.objectFile<int>(part).collect());
    write(part, "not ours");
    EXPECT_SAYS(part + " is no object file", sc.objectFile<int>(part).collect());
    write(part, "");
    EXPECT_SAYS(part + " is no object file", sc.objectFile<int>(part).collect());
    EXPECT_SAYS("objectFile: " + dir + "/nothing: No such file", sc.objectFile<int>(dir + "/nothing"));
    EXPECT_SAYS("saveAsObjectFile: " + dir + "/numbers exists already; name a new directory, or remove it",
                sc.parallelize(std::vector<int>{1}, 1).saveAsObjectFile(dir + "/numbers"));
    EXPECT_SAYS("saveAsObjectFile: the directory has no name", sc.parallelize(std::vector<int>{1}, 1).saveAsObjectFile(""));
  });
}

std::string compressed(sluice::Compression compression, std::string_view text) {
  auto compressor = sluice::Compressor::make(compression);
  sluice::Buffer out;
  compressor->add(text, out);
  compressor->finish(out);
  return std::string(out.view());
}

constexpr sluice::Compression kCompressions[] = {sluice::Compression::kGzip, sluice::Compression::kZstd, sluice::Compression::kLz4};

TEST(CompressedText, IsReadByItsSuffixAsOnePartitionAFile) {
  std::string dir = temporaryDirectory();
  std::string text;
  for (int i = 0; i < 30'000; ++i) text += "line number " + std::to_string(i) + (i % 5 ? "\n" : "\r\n");
  for (auto compression : kCompressions) {
    write(dir + "/log" + sluice::extensionOf(compression), compressed(compression, text) + compressed(compression, "the end, without a newline"));
  }
  everywhere([&](const Context& sc) {
    for (auto compression : kCompressions) {
      SCOPED_TRACE(sluice::extensionOf(compression));
      auto lines = sc.textFile(dir + "/log" + sluice::extensionOf(compression), 4);
      EXPECT_EQ(lines.getNumPartitions(), 1);
      // Held by the function: they must last.
      auto parts = lines.glom().collect();
      ASSERT_EQ(parts.size(), 1u);
      ASSERT_EQ(parts[0].size(), 30'001u);
      for (int i = 0; i < 30'000; ++i) ASSERT_EQ(parts[0][std::size_t(i)], "line number " + std::to_string(i));
      EXPECT_EQ(parts[0].back(), "the end, without a newline");
    }
    EXPECT_EQ(sc.textFile(dir + "/log.*").count(), 3 * 30'001);
  });
}

// Larger than what a task may hold in memory: the rest lies on the disk while it is read. Lines may be longer than any window.
TEST(CompressedText, LongTextsAndLongLines) {
  std::string dir = temporaryDirectory();
  std::string text;
  for (int i = 0; i < 40; ++i) text += std::string(1'500'000, char('a' + i % 26)) + "\n";
  write(dir + "/long.zst", compressed(sluice::Compression::kZstd, text));
  for (Shape shape : {Shape::kLocal1, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    auto parts = cluster.context().textFile(dir + "/long.zst").mapPartitions([](auto& lines) {
      std::vector<std::string_view> held;
      while (lines.hasNext()) held.push_back(lines.next());
      std::vector<std::pair<std::int64_t, char>> found;
      for (auto line : held) found.emplace_back(std::int64_t(line.size()), line.find_first_not_of(line[0]) == line.npos ? line[0] : '?');
      return found;
    }).collect();
    ASSERT_EQ(parts.size(), 40u);
    for (int i = 0; i < 40; ++i) EXPECT_EQ(parts[std::size_t(i)], std::pair(std::int64_t(1'500'000), char('a' + i % 26)));
  }
}

TEST(CompressedText, IsWrittenWithItsSuffix) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory();
    std::vector<int> numbers;
    for (int i = 0; i < 5000; ++i) numbers.push_back(i);
    for (auto compression : kCompressions) {
      std::string out = dir + "/out" + sluice::extensionOf(compression);
      sc.parallelize(numbers, 2).saveAsTextFile(out, compression);
      EXPECT_TRUE(std::filesystem::exists(out + "/part-00001" + sluice::extensionOf(compression)));
      EXPECT_FALSE(std::filesystem::exists(out + "/part-00001"));
      EXPECT_TRUE(std::filesystem::exists(out + "/_SUCCESS"));
      EXPECT_EQ(sc.textFile(out).map([](std::string_view line) { return std::stoi(std::string(line)); }).collect(), numbers);
    }
  });
}

TEST(CompressedText, TornAndDamagedFilesAreOneLine) {
  everywhere([](const Context& sc) {
    std::string dir = temporaryDirectory();
    for (auto compression : kCompressions) {
      std::string path = dir + "/log" + sluice::extensionOf(compression), good = compressed(compression, "some text\nof two lines\n");
      write(path, good.substr(0, good.size() - 3));
      EXPECT_SAYS(path + " is cut short: it ends in the middle of compressed data", sc.textFile(path).count());
      write(path, good + "and something else");
      EXPECT_SAYS(path + " is damaged: it cannot be decompressed (", sc.textFile(path).count());
      write(path, "not compressed at all\n");
      EXPECT_SAYS(path + " is damaged: it cannot be decompressed (", sc.textFile(path).count());
      EXPECT_SAYS(path + " is damaged: it cannot be decompressed (", sc.wholeTextFiles(path).count());
      write(path, "");
      EXPECT_EQ(sc.textFile(path).count(), 0);
    }
    write(dir + "/log.bz2", "BZh9");
    EXPECT_SAYS("textFile: " + dir + "/log.bz2: files compressed as bz2 are not read; compress them as .gz, .zst or .lz4", sc.textFile(dir + "/log.bz2"));
    EXPECT_SAYS("wholeTextFiles: " + dir + "/log.bz2: files compressed as bz2", sc.wholeTextFiles(dir + "/log.bz2"));
  });
}

using Files = std::vector<std::pair<std::string, std::string>>;

TEST(WholeFiles, AreRecordsOfPathAndContent) {
  std::string dir = temporaryDirectory();
  write(dir + "/a.txt", "to be\nor not\n");
  write(dir + "/b.bin", std::string("\0\r\n\xff", 4));
  write(dir + "/empty", "");
  write(dir + "/.hidden", "no");
  write(dir + "/_hidden", "no");
  write(dir + "/zip.gz", compressed(sluice::Compression::kGzip, "to be decompressed"));
  everywhere([&](const Context& sc) {
    auto sorted = [](Files files) {
      std::sort(files.begin(), files.end());
      return files;
    };
    Files texts{{dir + "/a.txt", "to be\nor not\n"}, {dir + "/b.bin", std::string("\0\r\n\xff", 4)}, {dir + "/empty", ""}, {dir + "/zip.gz", "to be decompressed"}};
    EXPECT_EQ(sorted(sc.wholeTextFiles(dir).collect()), texts);
    Files bytes = texts;
    bytes[3].second = bytesOf(dir + "/zip.gz");
    EXPECT_EQ(sorted(sc.binaryFiles(dir).collect()), bytes);
    EXPECT_EQ(sc.binaryFiles(dir + "/a*").map([](const std::pair<std::string, std::string>& file) { return file.second.size(); }).collect(),
              (std::vector<std::size_t>{13}));
    EXPECT_SAYS("wholeTextFiles: " + dir + "/none: No such file", sc.wholeTextFiles(dir + "/none"));
    EXPECT_SAYS("binaryFiles: '': no path is named", sc.binaryFiles(""));
  });
}

TEST(WholeFiles, SmallOnesShareATask) {
  std::string dir = temporaryDirectory();
  for (int i = 0; i < 100; ++i) write(dir + "/" + std::to_string(i), std::string(100, 'x'));
  everywhere([&](const Context& sc) {
    auto files = sc.wholeTextFiles(dir, 4);
    EXPECT_GE(files.getNumPartitions(), 4);
    EXPECT_LE(files.getNumPartitions(), 6);
    EXPECT_EQ(files.count(), 100);
    EXPECT_EQ(sc.wholeTextFiles(dir, 1).getNumPartitions(), 1);
  });
}

TEST(BinaryRecords, AreOfOneLengthAndReadInRanges) {
  std::string dir = temporaryDirectory(), bytes;
  for (std::int32_t i = 0; i < 10'000; ++i) bytes.append(reinterpret_cast<const char*>(&i), 4).append("abc");
  write(dir + "/records", bytes);
  everywhere([&](const Context& sc) {
    auto records = sc.binaryRecords(dir + "/records", 7);
    auto numbers = records.map([](std::string_view record) {
      std::int32_t number = 0;
      record.copy(reinterpret_cast<char*>(&number), 4);
      return record.substr(4) == "abc" ? number : -1;
    });
    std::vector<std::int32_t> want(10'000);
    for (std::int32_t i = 0; i < 10'000; ++i) want[std::size_t(i)] = i;
    EXPECT_EQ(numbers.collect(), want);
    EXPECT_EQ(records.first(), std::string("\0\0\0\0abc", 7));
    EXPECT_EQ(sc.binaryRecords(dir + "/records", 70'000).count(), 1);
    EXPECT_SAYS("binaryRecords: " + dir + "/records: has 70000 bytes, which is no multiple of the record length 6", sc.binaryRecords(dir + "/records", 6));
    EXPECT_SAYS("binaryRecords: the record length is 0; it must be above 0", sc.binaryRecords(dir + "/records", 0));
    EXPECT_SAYS("binaryRecords: the record length is -7; it must be above 0", sc.binaryRecords(dir + "/records", -7));
  });
}

}  // namespace
}  // namespace file_inputs
