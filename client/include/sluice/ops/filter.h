// filter: the records for which f is true. They are moved together where they lie; nothing is copied.
#pragma once
#include <cstddef>

#include "sluice/ops/output_chunk.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class T, class F> class SLUICE_HIDDEN Filter : public StepOperator, public Ships<Filter<T, F>, OpDesc::Form::kStep, F> {
  static_assert(std::is_invocable_v<F&, const T&>, "sluice: filter needs a function that takes const T&, T or auto and returns bool");

 public:
  using Record = T;
  static OpRef of(F f) { return Filter::ship(f); }
  explicit Filter(F f) : f_(std::move(f)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    T* const records = in.as<T>();
    std::size_t kept = 0, i = 0;
    try {
      for (; i < in.size; ++i) {
        if (!f_(std::as_const(records[i]))) continue;
        if (kept != i) records[kept] = std::move(records[i]);
        ++kept;
      }
    } catch (...) {
      task.failedAt(i);
      throw;
    }
    out = {in.data, kept};
    return Step::kNeedInput;
  }

 private:
  F f_;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
