#include "worker/executor/rows_format.h"

#include <lz4.h>
#include <xxhash.h>

#include <cstring>

namespace sluice::executor {

namespace {

constexpr std::uint64_t kMostCompression = 256;  // of lz4; a larger size in a header is damage

// Covers the header too.
std::uint64_t checksumOf(FrameHeader header, const char* payload) {
  header.checksum = 0;
  return XXH3_64bits_withSeed(payload, header.stored, XXH3_64bits(&header, sizeof(header)));
}

}  // namespace

void appendFrame(std::string_view rows, std::uint64_t count, Buffer& out) {
  FrameHeader header;
  header.rows = count;
  header.bytes = header.stored = rows.size();
  std::size_t start = out.size();
  out.reserve(sizeof(header));
  out.advance(sizeof(header));
  if (rows.size() >= kCompressFrom && rows.size() <= LZ4_MAX_INPUT_SIZE) {
    int bound = LZ4_compressBound(int(rows.size()));
    int stored = LZ4_compress_default(rows.data(), out.reserve(std::size_t(bound)), int(rows.size()), bound);
    if (stored > 0 && std::size_t(stored) < rows.size()) {
      header.compression = FrameHeader::kLz4;
      header.stored = std::uint64_t(stored);
    }
  }
  if (header.compression == FrameHeader::kPlain && !rows.empty()) {
    std::memcpy(out.reserve(rows.size()), rows.data(), rows.size());
  }
  out.advance(header.stored);
  header.checksum = checksumOf(header, out.data() + start + sizeof(header));
  std::memcpy(out.data() + start, &header, sizeof(header));
}

absl::Status viewFrame(std::string_view frame, Buffer& room, std::string_view& rows, std::uint64_t& count) {
  FrameHeader header;
  if (frame.size() < sizeof(header)) return absl::DataLossError("rows on disk end inside a header");
  std::memcpy(&header, frame.data(), sizeof(header));
  std::string_view payload = frame.substr(sizeof(header));
  if (header.magic != FrameHeader::kMagic) return absl::DataLossError("no rows where some were written (wrong magic)");
  if (payload.size() != header.stored) return absl::DataLossError("rows on disk are cut short");
  if (checksumOf(header, payload.data()) != header.checksum || header.bytes / kMostCompression > header.stored) {
    return absl::DataLossError("rows on disk are damaged (checksum)");
  }
  if (header.compression == FrameHeader::kPlain) {
    if (header.bytes != header.stored) return absl::DataLossError("rows on disk have a wrong size");
    rows = payload;
  } else if (header.compression == FrameHeader::kLz4) {
    bool fits = header.bytes <= LZ4_MAX_INPUT_SIZE && header.stored <= LZ4_MAX_INPUT_SIZE;
    char* to = fits ? room.reserve(header.bytes) : nullptr;
    if (!fits || LZ4_decompress_safe(payload.data(), to, int(payload.size()), int(header.bytes)) != int(header.bytes)) {
      return absl::DataLossError("rows on disk do not decompress");
    }
    room.advance(header.bytes);
    rows = {to, header.bytes};
  } else {
    return absl::DataLossError("rows on disk were compressed by a newer version");
  }
  count = header.rows;
  return absl::OkStatus();
}

absl::Status readFrame(std::string_view frame, Buffer& rows, std::uint64_t& count) {
  std::size_t before = rows.size();
  std::string_view found;
  absl::Status status = viewFrame(frame, rows, found, count);
  if (status.ok() && rows.size() == before) rows.append(found);
  return status;
}

}  // namespace sluice::executor
