// How encoded rows lie on disk: frames, each with a header that is checked before anything is believed. Spill files and
// checkpoint files are made of them; worker/README.md has the layout.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "sluice/abi.h"
#include "sluice/buffer.h"

namespace sluice::executor {

struct FrameHeader {
  static constexpr std::uint32_t kMagic = 0x31'52'4c'53;  // "SLR1"
  enum Compression : std::uint32_t { kPlain = 0, kLz4 = 1 };
  std::uint32_t magic = kMagic;
  std::uint32_t compression = kPlain;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;     // of the rows
  std::uint64_t stored = 0;    // of the payload that follows
  std::uint64_t checksum = 0;  // xxh3 of the payload, seeded by that of the header with this field 0
};
static_assert(sizeof(FrameHeader) == 40);

inline constexpr std::size_t kCompressFrom = 4096;

// Appends one frame.
SLUICE_INTERNAL void appendFrame(std::string_view rows, std::uint64_t count, Buffer& out);
// The rows of a whole frame: a view into it, or into `room` where they had to be decompressed (appended there). kDataLoss if it is not
// what was written; allocates no more than 256 times the frame's bytes.
SLUICE_INTERNAL absl::Status viewFrame(std::string_view frame, Buffer& room, std::string_view& rows, std::uint64_t& count);
// Reads a whole frame (header and payload) back. kDataLoss if it is not what was written.
SLUICE_INTERNAL absl::Status readFrame(std::string_view frame, Buffer& rows, std::uint64_t& count);

}  // namespace sluice::executor
