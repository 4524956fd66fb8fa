// mapPartitions, mapPartitionsWithIndex, foreachPartition, glom: functions that see a whole partition.
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "sluice/iterator.h"
#include "sluice/ops/holding.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/ops/range_slot.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// call is not used: the iterator is lent as it is.
template <class F, class... A> constexpr bool kTakesPartition = std::is_invocable_v<F&, A&...>;

// Emits the range that run(records, task) returns. A lazy range may go on reading the records while it is emitted.
template <class In, class Out, class Range> class SLUICE_HIDDEN PartitionRange {
 public:
  template <class Run> bool next(Cursor* const* inputs, Chunk& out, Run&& run) {
    out_.clear();
    if (!records_) {
      records_.emplace(*inputs[0]);
      range_.open([&]() -> decltype(auto) { return run(*records_); });
    }
    if (range_.isOpen()) range_.drain(out_);
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  std::optional<Iterator<In>> records_;
  OutputChunk<Out> out_;
  RangeSlot<Range, Out> range_;
};

// f(Iterator<In>&) -> range of what becomes Out
template <class In, class Out, class F>
class SLUICE_HIDDEN MapPartitions : public PullOperator, public Ships<MapPartitions<In, Out, F>, OpDesc::Form::kPull, F> {
  static_assert(kTakesPartition<F, Iterator<In>>, "sluice: mapPartitions needs a function that takes sluice::Iterator<T>& and returns a range");

 public:
  using Record = Out;
  static OpRef of(F f) { return MapPartitions::ship(f); }
  explicit MapPartitions(F f) : f_(std::move(f)) {}

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext&) override {
    return partition_.next(inputs, out, [&](Iterator<In>& records) -> decltype(auto) { return f_(records); });
  }

 private:
  F f_;
  PartitionRange<In, Out, std::remove_cvref_t<std::invoke_result_t<F&, Iterator<In>&>>> partition_;
};

// f(partition, Iterator<In>&) -> range
template <class In, class Out, class F>
class SLUICE_HIDDEN MapPartitionsWithIndex : public PullOperator, public Ships<MapPartitionsWithIndex<In, Out, F>, OpDesc::Form::kPull, F> {
  static_assert(std::is_invocable_v<F&, int, Iterator<In>&>,
                "sluice: mapPartitionsWithIndex needs a function that takes (int, sluice::Iterator<T>&) and returns a range");

 public:
  using Record = Out;
  static OpRef of(F f) { return MapPartitionsWithIndex::ship(f); }
  explicit MapPartitionsWithIndex(F f) : f_(std::move(f)) {}

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext& task) override {
    return partition_.next(inputs, out, [&](Iterator<In>& records) -> decltype(auto) { return f_(task.nodePart().partition, records); });
  }

 private:
  F f_;
  PartitionRange<In, Out, std::remove_cvref_t<std::invoke_result_t<F&, int, Iterator<In>&>>> partition_;
};

// Emits nothing. Record is what its node says its type is.
template <class T, class F>
class SLUICE_HIDDEN ForeachPartition : public PullOperator, public Ships<ForeachPartition<T, F>, OpDesc::Form::kPull, F> {
  static_assert(kTakesPartition<F, Iterator<T>>, "sluice: foreachPartition needs a function that takes sluice::Iterator<T>&");

 public:
  using Record = T;
  static OpRef of(F f) { return ForeachPartition::ship(f); }
  explicit ForeachPartition(F f) : f_(std::move(f)) {}

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext&) override {
    out = {};
    if (std::exchange(done_, true)) return false;
    Iterator<T> records(*inputs[0]);
    f_(records);
    return false;
  }

 private:
  F f_;
  bool done_ = false;
};

// The partition as one vector; also an empty one.
template <class T> class SLUICE_HIDDEN Glom : public PullOperator, public Ships<Glom<T>, OpDesc::Form::kPull> {
 public:
  using Record = std::vector<T>;
  static OpRef of() { return Glom::ship(); }

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext& task) override {
    out = {};
    if (std::exchange(done_, true)) return false;
    Chunk in;
    std::size_t held = 0;
    while (inputs[0]->next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        held += sizeof(T) + heldBytes(in.as<T>()[i]);
        all_.push_back(std::move(in.as<T>()[i]));
      }
      if (!holding_.now(task, held)) throwPartitionTooLarge();
    }
    out = {&all_, 1};
    return true;
  }

 private:
  Holding holding_;
  std::vector<T> all_;
  bool done_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
