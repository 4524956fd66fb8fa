// zip and zipPartitions: partitions of several datasets side by side. zipWithIndex, zipWithUniqueId: numbers for records.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "sluice/iterator.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/ops/range_slot.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// The i-th record of one with the i-th of the other.
template <class A, class B> class SLUICE_HIDDEN Zip : public PullOperator, public Ships<Zip<A, B>, OpDesc::Form::kPull> {
 public:
  using Record = std::pair<A, B>;
  static OpRef of() { return Zip::ship(); }

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext& task) override {
    if (!left_) left_.emplace(*inputs[0]), right_.emplace(*inputs[1]);
    out_.clear();
    for (; !out_.full(); ++count_) {
      bool left = left_->hasNext(), right = right_->hasNext();
      if (left != right) differ(left, task);
      if (!left) break;
      out_.emplace(left_->next(), right_->next());
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  [[noreturn]] void differ(bool left, TaskContext& task) const {
    throwError(ErrorKind::kInvalidArgument, "only RDDs with the same number of records in each partition can be zipped: in partition " +
                                                std::to_string(task.nodePart().partition) + " the " + (left ? "second" : "first") + " one ends after " +
                                                std::to_string(count_) + " records, the other has more");
  }

  std::optional<Iterator<A>> left_;
  std::optional<Iterator<B>> right_;
  std::uint64_t count_ = 0;
  OutputChunk<Record> out_;
};

// f(Iterator<T>&...) -> range of what becomes Out
template <class Out, class F, class... T>
class SLUICE_HIDDEN ZipPartitions : public PullOperator, public Ships<ZipPartitions<Out, F, T...>, OpDesc::Form::kPull, F> {
  using Range = std::remove_cvref_t<std::invoke_result_t<F&, Iterator<T>&...>>;

 public:
  using Record = Out;
  static OpRef of(F f) { return ZipPartitions::ship(f); }
  explicit ZipPartitions(F f) : f_(std::move(f)) {}

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext&) override {
    out_.clear();
    if (!records_) open(inputs, std::index_sequence_for<T...>());
    if (range_.isOpen()) range_.drain(out_);
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  template <std::size_t... I> void open(Cursor* const* inputs, std::index_sequence<I...>) {
    records_.emplace(Iterator<T>(*inputs[I])...);
    range_.open([&]() -> decltype(auto) { return f_(std::get<I>(*records_)...); });
  }

  F f_;
  std::optional<std::tuple<Iterator<T>...>> records_;
  OutputChunk<Out> out_;
  RangeSlot<Range, Out> range_;
};

// T -> pair<T, int64>: the i-th record of partition p gets starts[p] + i * step; without starts p + i * (number of partitions).
template <class T>
class SLUICE_HIDDEN AddIndex : public StepOperator, public Ships<AddIndex<T>, OpDesc::Form::kStep, Value<std::vector<std::int64_t>>> {
 public:
  using Record = std::pair<T, std::int64_t>;
  static OpRef of(const std::vector<std::int64_t>& starts) { return AddIndex::ship(starts); }
  explicit AddIndex(std::vector<std::int64_t> starts) : starts_(std::move(starts)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    if (step_ == 0) begin(task);
    out_.clear();
    for (; at_ < in.size && !out_.full(); ++at_, index_ += step_) out_.emplace(std::move(in.as<T>()[at_]), index_);
    out = out_.chunk();
    if (at_ < in.size) return Step::kHaveMore;
    at_ = 0;
    return Step::kNeedInput;
  }

 private:
  void begin(TaskContext& task) {
    NodePart part = task.nodePart();
    step_ = starts_.empty() ? part.partitions : 1;
    index_ = starts_.empty() ? part.partition : starts_.at(std::size_t(part.partition));
  }

  std::vector<std::int64_t> starts_;
  std::int64_t index_ = 0, step_ = 0;
  std::size_t at_ = 0;
  OutputChunk<Record> out_;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
