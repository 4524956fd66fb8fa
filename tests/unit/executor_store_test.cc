// Objects under a tiny budget, segments and their passes, text lines, state files.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "executor_fleet.h"
#include "worker/executor/state_file.h"
#include "worker/executor/published_files.h"
#include "worker/executor/rows_cursor.h"
#include "worker/executor/rows_format.h"
#include "worker/executor/rows_writer.h"
#include "worker/executor/text_lines.h"

namespace sluice::executor::testing {
namespace {

using Pair = std::pair<std::string, std::int64_t>;
using PairView = std::pair<std::string_view, std::int64_t>;

std::vector<Pair> somePairs(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < n; ++i) pairs.emplace_back("key-" + std::to_string(random() % 1000), std::int64_t(i));
  return pairs;
}

template <class T> void writeAll(SegmentWriter& writer, std::vector<T>& records) {
  for (std::size_t at = 0; at < records.size(); at += 100) writer.write({records.data() + at, std::min<std::size_t>(100, records.size() - at)});
}

template <class T> std::vector<T> readAll(const TypeDesc& type, const std::vector<RowsPtr>& lists, BucketRange range, Store& store) {
  PinBag pins;
  RowsCursor cursor(type, lists, range, store, pins);
  std::vector<T> records;
  Chunk chunk;
  while (cursor.next(chunk)) {
    for (std::size_t i = 0; i < chunk.size; ++i) records.push_back(T(chunk.as<T>()[i]));
  }
  return records;
}

Bytes bytesOf(std::size_t n, char c) { return Bytes::of(std::string(n, c)); }

TEST(Store, TheOldestGoToDiskInOrderOfKind) {
  TemporaryFolder folder;
  Store store(100'000, folder.path());
  auto state = store.put(ObjectKind::kState, bytesOf(40'000, 's'), 1);
  auto kept = store.put(ObjectKind::kKept, bytesOf(40'000, 'k'), 1);
  EXPECT_FALSE(store.over());
  auto older = store.put(ObjectKind::kBlock, bytesOf(40'000, 'o'), 1);
  auto newer = store.put(ObjectKind::kBlock, bytesOf(40'000, 'n'), 1);
  EXPECT_TRUE(store.over());
  store.makeRoom();
  EXPECT_FALSE(store.over());
  EXPECT_EQ(store.usedBytes(), 80'000);
  Pin pin;
  EXPECT_FALSE(store.pinInMemory(older, pin));
  EXPECT_FALSE(store.pinInMemory(newer, pin));
  EXPECT_TRUE(store.pinInMemory(kept, pin));
  EXPECT_TRUE(store.pinInMemory(state, pin));
  ASSERT_TRUE(store.pin(older, pin));
  EXPECT_EQ(pin.view(), std::string(40'000, 'o'));
  EXPECT_EQ(store.usedBytes(), 120'000);  // what is read back counts while it is pinned
  pin = {};
  EXPECT_EQ(store.usedBytes(), 80'000);
  kept.reset(), state.reset(), older.reset();
  EXPECT_EQ(store.usedBytes(), 0);
  ASSERT_TRUE(store.pin(newer, pin));
  EXPECT_EQ(pin.view().size(), 40'000u);
}

TEST(Store, WhatIsLeftBehindGoesToDiskFirst) {
  TemporaryFolder folder;
  Store store(50'000, folder.path());
  auto block = store.put(ObjectKind::kBlock, bytesOf(30'000, 'b'), 1);
  Rows left;
  left.add({store.put(ObjectKind::kSegment, bytesOf(30'000, 'l'), 1)});
  store.demote(left);
  store.makeRoom();
  Pin pin;
  EXPECT_TRUE(store.pinInMemory(block, pin));
  EXPECT_FALSE(store.pinInMemory(left.pieces[0].object, pin));
  store.demote(left);  // of what lies on disk: nothing
  ASSERT_TRUE(store.pin(left.pieces[0].object, pin));
  EXPECT_EQ(pin.view(), std::string(30'000, 'l'));
}

TEST(Store, AFullDiskIsGivenWhatCanBeDoneWithout) {
  TemporaryFolder folder;
  std::string directory = folder.path() + "/spills";
  Store store(50'000, directory);  // which is not there: nothing can be written
  auto block = store.put(ObjectKind::kBlock, bytesOf(60'000, 'b'), 1);
  int asked = 0;
  store.onFull([&] { return ++asked < 3 ? true : false; });
  EXPECT_THROW(store.makeRoom(), Error);
  EXPECT_EQ(asked, 3) << "tried again as long as something was let go";
  Pin pin;
  EXPECT_TRUE(store.pinInMemory(block, pin)) << "and then it is as before";
  pin = {};
  // Others may have let go while this one wrote: it tries again before it asks.
  store.onFull([&] { return std::filesystem::create_directory(directory); });
  store.makeRoom();
  EXPECT_FALSE(store.over());
  ASSERT_TRUE(store.pin(block, pin));
  EXPECT_EQ(pin.view(), std::string(60'000, 'b'));
}

TEST(Store, WhatIsForTheDiskGoesThereAtOnce) {
  TemporaryFolder folder;
  Store store(1'000'000, folder.path());
  Rows rows;
  rows.add({store.put(ObjectKind::kKept, bytesOf(30'000, 'd'), 1)});
  auto stays = store.put(ObjectKind::kKept, bytesOf(30'000, 'm'), 1);
  store.moveOut(rows);
  EXPECT_EQ(store.usedBytes(), 30'000);
  Pin pin;
  EXPECT_FALSE(store.pinInMemory(rows.pieces[0].object, pin));
  ASSERT_TRUE(store.pin(rows.pieces[0].object, pin));
  EXPECT_EQ(pin.view(), std::string(30'000, 'd'));
  EXPECT_TRUE(store.pinInMemory(stays, pin));
}

TEST(Store, PinnedObjectsStayAndDroppableOnesAreForgotten) {
  TemporaryFolder folder;
  Store store(50'000, folder.path());
  auto pinned = store.put(ObjectKind::kBlock, bytesOf(30'000, 'p'), 1);
  Pin pin;
  ASSERT_TRUE(store.pin(pinned, pin));
  auto cache = store.put(ObjectKind::kKept, bytesOf(30'000, 'c'), 1, true);
  store.makeRoom();
  Pin other;
  EXPECT_TRUE(store.pinInMemory(pinned, other));
  EXPECT_FALSE(store.pin(cache, other));
  Rows rows;
  rows.add({cache});
  EXPECT_FALSE(store.present(rows));
  EXPECT_EQ(store.spilledBytes(), 0u);
}

TEST(Store, DamageOnDiskIsFound) {
  Buffer frame, rows;
  std::string text(10'000, 'x');
  appendFrame(text, 7, frame);
  EXPECT_LT(frame.size(), 1000u);  // compressed
  std::uint64_t count = 0;
  ASSERT_TRUE(readFrame(frame.view(), rows, count).ok());
  EXPECT_EQ(count, 7u);
  EXPECT_EQ(rows.view(), text);
  for (std::size_t i = 0; i < frame.size(); i += 7) {
    frame.data()[i] ^= 1;
    Buffer to;
    absl::Status status = readFrame(frame.view(), to, count);
    EXPECT_FALSE(status.ok()) << i;
    frame.data()[i] ^= 1;
  }
  EXPECT_FALSE(readFrame(frame.view().substr(0, frame.size() - 1), rows, count).ok());
}

TEST(Segments, RoundTripByReducer) {
  TemporaryFolder folder;
  Store store(1 << 20, folder.path());
  std::vector<Pair> pairs = somePairs(5000, 1);
  SegmentWriter writer(*typeDesc<Pair>(), {proto::EXCHANGE_HASH, 4, false}, 1 << 20, store);
  writeAll(writer, pairs);
  auto segments = writer.finish();
  ASSERT_EQ(segments->size(), 4u);
  std::vector<PairView> all;
  for (std::uint32_t reducer = 0; reducer < 4; ++reducer) {
    PinBag pins;
    RowsCursor cursor(*typeDesc<PairView>(), {RowsPtr(segments, &(*segments)[reducer])}, BucketRange{}, store, pins);
    Chunk chunk;
    while (cursor.next(chunk)) {
      std::vector<std::uint64_t> hashes(chunk.size);
      typeDesc<PairView>()->keyHash(chunk.data, chunk.size, hashes.data());
      for (std::size_t i = 0; i < chunk.size; ++i) {
        EXPECT_EQ(partitionOfHash(hashes[i], 4, false), reducer);
        const PairView& record = chunk.as<PairView>()[i];
        EXPECT_EQ(pairs[std::size_t(record.second)].first, record.first);
      }
      all.insert(all.end(), chunk.as<PairView>(), chunk.as<PairView>() + chunk.size);
    }
  }
  EXPECT_EQ(all.size(), pairs.size());
}

TEST(Segments, LargeOnesAreBucketedAndReadInPasses) {
  TemporaryFolder folder;
  Store store(200'000, folder.path());  // less than the data
  std::vector<Pair> pairs = somePairs(60'000, 2);
  SegmentWriter writer(*typeDesc<Pair>(), {proto::EXCHANGE_HASH, 2, true}, 256 << 10, store);
  writeAll(writer, pairs);
  auto segments = writer.finish();
  EXPECT_GT(store.spilledBytes(), 0u);
  EXPECT_FALSE((*segments)[0].pieces.back().whole());
  for (std::uint32_t passes : {1u, 4u, 64u}) {
    std::size_t records = 0;
    std::map<std::string, std::pair<std::uint32_t, std::int64_t>> seen;  // key: pass, last value
    for (std::uint32_t pass = 0; pass < passes; ++pass) {
      BucketRange range{std::uint8_t(pass * 64 / passes), std::uint8_t((pass + 1) * 64 / passes)};
      for (std::uint32_t reducer = 0; reducer < 2; ++reducer) {
        auto found = readAll<Pair>(*typeDesc<Pair>(), {RowsPtr(segments, &(*segments)[reducer])}, range, store);
        records += found.size();
        for (const auto& [key, value] : found) {
          auto [it, fresh] = seen.try_emplace(key, pass, value);
          EXPECT_EQ(it->second.first, pass) << key << " is in two passes";
          if (!fresh) {
            EXPECT_LT(it->second.second, value) << "rows of one key keep their order";
          }
          it->second.second = value;
        }
      }
    }
    EXPECT_EQ(records, pairs.size()) << passes;
  }
}

TEST(Segments, DirectGatherBroadcast) {
  TemporaryFolder folder;
  Store store(1 << 20, folder.path());
  using Direct = std::pair<std::uint32_t, std::string>;
  std::vector<Direct> records{{2, "c"}, {0, "a"}, {2, "d"}};
  SegmentWriter direct(*typeDesc<Direct>(), {proto::EXCHANGE_DIRECT, 3, false}, 1 << 20, store);
  writeAll(direct, records);
  auto segments = direct.finish();
  EXPECT_EQ((*segments)[0].rows, 1u);
  EXPECT_EQ((*segments)[1].rows, 0u);
  auto found = readAll<Direct>(*typeDesc<Direct>(), {RowsPtr(segments, &(*segments)[2])}, {}, store);
  EXPECT_EQ(found, (std::vector<Direct>{{2, "c"}, {2, "d"}}));
  SegmentWriter wrong(*typeDesc<Direct>(), {proto::EXCHANGE_DIRECT, 2, false}, 1 << 20, store);
  EXPECT_THROW(writeAll(wrong, records), Error);
  for (auto kind : {proto::EXCHANGE_GATHER, proto::EXCHANGE_BROADCAST}) {
    SegmentWriter one(*typeDesc<Direct>(), {kind, 1, false}, 1 << 20, store);
    writeAll(one, records);
    auto all = one.finish();
    EXPECT_EQ(readAll<Direct>(*typeDesc<Direct>(), {RowsPtr(all, &(*all)[0])}, {}, store), records);
  }
}

TEST(TextLines, EveryCutOfAFileGivesEachLineOnce) {
  TemporaryFolder folder;
  std::string path = folder.path() + "/text";
  std::vector<std::string> lines;
  std::mt19937_64 random(3);
  std::string text;
  for (int i = 0; i < 300; ++i) {
    lines.push_back(std::string(random() % (i % 50 == 0 ? 500 : 90), char('a' + i % 26)));
    text += lines.back() + (i % 3 == 0 ? "\r\n" : "\n");
  }
  text += "last";
  lines.push_back("last");
  std::ofstream(path) << text;
  std::int64_t size = std::int64_t(text.size());
  for (std::int64_t step : {std::int64_t(1), std::int64_t(37), std::int64_t(500), size}) {
    std::vector<std::string> found;
    for (std::int64_t from = 0; from < size; from += step) {
      MappedText mapped(path, from, std::min(from + step, size));
      std::string_view some[16];
      while (std::size_t n = mapped.next(some, 16, 1 << 20)) {
        for (std::size_t i = 0; i < n; ++i) {
          EXPECT_GE(mapped.offsetOf(some[i].data()), from);
          found.emplace_back(some[i]);
        }
      }
    }
    EXPECT_EQ(found, lines) << step;
  }
  EXPECT_THROW(MappedText(folder.path() + "/none", 0, 0), Error);
  std::ofstream(folder.path() + "/empty");
  MappedText empty(folder.path() + "/empty", 0, 0);
  std::string_view one;
  EXPECT_EQ(empty.next(&one, 1, 100), 0u);
}

TEST(StateFiles, RoundTripAndDamage) {
  TemporaryFolder folder;
  Store store(1 << 20, folder.path());
  std::vector<Pair> pairs = somePairs(30'000, 4);
  RowsWriter writer(*typeDesc<Pair>(), ObjectKind::kState, false, store);
  for (std::size_t at = 0; at < pairs.size(); at += 1000) writer.write({pairs.data() + at, 1000});
  RowsPtr rows = writer.finish();
  std::string path = folder.path() + "/checkpoint/state-1-2-3.rows";
  StateFileWriter written(path);
  written.add("string", *rows, store);  // others may lie before it
  StateRows file = written.add("pair<string,long>", *rows, store);
  EXPECT_GT(file.offset, 0u);
  written.finish();
  EXPECT_EQ(file.rows, pairs.size());
  RowsPtr back = readStateFile(path, file, "pair<string,long>", store);
  EXPECT_EQ(readAll<Pair>(*typeDesc<Pair>(), {back}, {}, store), pairs);
  EXPECT_THROW(readStateFile(path, file, "pair<string,double>", store), Error);
  std::fstream damage(path, std::ios::in | std::ios::out | std::ios::binary);
  damage.seekp(std::int64_t(file.offset + file.bytes / 2));
  damage.put('!');
  damage.close();
  EXPECT_THROW(readStateFile(path, file, "pair<string,long>", store), Error);
}

std::string textOf(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(PublishFile, DoneAgainIsTheSame) {
  TemporaryFolder folder;
  std::string staged = folder.path() + "/.sluice-1-2/part", final = folder.path() + "/out/part-00000";
  std::filesystem::create_directories(folder.path() + "/.sluice-1-2");
  std::ofstream(staged) << "rows";
  publishFile(staged, final);
  publishFile(staged, final);
  EXPECT_EQ(textOf(final), "rows");
  EXPECT_FALSE(std::filesystem::exists(staged));
  EXPECT_THROW(publishFile(staged, folder.path() + "/out/part-00001"), Error);
}

TEST(PublishFile, ARerunReplacesWhatAnEarlierRunLeft) {
  TemporaryFolder folder;
  std::string out = folder.path() + "/out";
  std::filesystem::create_directories(out);
  for (const char* name : {"part-00000", "part-00001", "part-00002.gz", "part-x", "_SUCCESS", "of-somebody-else"}) std::ofstream(out + "/" + name) << "old";
  std::ofstream(folder.path() + "/staged") << "new";
  publishFile(folder.path() + "/staged", out + "/part-00000");
  EXPECT_FALSE(std::filesystem::exists(out + "/_SUCCESS")) << "a mixture of parts is not whole";
  publishMarker(out + "/_SUCCESS", 1, "");
  publishMarker(out + "/_SUCCESS", 1, "");
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(out)) names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"part-00000", "_SUCCESS", "of-somebody-else"}));
  EXPECT_EQ(textOf(out + "/part-00000"), "new");
}

}  // namespace
}  // namespace sluice::executor::testing
