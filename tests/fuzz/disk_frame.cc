// Frames of spill and checkpoint files: as they come, and with a checksum that was made right.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "tests/fuzz/fuzz.h"
#include "worker/executor/rows_format.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT

void seal(std::string& frame) {
  if (frame.size() < sizeof(FrameHeader)) return;
  FrameHeader header;
  std::memcpy(&header, frame.data(), sizeof header);
  header.magic = FrameHeader::kMagic;
  header.stored = frame.size() - sizeof header;
  header.checksum = 0;
  header.checksum = XXH3_64bits_withSeed(frame.data() + sizeof header, header.stored, XXH3_64bits(&header, sizeof header));
  std::memcpy(frame.data(), &header, sizeof header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  std::string bytes(in.rest());
  Buffer rows;
  std::uint64_t count = 0;
  if (mode % 3 == 2) {  // what is written is read back
    Buffer frame;
    appendFrame(bytes, size, frame);
    fuzz::require(readFrame(frame.view(), rows, count).ok() && rows.view() == bytes && count == size, "a frame is read back");
    return 0;
  }
  if (mode % 3 == 1) seal(bytes);
  if (readFrame(bytes, rows, count).ok()) fuzz::require(rows.size() / 256 <= bytes.size(), "rows are at most 256 times what is stored");
  return 0;
}
