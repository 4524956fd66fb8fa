// The records of a dataset in the driver, a partition at a time: what RDD::toLocalIterator() gives.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/abi.h"
#include "sluice/error.h"
#include "sluice/iterator.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Fetches partitions; gives back what it kept for them when it goes.
template <class T> class PartitionReader {
 public:
  virtual ~PartitionReader() = default;
  virtual bool next(std::vector<T>& records) = 0;  // false: there are no more partitions
};

}  // namespace detail

//   for (auto& word : words.toLocalIterator()) std::printf("%s\n", word.c_str());
//
// or while (records.hasNext()) use(records.next()).
// An input range: it can be gone through once. Holds one partition; the next one is asked for, by a job, when it is needed.
template <class T> class LocalIterator {
 public:
  LocalIterator() = default;
  explicit LocalIterator(detail::PartitionReader<T>* reader) : reader_(reader) {}
  LocalIterator(LocalIterator&& other) noexcept
      : reader_(std::exchange(other.reader_, nullptr)), records_(std::move(other.records_)), at_(std::exchange(other.at_, 0)) {}
  LocalIterator& operator=(LocalIterator&& other) noexcept {
    std::swap(reader_, other.reader_), std::swap(records_, other.records_), std::swap(at_, other.at_);
    return *this;
  }
  ~LocalIterator() { delete reader_; }

  // Throws what a job failed of.
  bool hasNext() {
    while (at_ == records_.size()) {
      records_.clear(), at_ = 0;
      if (!reader_) return false;
      if (!reader_->next(records_)) {
        delete std::exchange(reader_, nullptr);
        return false;
      }
    }
    return true;
  }
  T next() {
    if (!hasNext()) throwError(ErrorKind::kIllegalState, "next() on an iterator that has no more records; ask hasNext() first");
    return std::move(records_[at_++]);
  }

  using Position = detail::RecordPosition<LocalIterator, T>;
  Position begin() { return Position(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend Position;
  T& current() { return records_[at_]; }
  void skip() { ++at_; }

  detail::PartitionReader<T>* reader_ = nullptr;
  std::vector<T> records_;
  std::size_t at_ = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
