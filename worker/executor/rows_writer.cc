#include "worker/executor/rows_writer.h"

#include <algorithm>
#include <bit>

#include "sluice/error.h"
#include "worker/executor/rows_cursor.h"

namespace sluice::executor {

namespace {

// What doubling left unused is given back: objects live long.
Bytes fitted(Buffer& open) {
  if (open.capacity() > 16 * 1024 && open.capacity() - open.size() > open.size() / 8) {
    Buffer exact;
    exact.append(open.view());
    open = std::move(exact);
  }
  return Bytes::of(std::move(open));
}

constexpr std::uint64_t kBucketPieceBytes = 16 << 10;  // smaller pieces cost more than they help

}  // namespace

void RowsWriter::write(Chunk in) {
  type_.encode(in.data, in.size, open_);
  openRows_ += in.size;
  if (open_.size() >= kPieceBytes) cut();
}

void RowsWriter::cut() {
  rows_->add({store_.put(kind_, fitted(open_), openRows_, droppable_)});
  open_ = Buffer();
  openRows_ = 0;
  if (store_.over()) store_.makeRoom();
}

RowsPtr RowsWriter::finish() {
  if (openRows_ != 0) cut();
  return rows_;
}

SegmentWriter::SegmentWriter(const TypeDesc& type, Routing routing, std::uint64_t shareBytes, Store& store)
    : type_(type), routing_(routing), share_(shareBytes), store_(store),
      hashed_(routing.exchange == proto::EXCHANGE_HASH),
      open_(routing.reducers), counts_(routing.reducers), segments_(std::make_shared<std::vector<Rows>>(routing.reducers)) {}

SegmentWriter::~SegmentWriter() { store_.charge(-std::int64_t(charged_)); }

void SegmentWriter::place(Chunk in) {
  if (to_.size() < in.size) to_.resize(in.size);
  if (hashed_) {
    if (hashes_.size() < in.size) hashes_.resize(in.size);
    if (buckets_ != 1 || !routing_.placer) type_.keyHash(in.data, in.size, hashes_.data());
    if (routing_.placer) {
      routing_.placer->place(in.data, type_.size, in.size, to_.data());
      if (buckets_ != 1) {
        int shift = std::countr_zero(64 / buckets_);
        for (std::size_t i = 0; i < in.size; ++i) to_[i] = to_[i] * buckets_ + (bucketOf(hashes_[i]) >> shift);
      }
    } else if (buckets_ == 1) {
      for (std::size_t i = 0; i < in.size; ++i) to_[i] = partitionOfHash(hashes_[i], routing_.reducers, routing_.defaulted);
    } else {
      int shift = std::countr_zero(64 / buckets_);
      for (std::size_t i = 0; i < in.size; ++i) {
        to_[i] = partitionOfHash(hashes_[i], routing_.reducers, routing_.defaulted) * buckets_ + (bucketOf(hashes_[i]) >> shift);
      }
    }
  } else if (routing_.exchange == proto::EXCHANGE_DIRECT) {
    auto record = static_cast<const char*>(in.data);
    for (std::size_t i = 0; i < in.size; ++i, record += type_.size) {
      to_[i] = *reinterpret_cast<const std::uint32_t*>(record);  // std::pair<std::uint32_t, T>
      if (to_[i] >= routing_.reducers) {
        throwError(ErrorKind::kInvalidArgument, "a partitioner gave partition " + std::to_string(to_[i]) + " of " +
                                                    std::to_string(routing_.reducers));
      }
    }
  } else {
    std::fill_n(to_.begin(), in.size, 0u);
  }
}

void SegmentWriter::write(Chunk in) {
  if (open_.size() == 1 && !hashed_ && routing_.exchange != proto::EXCHANGE_DIRECT) {
    type_.encode(in.data, in.size, open_[0]);
    counts_[0] += in.size;
  } else {
    place(in);
    type_.scatter(in.data, in.size, to_.data(), open_.data(), counts_.data());
  }
  if ((sinceCheck_ += in.size) * 4 < open_.size()) return;  // summing is not free where there are many reducers
  sinceCheck_ = 0;
  std::uint64_t held = 0;
  for (const Buffer& open : open_) held += open.size();
  store_.charge(std::int64_t(held) - std::int64_t(charged_));
  charged_ = held;
  if (held < share_) return;
  flushRun();
  splitByBuckets();
}

void SegmentWriter::splitByBuckets() {
  if (!hashed_ || buckets_ != 1) return;
  std::uint64_t fit = share_ / (routing_.reducers * kBucketPieceBytes);
  buckets_ = std::uint32_t(std::bit_floor(std::clamp<std::uint64_t>(fit, 1, 64)));
  open_ = std::vector<Buffer>(std::size_t(routing_.reducers) * buckets_);
  counts_.assign(open_.size(), 0);
}

void SegmentWriter::flushRun() {
  std::uint32_t width = 64 / buckets_;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (counts_[i] == 0) continue;
    std::uint32_t reducer = std::uint32_t(i) / buckets_, bucket = std::uint32_t(i) % buckets_;
    ObjectPtr object = store_.put(ObjectKind::kSegment, fitted(open_[i]), counts_[i]);
    (*segments_)[reducer].add({std::move(object), std::uint8_t(bucket * width), std::uint8_t((bucket + 1) * width)});
    open_[i] = Buffer();
    counts_[i] = 0;
  }
  store_.charge(-std::int64_t(charged_));
  charged_ = 0;
  if (store_.over()) store_.makeRoom();
}

std::shared_ptr<const std::vector<Rows>> SegmentWriter::finish() {
  flushRun();
  return segments_;
}

}  // namespace sluice::executor
