// Compressed text: streams of gzip members, zstd frames or lz4 frames, of which any number may follow each other.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/compression.h"

namespace sluice {

// By what the name ends in: .gz, .zst, .lz4; else kNone.
SLUICE_INTERNAL Compression compressionOf(std::string_view path);
// ".gz", or nothing.
SLUICE_INTERNAL const char* extensionOf(Compression compression);
// Why a file of this name cannot be read as text, though it looks like one (.bz2 and other forms that we do not have); empty: it can.
SLUICE_INTERNAL std::string cannotDecompress(std::string_view path);

// One stream; one thread. Memory is bounded whatever the bytes say: windows above 128 MiB are refused.
class SLUICE_INTERNAL Decompressor {
 public:
  static std::unique_ptr<Decompressor> make(Compression compression);  // not kNone
  virtual ~Decompressor();
  // Takes from the front of `in` and makes up to `room` bytes; `made` may be 0. Error: in is no such stream, or is damaged.
  virtual absl::Status step(std::string_view& in, char* out, std::size_t room, std::size_t& made) = 0;
  // Whether the bytes so far could be all of a file: they do not end inside a member or frame.
  virtual bool whole() const = 0;
};

class SLUICE_INTERNAL Compressor {
 public:
  static std::unique_ptr<Compressor> make(Compression compression);  // not kNone
  virtual ~Compressor();
  // Appends what is ready to `out`.
  virtual void add(std::string_view bytes, Buffer& out) = 0;
  // Ends the member or frame.
  virtual void finish(Buffer& out) = 0;
};

}  // namespace sluice
