// Reading encoded rows back, piece by piece, as chunks of records.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/operator.h"
#include "worker/executor/store.h"

namespace sluice::executor {

// Which keys are wanted: those whose bucket lies in [low, high).
struct BucketRange {
  std::uint8_t low = 0, high = 64;
  bool all() const { return low == 0 && high == 64; }
  std::uint32_t width() const { return std::uint32_t(high - low); }
};
// Six bits below the ten of the key group, so that buckets divide what a reducer gets.
inline std::uint32_t bucketOf(std::uint64_t hash) { return std::uint32_t(hash >> 48) & 63; }

// Objects that stay in memory until whoever reads views of them is through.
using PinBag = std::vector<Pin>;

// Room for one chunk of records of a type; destroys them when it is used again.
class SLUICE_INTERNAL RecordBuffer {
 public:
  explicit RecordBuffer(const TypeDesc& type) : type_(type) {}
  ~RecordBuffer();
  RecordBuffer(const RecordBuffer&) = delete;
  void clear();
  void* space(std::size_t records);  // for so many in all; clears first
  void made(std::size_t records) { size_ = records; }
  Chunk chunk() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

 private:
  const TypeDesc& type_;
  void* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

// Keeps the records of a chunk whose bucket is wanted.
class SLUICE_INTERNAL BucketFilter {
 public:
  BucketFilter(const TypeDesc& type, BucketRange range) : type_(type), range_(range), kept_(type) {}
  Chunk filter(Chunk in);

 private:
  const TypeDesc& type_;
  const BucketRange range_;
  std::vector<std::uint64_t> hashes_;
  RecordBuffer kept_;
};

// Decodes a run of rows.
class SLUICE_INTERNAL RowsDecoder {
 public:
  explicit RowsDecoder(const TypeDesc& type) : type_(type), records_(type) {}
  // count = 0 with bytes left: unknown, then records are decoded one at a time.
  void start(std::string_view rows, std::uint64_t count);
  bool next(Chunk& out, std::size_t max);
  const char* at() const { return at_; }

 private:
  const TypeDesc& type_;
  RecordBuffer records_;
  const char *at_ = nullptr, *end_ = nullptr;
  std::uint64_t left_ = 0;
};

// Thrown inside a task when an object that it reads was forgotten.
struct InputGone {};

// Rows of some object lists one after the other: the segments of a reducer in map-partition order, or a kept value.
class SLUICE_INTERNAL RowsCursor final : public Cursor {
 public:
  // Where the type has views the pieces stay pinned in `pins`; else each goes when it has been read.
  RowsCursor(const TypeDesc& type, const std::vector<RowsPtr>& lists, BucketRange range, Store& store, PinBag& pins);
  RowsCursor(const TypeDesc& type, RowsPtr list, BucketRange range, Store& store, PinBag& pins);
  bool next(Chunk& out) override;

 private:
  bool nextPiece();
  const TypeDesc& type_;
  std::vector<RowsPtr> own_;
  const std::vector<RowsPtr>& lists_;
  const BucketRange range_;
  Store& store_;
  PinBag& pins_;
  Pin pin_;
  RowsDecoder decoder_;
  std::unique_ptr<BucketFilter> filter_;
  std::size_t list_ = 0, piece_ = 0;
  bool reading_ = false, filtering_ = false;
};

}  // namespace sluice::executor
