// Compressed bytes: hostile ones, in steps of any size; and what is compressed comes back.
#include <algorithm>
#include <vector>

#include "common/compression.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace sluice;  // NOLINT

constexpr std::size_t kMostMade = 1 << 20;  // bombs are left alone from here on

struct Made {
  std::string text;
  bool ok = true, whole = false, stopped = false;
};

// As CompressedFile reads: until nothing moves any more.
Made decompress(Compression compression, std::string_view bytes, std::size_t piece, std::size_t room) {
  auto decompressor = Decompressor::make(compression);
  std::vector<char> out(room);
  Made all;
  while (!all.stopped) {
    std::string_view some = bytes.substr(0, piece);
    bytes.remove_prefix(some.size());
    for (;;) {
      std::size_t before = some.size(), made = 0;
      auto status = decompressor->step(some, out.data(), room, made);
      fuzz::require(made <= room, "no more is made than there is room for");
      fuzz::require(some.size() <= before, "bytes are taken, not given");
      all.text.append(out.data(), made);
      all.ok = status.ok() && (made != 0 || some.size() != before || some.empty());
      fuzz::require(status.ok() || !status.message().empty(), "a refusal says why");
      all.stopped = !all.ok || all.text.size() > kMostMade;
      if (all.stopped || (made == 0 && some.empty())) break;
    }
    if (bytes.empty()) break;
  }
  all.whole = all.ok && decompressor->whole();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  std::size_t piece = std::size_t(in.byte()) + 1, room = std::size_t(in.byte()) * 16 + 1;
  auto compression = mode % 3 == 0 ? Compression::kGzip : mode % 3 == 1 ? Compression::kZstd : Compression::kLz4;
  std::string_view bytes = in.rest();
  if (mode / 3 % 2 == 1) {
    Buffer out;
    auto compressor = Compressor::make(compression);
    for (std::string_view left = bytes; !left.empty(); left.remove_prefix(std::min(piece, left.size()))) compressor->add(left.substr(0, piece), out);
    compressor->finish(out);
    std::string twice = std::string(out.view()) + std::string(out.view());
    Made made = decompress(compression, twice, piece, room);
    fuzz::require(made.whole && made.text == std::string(bytes) + std::string(bytes), "what is compressed comes back, and members may follow each other");
    Made torn = decompress(compression, out.view().substr(0, out.size() - 1 - mode % out.size()), piece, room);
    fuzz::require(!torn.whole || torn.text.empty() || torn.text == bytes, "a torn stream is not whole");
    return 0;
  }
  Made pieces = decompress(compression, bytes, piece, room), atOnce = decompress(compression, bytes, bytes.size() + 1, 64 << 10);
  if (pieces.whole && atOnce.whole) fuzz::require(pieces.text == atOnce.text, "pieces do not matter");
  return 0;
}
