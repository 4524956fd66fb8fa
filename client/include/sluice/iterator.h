// The records of a partition, one after the other: what mapPartitions and foreachPartition hand to the application's function.
#pragma once
#include <cstddef>
#include <utility>

#include "sluice/abi.h"
#include "sluice/error.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {

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

  class Position {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = T&;
    using pointer = T*;
    using iterator_category = std::input_iterator_tag;
    explicit Position(Iterator* records) : records_(records) {}
    T& operator*() const { return records_->chunk_.template as<T>()[records_->at_]; }
    T* operator->() const { return &**this; }
    Position& operator++() {
      ++records_->at_;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Position& position, std::default_sentinel_t) { return !position.records_->hasNext(); }

   private:
    Iterator* records_;
  };
  Position begin() { return Position(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  Cursor* cursor_;
  Chunk chunk_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
