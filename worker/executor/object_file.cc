#include "worker/executor/object_file.h"

#include <xxhash.h>

#include <cstring>

#include "worker/executor/rows_format.h"

namespace sluice::executor {

namespace {

constexpr std::string_view kMagic = "SLOBJECT", kEnd = "SLOBJEND";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kMostSchema = 1 << 20;
// Rows may have no bytes (a record that says nothing); then their number is all that is there, and must not ask for endless work.
constexpr std::uint64_t kMostEmptyRows = 1 << 20;

struct Trailer {
  std::uint64_t blocks = 0;
  std::uint64_t rows = 0;
  std::uint64_t index = 0;     // offset of the index
  std::uint64_t checksum = 0;  // xxh3 of index and trailer with this field 0, seeded by that of the header
  char magic[8] = {};
};
static_assert(sizeof(Trailer) == 40);

constexpr std::size_t kIndexEntry = 2 * sizeof(std::uint64_t);

template <class T> T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

std::uint64_t checksumOf(Trailer trailer, std::string_view index, std::uint64_t header) {
  trailer.checksum = 0;
  std::uint64_t sum = XXH3_64bits_withSeed(index.data(), index.size(), header);
  return XXH3_64bits_withSeed(&trailer, sizeof(trailer), sum);
}

std::size_t headerSize(std::size_t schema) { return kMagic.size() + 2 * sizeof(std::uint32_t) + schema + sizeof(std::uint64_t); }

std::uint64_t headerChecksum(std::string_view file, std::size_t schema) {
  return XXH3_64bits(file.data(), headerSize(schema) - sizeof(std::uint64_t));
}

absl::Status damaged(const char* what) { return absl::DataLossError(what); }

}  // namespace

ObjectFileWriter::ObjectFileWriter(std::string_view schema, std::function<void(std::string_view)> write) : write_(std::move(write)) {
  auto bytes = std::uint32_t(schema.size());
  frame_.append(kMagic);
  frame_.append(&kVersion, sizeof(kVersion));
  frame_.append(&bytes, sizeof(bytes));
  frame_.append(schema);
  std::uint64_t checksum = XXH3_64bits(frame_.data(), frame_.size());
  frame_.append(&checksum, sizeof(checksum));
  put(frame_.view());
  index_.append(&checksum, sizeof(checksum));  // seeds the index's
}

void ObjectFileWriter::put(std::string_view bytes) {
  write_(bytes);
  at_ += bytes.size();
}

void ObjectFileWriter::add(std::string_view rows, std::uint64_t count) {
  if (count == 0) return;
  std::uint64_t entry[] = {at_, count};
  index_.append(entry, sizeof(entry));
  rows_ += count;
  frame_.clear();
  appendFrame(rows, count, frame_);
  put(frame_.view());
}

void ObjectFileWriter::finish() {
  std::uint64_t header = load<std::uint64_t>(index_.data());
  std::string_view index = index_.view().substr(sizeof(header));
  Trailer trailer{index.size() / kIndexEntry, rows_, at_};
  std::memcpy(trailer.magic, kEnd.data(), kEnd.size());
  trailer.checksum = checksumOf(trailer, index, header);
  put(index);
  put({reinterpret_cast<const char*>(&trailer), sizeof(trailer)});
}

absl::Status ObjectFileReader::open(std::string_view file, ObjectFileReader& reader) {
  if (file.substr(0, kMagic.size()) != kMagic) return damaged("is no object file");
  if (file.size() < headerSize(0)) return damaged("is cut short");
  if (load<std::uint32_t>(file.data() + kMagic.size()) != kVersion) return damaged("was written by another version of Sluice");
  std::size_t schema = load<std::uint32_t>(file.data() + kMagic.size() + sizeof(std::uint32_t));
  if (schema > kMostSchema) return damaged("is damaged (header)");
  std::size_t header = headerSize(schema);
  if (file.size() < header + sizeof(Trailer)) return damaged("is cut short");
  std::uint64_t headerSum = headerChecksum(file, schema);
  if (load<std::uint64_t>(file.data() + header - sizeof(headerSum)) != headerSum) return damaged("is damaged (header)");

  std::size_t trailerAt = file.size() - sizeof(Trailer);
  auto trailer = load<Trailer>(file.data() + trailerAt);
  if (std::string_view(trailer.magic, sizeof(trailer.magic)) != kEnd) return damaged("is cut short");
  if (trailer.index < header || trailer.index > trailerAt || trailer.blocks != (trailerAt - trailer.index) / kIndexEntry ||
      (trailerAt - trailer.index) % kIndexEntry != 0) {
    return damaged("is damaged (index)");
  }
  if (checksumOf(trailer, file.substr(trailer.index, trailerAt - trailer.index), headerSum) != trailer.checksum) return damaged("is damaged (index)");
  ObjectFileReader found;
  found.file_ = file, found.schema_ = file.substr(kMagic.size() + 2 * sizeof(std::uint32_t), schema);
  found.index_ = trailer.index, found.blocks_ = trailer.blocks, found.rows_ = trailer.rows;
  // The blocks lie without gaps between header and index; whoever wrote another index with a good checksum is not believed either.
  std::uint64_t at = header, rows = 0;
  for (std::size_t i = 0; i < found.blocks_; ++i) {
    std::uint64_t end = i + 1 < found.blocks_ ? found.blockStart(i + 1) : found.index_;
    if (found.blockStart(i) != at || end > found.index_ || end < at + sizeof(FrameHeader) || found.blockRows(i) == 0 ||
        found.blockRows(i) > found.rows_ - rows) {
      return damaged("is damaged (index)");
    }
    at = end, rows += found.blockRows(i);
  }
  if (at != found.index_ || rows != found.rows_) return damaged("is damaged (index)");
  reader = found;
  return absl::OkStatus();
}

std::uint64_t ObjectFileReader::word(std::size_t i) const { return load<std::uint64_t>(file_.data() + index_ + i * sizeof(std::uint64_t)); }
std::uint64_t ObjectFileReader::blockStart(std::size_t i) const { return word(2 * i); }
std::uint64_t ObjectFileReader::blockRows(std::size_t i) const { return word(2 * i + 1); }

std::size_t ObjectFileReader::blockFrom(std::uint64_t offset) const {
  std::size_t low = 0, high = blocks_;
  while (low < high) {
    std::size_t middle = (low + high) / 2;
    if (blockStart(middle) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

absl::Status ObjectFileReader::read(std::size_t i, Buffer& room, std::string_view& rows) const {
  std::uint64_t from = blockStart(i), to = i + 1 < blocks_ ? blockStart(i + 1) : index_, count = 0;
  absl::Status status = viewFrame(file_.substr(from, to - from), room, rows, count);
  if (!status.ok()) return status;
  bool tooMany = rows.empty() ? count > kMostEmptyRows : count > rows.size();
  if (count != blockRows(i) || tooMany) return damaged("rows on disk are damaged (their number)");
  return absl::OkStatus();
}

}  // namespace sluice::executor
