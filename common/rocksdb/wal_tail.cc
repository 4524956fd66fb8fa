#include "common/rocksdb/wal_tail.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

namespace sluice {
namespace {

// RocksDB's log format: blocks of 32 KiB; a record is checksum (4 bytes), length (2), type (1), in recycled logs log
// number (4), and the payload, which never crosses a block. Less than a header is left at a block's end.
constexpr std::size_t kBlock = 32 << 10, kHeader = 7, kRecyclableHeader = 11;
constexpr unsigned kFirstRecyclable = 5, kLastRecyclable = 8, kFirst = 2, kMiddle = 3, kRecyclableFirst = 6,
                   kRecyclableMiddle = 7;

std::filesystem::path newestLog(const std::string& directory) {
  std::error_code error;
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const auto& path = entry.path();
    if (path.extension() != ".log" || entry.file_size(error) == 0) continue;
    if (newest.empty() || path.filename() > newest.filename()) newest = path;
  }
  return newest;
}

}  // namespace

std::uint64_t tornTailBytes(const std::string& directory) {
  auto path = newestLog(directory);
  std::ifstream file(path, std::ios::binary);
  if (path.empty() || !file) return 0;
  std::vector<char> block(kBlock);
  std::uint64_t pending = 0;  // of a record whose last part has not been seen
  for (;;) {
    file.read(block.data(), kBlock);
    auto size = std::size_t(file.gcount());
    std::size_t at = 0;
    while (at + kHeader <= size) {
      auto byte = [&](std::size_t i) { return unsigned(static_cast<unsigned char>(block[at + i])); };
      std::size_t length = byte(4) | byte(5) << 8;
      unsigned type = byte(6);
      if (type == 0 && length == 0) return pending;  // preallocated, never written
      std::size_t whole = length + (type >= kFirstRecyclable && type <= kLastRecyclable ? kRecyclableHeader : kHeader);
      if (at + whole > size)
        return size == kBlock ? 0 : pending + (size - at);  // in a full block that is damage, not a tail
      bool continues = type == kFirst || type == kMiddle || type == kRecyclableFirst || type == kRecyclableMiddle;
      pending = continues ? pending + whole : 0;
      at += whole;
    }
    if (size < kBlock) return pending + (size - at);
  }
}

}  // namespace sluice
