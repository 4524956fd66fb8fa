// Object files: what is written is read back, the format is fixed, and no bytes do harm.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/schema.h"
#include "sluice/typed.h"
#include "worker/executor/object_file.h"

namespace sluice::executor::testing {
namespace {

using Count = std::pair<std::string, std::int64_t>;

template <class T> std::string rowsOf(const std::vector<T>& records) {
  Buffer out;
  typeDesc<T>()->encode(records.data(), records.size(), out);
  return std::string(out.view());
}

template <class T> std::string fileOf(const std::vector<std::vector<T>>& blocks) {
  std::string file;
  ObjectFileWriter writer(schemaOf<T>(), [&](std::string_view bytes) { file += bytes; });
  for (const auto& block : blocks) writer.add(rowsOf(block), block.size());
  writer.finish();
  return file;
}

template <class T> std::vector<T> recordsOf(const ObjectFileReader& reader, std::size_t from = 0, std::size_t to = SIZE_MAX) {
  std::vector<T> records;
  for (std::size_t i = from; i < std::min(to, reader.blocks()); ++i) {
    Buffer room;
    std::string_view rows;
    absl::Status status = reader.read(i, room, rows);
    EXPECT_TRUE(status.ok()) << status;
    RowReader in{rows.data(), rows.data() + rows.size()};
    for (std::uint64_t r = 0; r < reader.blockRows(i); ++r) records.push_back(Codec<T>::get(in));
    EXPECT_EQ(in.at, in.end);
  }
  return records;
}

// What the reader says of these bytes, to the last block.
std::string verdict(std::string_view file) {
  ObjectFileReader reader;
  absl::Status status = ObjectFileReader::open(file, reader);
  for (std::size_t i = 0; status.ok() && i < reader.blocks(); ++i) {
    Buffer room;
    std::string_view rows;
    status = reader.read(i, room, rows);
  }
  return status.ok() ? "good" : std::string(status.message());
}

TEST(ObjectFile, WrittenBlocksAreReadBack) {
  std::vector<std::vector<Count>> blocks{{{"a", 1}, {"b", -2}}, {}, {{"c", 3}}};
  std::vector<Count> large;
  for (int i = 0; i < 5000; ++i) large.emplace_back("word number " + std::to_string(i % 17), i);
  blocks.push_back(large);
  std::string file = fileOf(blocks);
  EXPECT_LT(file.size(), rowsOf(large).size() / 2) << "from 4 KiB on blocks are compressed";
  ObjectFileReader reader;
  ASSERT_TRUE(ObjectFileReader::open(file, reader).ok());
  EXPECT_EQ(reader.schema(), "pair<string,int64>");
  EXPECT_EQ(reader.rows(), 5003u);
  ASSERT_EQ(reader.blocks(), 3u) << "a block without rows is left out";
  EXPECT_EQ(recordsOf<Count>(reader, 0, 1), blocks[0]);
  EXPECT_EQ(recordsOf<Count>(reader, 1, 2), blocks[2]);
  EXPECT_EQ(recordsOf<Count>(reader, 2, 3), large);
}

TEST(ObjectFile, RangesTakeTheBlocksThatStartInThem) {
  std::string file = fileOf<int>({{1, 2}, {3}, {4, 5, 6}});
  ObjectFileReader reader;
  ASSERT_TRUE(ObjectFileReader::open(file, reader).ok());
  for (std::size_t parts = 1; parts < 9; ++parts) {
    std::vector<int> all;
    for (std::size_t p = 0; p < parts; ++p) {
      auto some = recordsOf<int>(reader, reader.blockFrom(file.size() * p / parts), reader.blockFrom(file.size() * (p + 1) / parts));
      all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(all, (std::vector<int>{1, 2, 3, 4, 5, 6})) << parts;
  }
}

TEST(ObjectFile, EmptyAndWordless) {
  EXPECT_EQ(verdict(fileOf<Count>({})), "good");
  std::string file = fileOf<Unit>({{Unit(), Unit(), Unit()}});
  ObjectFileReader reader;
  ASSERT_TRUE(ObjectFileReader::open(file, reader).ok());
  EXPECT_EQ(reader.rows(), 3u);
  EXPECT_EQ(verdict(file), "good");
}

// The file in the tree was written by version 1: it must be read for ever, and written to the byte for as long as this is version 1.
TEST(ObjectFile, FormatIsThatOfTheGoldenFile) {
  std::vector<std::vector<Count>> blocks{{{"gate", 1}, {"sluice", -2}}, {{"", INT64_MAX}}};
  std::string path = SLUICE_GOLDEN "/object-file-1.bin";
  if (std::getenv("SLUICE_WRITE_GOLDEN")) std::ofstream(path, std::ios::binary) << fileOf(blocks);
  std::ifstream in(path, std::ios::binary);
  std::string golden((std::istreambuf_iterator<char>(in)), {});
  ASSERT_FALSE(golden.empty()) << path;
  EXPECT_TRUE(golden == fileOf(blocks)) << "the format changed: give it another version";
  ObjectFileReader reader;
  ASSERT_TRUE(ObjectFileReader::open(golden, reader).ok());
  EXPECT_EQ(recordsOf<Count>(reader), (std::vector<Count>{{"gate", 1}, {"sluice", -2}, {"", INT64_MAX}}));
}

TEST(ObjectFile, TornAtAnyByte) {
  std::string file = fileOf<Count>({{{"a", 1}, {"b", 2}}, {{"c", 3}}});
  for (std::size_t n = 0; n < file.size(); ++n) {
    std::string why = verdict(std::string_view(file).substr(0, n));
    EXPECT_TRUE(n < 8 ? why == "is no object file" : why == "is cut short" || why == "is damaged (index)") << n << ": " << why;
  }
  EXPECT_NE(verdict(file + "x"), "good");
}

TEST(ObjectFile, AnyFlippedBitIsFound) {
  std::vector<Count> many;
  for (int i = 0; i < 400; ++i) many.emplace_back("the same words again and again", i % 3);
  std::string file = fileOf<Count>({{{"a", 1}}, many});
  for (std::size_t i = 0; i < file.size(); ++i) {
    std::string broken = file;
    broken[i] = char(broken[i] ^ (1 << (i % 8)));
    EXPECT_NE(verdict(broken), "good") << "byte " << i;
  }
}

TEST(ObjectFile, ForeignBytesGiveOneLine) {
  EXPECT_EQ(verdict(""), "is no object file");
  EXPECT_EQ(verdict("SEQ\x06 something of somebody else's"), "is no object file");
  EXPECT_EQ(verdict("SLOBJECT"), "is cut short");
  std::string newer = fileOf<int>({{1}});
  newer[8] = 2;
  EXPECT_EQ(verdict(newer), "was written by another version of Sluice");
  std::mt19937_64 random(5);
  std::string file = fileOf<Count>({{{"a", 1}, {"b", 2}}, {{"c", 3}}});
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = file;
    for (int changes = int(random() % 4) + 1; changes > 0; --changes) bytes[random() % bytes.size()] = char(random());
    if (random() % 3 == 0) bytes.resize(random() % (bytes.size() + 1));
    verdict(bytes);
  }
}

struct Reading {
  std::string sensor;
  double value = 0;
  std::vector<std::int16_t> raw;
  char unit[4] = {};
  SLUICE_FIELDS(Reading, sensor, value, raw, unit)
};
struct Tree {
  int label = 0;
  std::vector<Tree> children;
  SLUICE_FIELDS(Tree, label, children)
};
enum class Colour : std::uint8_t { kRed };
template <class Text> struct Event {
  Text name;
  Time at;
  SLUICE_FIELDS(Event, name, at)
};

TEST(Schema, SaysWhatRowsLookLike) {
  EXPECT_EQ(schemaOf<int>(), "int32");
  EXPECT_EQ(schemaOf<long>(), "int64");
  EXPECT_EQ(schemaOf<long long>(), "int64");
  EXPECT_EQ(schemaOf<std::string_view>(), "string");
  EXPECT_EQ(schemaOf<bool>() + schemaOf<char>() + schemaOf<float>(), "boolcharfloat");
  EXPECT_EQ((schemaOf<std::tuple<int, std::optional<std::string>, std::variant<double, Unit>>>()), "tuple<int32,optional<string>,variant<double,unit>>");
  EXPECT_EQ((schemaOf<std::map<std::string, std::set<Colour>>>()), "map<string,set<enum uint8>>");
  EXPECT_EQ((schemaOf<std::pair<Duration, std::array<std::uint16_t, 3>>>()), "pair<duration,uint16[3]>");
  EXPECT_EQ(schemaOf<Reading>(), "Reading{sensor:string,value:double,raw:vector<int16>,unit:char[4]}");
  EXPECT_EQ(schemaOf<Tree>(), "Tree{label:int32,children:vector<Tree>}");
  EXPECT_EQ(schemaOf<Event<std::string_view>>(), "Event{name:string,at:time}");
  EXPECT_EQ(schemaOf<Event<std::string_view>>(), schemaOf<Event<std::string>>());
  EXPECT_EQ(schemaOf<std::tuple<>>(), "tuple<>");
}

}  // namespace
}  // namespace sluice::executor::testing
