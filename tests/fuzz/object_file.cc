// Object files: hostile bytes, also with checksums that were made right, and files as they are written, read whole and in ranges.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "worker/executor/object_file.h"
#include "worker/executor/rows_format.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT

constexpr std::size_t kHead = 16, kSum = 8, kTrailer = 40;

// Makes the checksums of header, blocks and index right, so that what lies behind them is reached.
void seal(std::string& file) {
  if (file.size() < kHead + kSum + kTrailer) return;
  file.replace(0, 8, "SLOBJECT");
  std::uint32_t version = 1, schema;
  std::memcpy(file.data() + 8, &version, 4);
  std::memcpy(&schema, file.data() + 12, 4);
  schema %= std::uint32_t(file.size() - kHead - kSum - kTrailer + 1);
  std::memcpy(file.data() + 12, &schema, 4);
  std::uint64_t header = XXH3_64bits(file.data(), kHead + schema);
  std::memcpy(file.data() + kHead + schema, &header, 8);

  char* trailer = file.data() + file.size() - kTrailer;
  std::uint64_t blocks, index, room = file.size() - kHead - kSum - schema - kTrailer, zero = 0;
  std::memcpy(&blocks, trailer, 8);
  blocks %= room / 16 + 1;
  index = file.size() - kTrailer - blocks * 16;
  std::memcpy(trailer, &blocks, 8);
  std::memcpy(trailer + 16, &index, 8);
  std::memcpy(trailer + 24, &zero, 8);
  std::memcpy(trailer + 32, "SLOBJEND", 8);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    std::uint64_t from, to = index;
    std::memcpy(&from, file.data() + index + i * 16, 8);
    if (i + 1 < blocks) std::memcpy(&to, file.data() + index + (i + 1) * 16, 8);
    if (from > to || to > index || to - from < sizeof(FrameHeader)) continue;
    FrameHeader frame;
    std::memcpy(&frame, file.data() + from, sizeof(frame));
    frame.magic = FrameHeader::kMagic, frame.stored = to - from - sizeof(frame), frame.checksum = 0;
    frame.checksum = XXH3_64bits_withSeed(file.data() + from + sizeof(frame), frame.stored, XXH3_64bits(&frame, sizeof(frame)));
    std::memcpy(file.data() + from, &frame, sizeof(frame));
  }
  std::uint64_t sum = XXH3_64bits_withSeed(file.data() + index, blocks * 16, header);
  sum = XXH3_64bits_withSeed(trailer, kTrailer, sum);
  std::memcpy(trailer + 24, &sum, 8);
}

void readAll(std::string_view file) {
  ObjectFileReader reader;
  if (auto status = ObjectFileReader::open(file, reader); !status.ok()) {
    fuzz::require(!status.message().empty() && status.message().find('\n') == std::string_view::npos, "a refusal is one line");
    return;
  }
  std::uint64_t rows = 0;
  for (std::size_t i = 0; i < reader.blocks(); ++i) {
    fuzz::require(reader.blockFrom(reader.blockStart(i)) == i, "a block is found by where it starts");
    Buffer room;
    std::string_view found;
    rows += reader.blockRows(i);
    if (!reader.read(i, room, found).ok()) continue;
    fuzz::require(room.size() / 256 <= file.size(), "rows are at most 256 times what is stored");
  }
  fuzz::require(rows == reader.rows(), "the rows of a file are those of its blocks");
}

void roundTrip(fuzz::Input& in) {
  struct Block {
    std::string rows;
    std::uint64_t count;
  };
  std::string schema(in.piece()), file;
  std::vector<std::uint64_t> cuts;
  for (int n = in.byte() % 4; n > 0; --n) cuts.push_back(in.byte() * 7u);
  std::vector<Block> blocks;
  ObjectFileWriter writer(schema, [&](std::string_view bytes) { file += bytes; });
  while (!in.empty()) {
    Block block{std::string(in.piece()), in.byte()};
    if (std::uint8_t times = in.byte() % 32; times > 16) {  // long enough to be compressed
      std::string once = block.rows;
      for (int i = 0; i < times * 4; ++i) block.rows += once;
    }
    block.count = block.rows.empty() ? block.count : std::min<std::uint64_t>(block.count, block.rows.size());
    writer.add(block.rows, block.count);
    if (block.count != 0) blocks.push_back(std::move(block));
  }
  writer.finish();
  ObjectFileReader reader;
  fuzz::require(ObjectFileReader::open(file, reader).ok(), "what is written can be opened");
  fuzz::require(reader.schema() == schema && reader.blocks() == blocks.size(), "with its schema and blocks");
  std::sort(cuts.begin(), cuts.end());
  cuts.push_back(file.size());
  std::size_t next = 0;
  for (std::uint64_t to : cuts) {  // ranges, one after the other: each block in one of them
    for (std::size_t end = reader.blockFrom(to); next < end; ++next) {
      Buffer room;
      std::string_view rows;
      fuzz::require(reader.read(next, room, rows).ok(), "what is written can be read");
      fuzz::require(rows == blocks[next].rows && reader.blockRows(next) == blocks[next].count, "and is what was written");
    }
  }
  fuzz::require(next == blocks.size(), "ranges cover the file");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  if (mode % 3 == 2) return roundTrip(in), 0;
  std::string file(in.rest());
  if (mode % 3 == 1) seal(file);
  readAll(file);
  return 0;
}
