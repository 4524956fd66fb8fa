// The records of a partition, one after the other: what mapPartitions and foreachPartition hand to the application's function.
#pragma once
#include <cstddef>
#include <utility>

#include "sluice/abi.h"
#include "sluice/error.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {

namespace detail {

// For range-based for over records that are gone through once: where `of` stands. Of has hasNext(), and current() and skip() for us.
template <class Of, class T> class RecordPosition {
 public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using pointer = T*;
  using iterator_category = std::input_iterator_tag;
  explicit RecordPosition(Of* of) : of_(of) {}
  T& operator*() const { return of_->current(); }
  T* operator->() const { return &of_->current(); }
  RecordPosition& operator++() {
    of_->skip();
    return *this;
  }
  void operator++(int) { of_->skip(); }
  friend bool operator==(const RecordPosition& position, std::default_sentinel_t) { return !position.of_->hasNext(); }

 private:
  Of* of_;
};

}  // namespace detail

// A record is valid until the next one is asked for; views in it as long as the task. One pass only.
//
//   numbers.mapPartitions([](sluice::Iterator<int>& records) {
//     int sum = 0;
//     for (int x : records) sum += x;      // or: while (records.hasNext()) sum += records.next();
//     return std::vector{sum};
//   });
template <class T> class Iterator {
 public:
  explicit Iterator(Cursor& cursor) : cursor_(&cursor) {}

  // Whether there is one more. Reads on where it must.
  bool hasNext() {
    if (at_ < chunk_.size) [[likely]] return true;
    at_ = 0;
    if (ended_ || !cursor_->next(chunk_)) {
      chunk_ = {};
      ended_ = true;
    }
    return !ended_;
  }
  // The next record. Error(kIllegalState) if there is none.
  T next() {
    if (!hasNext()) throwError(ErrorKind::kIllegalState, "next() on an iterator that has no more records; ask hasNext() first");
    return std::move(chunk_.as<T>()[at_++]);
  }

  using Position = detail::RecordPosition<Iterator, T>;
  Position begin() { return Position(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend Position;
  T& current() { return chunk_.as<T>()[at_]; }
  void skip() { ++at_; }

  Cursor* cursor_;
  Chunk chunk_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
