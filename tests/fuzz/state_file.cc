// Files of checkpointed state: hostile bytes that somebody gave a good size and checksum, and files as they are written.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "sluice/error.h"
#include "tests/fuzz/fuzz.h"
#include "worker/executor/rows_format.h"
#include "worker/executor/state_file.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT

constexpr std::size_t kHead = 12;

Store& store() {
  static auto* one = new Store(64 << 20, std::filesystem::temp_directory_path().string());
  return *one;
}

// Makes the checksums of the frames right.
void seal(std::string& file) {
  if (file.size() < kHead) file.resize(kHead);
  file.replace(0, 8, "SLSTATE1");
  file.replace(8, 4, std::string("\1\0\0\0", 4));
  for (std::size_t at = kHead; file.size() - at >= sizeof(FrameHeader);) {
    FrameHeader header;
    std::memcpy(&header, file.data() + at, sizeof(header));
    header.magic = FrameHeader::kMagic, header.checksum = 0;
    header.stored %= file.size() - at - sizeof(header) + 1;
    header.checksum = XXH3_64bits_withSeed(file.data() + at + sizeof(header), header.stored, XXH3_64bits(&header, sizeof(header)));
    std::memcpy(file.data() + at, &header, sizeof(header));
    at += sizeof(header) + header.stored;
  }
}

void hostile(const std::string& bytes, std::uint64_t rows) {
  static fuzz::MemoryFile file;
  std::string path = file.hold(bytes);
  StateRows expected{0, bytes.size(), XXH3_64bits(bytes.data(), bytes.size()), rows};
  try {
    RowsPtr read = readStateFile(path, expected, "T", store());
    fuzz::require(read->rows == rows, "as many rows as were told");
    fuzz::require(read->bytes / 256 <= bytes.size(), "rows are at most 256 times what is stored");
  } catch (const Error& error) {
    fuzz::require(error.kind() == ErrorKind::kLost, "a damaged file is told as lost");
  }
}

// In memory where there is a file system for it: a million syncs of a disk take hours.
const std::string& directory() {
  static std::string path = [] {
    std::string made = (std::filesystem::exists("/dev/shm") ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) + "/sluice-fuzz-XXXXXX";
    fuzz::require(::mkdtemp(made.data()) != nullptr, "there is a temporary folder");
    return made;
  }();
  static struct Remove {
    ~Remove() { std::filesystem::remove_all(path); }
    std::string path;
  } remove{path};
  return path;
}

void roundTrip(fuzz::Input& in) {
  std::string type(in.piece()), all;
  Rows rows;
  while (!in.empty()) {
    std::string piece(in.piece());
    all += piece;
    rows.add({store().put(ObjectKind::kState, Bytes::of(std::move(piece)), in.byte())});
  }
  std::string path = directory() + "/state";
  StateFileWriter writer(path);
  if (rows.rows % 2) writer.add("another", rows, store());  // which lies before it
  StateRows written = writer.add(type, rows, store());
  writer.finish();
  RowsPtr read = readStateFile(path, written, type, store());
  std::string got;
  for (const Piece& piece : read->pieces) {
    Pin pin;
    fuzz::require(store().pin(piece.object, pin), "what was read is there");
    got += pin.view();
  }
  fuzz::require(got == all && read->rows == rows.rows && read->pieces.size() == rows.pieces.size(), "what is written is read back");
  auto refuses = [&](const StateRows& expected, std::string_view name) {
    try {
      readStateFile(path, expected, name, store());
      return false;
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kLost;
    }
  };
  fuzz::require(refuses({written.offset, written.bytes, written.checksum ^ 1, written.rows}, type), "another file than was written is refused");
  fuzz::require(refuses({written.offset, written.bytes, written.checksum, written.rows + 1}, type), "so is another number of rows");
  fuzz::require(refuses({written.offset + 1, written.bytes, written.checksum, written.rows}, type), "so is another place");
  fuzz::require(refuses(written, type + "x"), "and another type");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  if (mode % 4 == 3) return roundTrip(in), 0;
  std::uint64_t rows = in.byte();
  std::string bytes(in.rest());
  if (mode % 4 != 0) seal(bytes);
  hostile(bytes, rows);
  return 0;
}
