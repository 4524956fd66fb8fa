#include "worker/executor/rows_cursor.h"

#include <algorithm>
#include <new>

#include "sluice/error.h"

namespace sluice::executor {

RecordBuffer::~RecordBuffer() {
  clear();
  if (data_) ::operator delete(data_, std::align_val_t(type_.align));
}

void RecordBuffer::clear() {
  if (size_ != 0) type_.destroy(data_, std::exchange(size_, 0));
}

void* RecordBuffer::space(std::size_t records) {
  clear();
  if (records > capacity_) {
    if (data_) ::operator delete(std::exchange(data_, nullptr), std::align_val_t(type_.align));
    capacity_ = 0;
    data_ = ::operator new(std::max<std::size_t>(records * type_.size, 1), std::align_val_t(type_.align));
    capacity_ = records;
  }
  return data_;
}

Chunk BucketFilter::filter(Chunk in) {
  hashes_.resize(in.size);
  type_.keyHash(in.data, in.size, hashes_.data());
  auto to = static_cast<char*>(kept_.space(in.size));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < in.size; ++i) {
    std::uint32_t bucket = bucketOf(hashes_[i]);
    if (bucket < range_.low || bucket >= range_.high) continue;
    type_.copy(to + kept * type_.size, static_cast<const char*>(in.data) + i * type_.size, 1);
    kept_.made(++kept);
  }
  return kept_.chunk();
}

void RowsDecoder::start(std::string_view rows, std::uint64_t count) {
  at_ = rows.data(), end_ = at_ + rows.size(), left_ = count;
}

bool RowsDecoder::next(Chunk& out, std::size_t max) {
  bool known = left_ != 0;
  if (!known && at_ == end_) {
    records_.clear();
    return false;
  }
  std::size_t n = known ? std::size_t(std::min<std::uint64_t>({left_, max, chunkRecords(type_.size)})) : 1;
  void* to = records_.space(n);
  at_ = type_.decode(at_, end_, to, n);
  records_.made(n);
  if (known && (left_ -= n) == 0 && at_ != end_) {
    throwError(ErrorKind::kLost, "rows were left over after the last record: they were written as another type");
  }
  out = records_.chunk();
  return true;
}

RowsCursor::RowsCursor(const TypeDesc& type, const std::vector<RowsPtr>& lists, BucketRange range, Store& store, PinBag& pins)
    : type_(type), lists_(lists), range_(range), store_(store), pins_(pins), decoder_(type) {}

RowsCursor::RowsCursor(const TypeDesc& type, RowsPtr list, BucketRange range, Store& store, PinBag& pins)
    : type_(type), own_{std::move(list)}, lists_(own_), range_(range), store_(store), pins_(pins), decoder_(type) {}

bool RowsCursor::nextPiece() {
  for (; list_ < lists_.size(); ++list_, piece_ = 0) {
    const Rows* rows = lists_[list_].get();
    if (!rows) continue;
    while (piece_ < rows->pieces.size()) {
      const Piece& piece = rows->pieces[piece_++];
      if (piece.object->rows() == 0 || piece.low >= range_.high || piece.high <= range_.low) continue;
      Pin pin;
      if (!store_.pin(piece.object, pin)) throw InputGone{};
      decoder_.start(pin.view(), piece.object->rows());
      if (type_.flags & TypeDesc::kViews) {
        pins_.push_back(std::move(pin));
      } else {
        pin_ = std::move(pin);
      }
      filtering_ = piece.low < range_.low || piece.high > range_.high;
      return reading_ = true;
    }
  }
  pin_ = {};
  return reading_ = false;
}

bool RowsCursor::next(Chunk& out) {
  for (;;) {
    if (!reading_ && !nextPiece()) return false;
    while (decoder_.next(out, ~std::size_t(0))) {
      if (!filtering_) return true;
      if (!filter_) filter_ = std::make_unique<BucketFilter>(type_, range_);
      out = filter_->filter(out);
      if (out.size != 0) return true;
    }
    reading_ = false;
  }
}

}  // namespace sluice::executor
