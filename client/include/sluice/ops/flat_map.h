// flatMap: any number of records for each record. When the output is full in the middle of a record, its range and position are kept.
#pragma once
#include <cstddef>
#include <utility>

#include "sluice/ops/output_chunk.h"
#include "sluice/ops/range_slot.h"
#include "sluice/shipped.h"
#include "sluice/stack_views.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class In, class Out, class F>
class SLUICE_HIDDEN FlatMap : public StepOperator, public Ships<FlatMap<In, Out, F>, OpDesc::Form::kStep, F> {
  using Range = result_t<F, In>;
  static_assert(kFlatMappable<Range>, "sluice: flatMap needs a function that returns a range (a vector, sluice::split(…), …) or a std::optional");

 public:
  using Record = Out;
  static OpRef of(F f) { return FlatMap::ship(f); }
  explicit FlatMap(F f) : f_(std::move(f)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out_.clear();
    In* const records = in.as<In>();
    std::size_t i = at_;
    try {
      if (range_.isOpen()) {
        if (!range_.drain(out_)) return full(i, out);
        ++i;
      }
      for (; i < in.size; ++i) {
        range_.open([&]() -> decltype(auto) { return call(f_, records[i]); });
        if (!range_.drain(out_)) return full(i, out);
      }
    } catch (...) {
      range_.close();
      at_ = 0;
      task.failedAt(i);
      throw;
    }
    at_ = 0;
    out = checked();
    return Step::kNeedInput;
  }

 private:
  Chunk checked() {
    Chunk chunk = out_.chunk();
    if (!checked_ && chunk.size != 0) [[unlikely]] {
      checked_ = true;
      checkViews(chunk.as<Out>(), chunk.size);
    }
    return chunk;
  }
  Step full(std::size_t at, Chunk& out) {
    at_ = at;
    out = checked();
    return Step::kHaveMore;
  }

  F f_;
  OutputChunk<Out> out_;
  RangeSlot<Range, Out> range_;
  std::size_t at_ = 0;  // the record whose range is open
  bool checked_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
