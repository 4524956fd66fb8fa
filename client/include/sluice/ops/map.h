// map: one record for each record.
#pragma once
#include <cstddef>
#include <utility>

#include "sluice/ops/output_chunk.h"
#include "sluice/shipped.h"
#include "sluice/stack_views.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class In, class Out, class F> class SLUICE_HIDDEN Map : public StepOperator, public Ships<Map<In, Out, F>, OpDesc::Form::kStep, F> {
 public:
  using Record = Out;
  static OpRef of(F f) { return Map::ship(f); }
  explicit Map(F f) : f_(std::move(f)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out_.clear();
    In* const records = in.as<In>();
    Out* const made = out_.end();
    std::size_t from = at_, n = in.size - from, i = 0;
    if (n > out_.kCapacity) n = out_.kCapacity;
    try {
      for (; i < n; ++i) new (made + i) Out(toRecord<Out>(call(f_, records[from + i])));
    } catch (...) {
      out_.made(i);
      at_ = 0;
      task.failedAt(from + i);
      throw;
    }
    out_.made(n);
    if (!std::exchange(checked_, true)) [[unlikely]] checkViews(made, n);
    out = out_.chunk();
    bool all = from + n == in.size;
    at_ = all ? 0 : from + n;
    return all ? Step::kNeedInput : Step::kHaveMore;
  }

 private:
  F f_;
  OutputChunk<Out> out_;
  std::size_t at_ = 0;  // first input record not taken yet
  bool checked_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
