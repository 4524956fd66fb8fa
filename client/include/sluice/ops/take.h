// The first records of a partition: as they come, or by a comparison.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/ops/stable_sort.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class T> class SLUICE_HIDDEN Take : public StepOperator, public Ships<Take<T>, OpDesc::Form::kStep, Value<std::uint64_t>> {
 public:
  using Record = T;
  static OpRef of(std::uint64_t n) { return Take::ship(n); }
  explicit Take(std::uint64_t n) : left_(n) {}

  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out = {in.data, in.size < left_ ? in.size : std::size_t(left_)};
    left_ -= out.size;
    return left_ == 0 ? Step::kFinished : Step::kNeedInput;
  }

 private:
  std::uint64_t left_;
};

// The n records that come first by before(a, b), in that order; those that came earlier first among equals.
template <class T, class Cmp> class SLUICE_HIDDEN TopN : public StepOperator, public Ships<TopN<T, Cmp>, OpDesc::Form::kStep, Value<std::uint64_t>, Cmp> {
 public:
  using Record = T;
  static OpRef of(std::uint64_t n, Cmp before) { return TopN::ship(n, before); }
  TopN(std::uint64_t n, Cmp before) : n_(n), before_(std::move(before)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out = {};
    if (n_ == 0) return Step::kFinished;
    T* const records = in.as<T>();
    std::size_t i = 0;
    try {
      for (; i < in.size; ++i) {
        // Once cut, best_[n - 1] is the last that counts.
        if (cut_ && !before_(std::as_const(records[i]), std::as_const(best_[n_ - 1]))) continue;
        best_.push_back(std::move(records[i]));
        if (best_.size() >= 2 * n_ + 64) cut();
      }
    } catch (...) {
      task.failedAt(i);
      throw;
    }
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    cut();
    out = {best_.data(), best_.size()};
    return Step::kFinished;
  }

 private:
  void cut() {
    stableSort(best_, [&](const T& a, const T& b) { return bool(before_(a, b)); });
    if (best_.size() < n_) return;
    best_.erase(best_.begin() + std::ptrdiff_t(n_), best_.end());
    cut_ = n_ != 0;
  }

  std::uint64_t n_;
  Cmp before_;
  std::vector<T> best_;
  bool cut_ = false;
};

struct Less {
  template <class T> bool operator()(const T& a, const T& b) const { return a < b; }
};
struct Greater {
  template <class T> bool operator()(const T& a, const T& b) const { return b < a; }
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
