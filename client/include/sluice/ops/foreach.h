// foreach: for its effects; emits nothing.
#pragma once
#include <cstddef>
#include <utility>

#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class T, class F> class SLUICE_HIDDEN Foreach : public StepOperator, public Ships<Foreach<T, F>, OpDesc::Form::kStep, F> {
 public:
  using Record = T;
  static OpRef of(F f) { return Foreach::ship(f); }
  explicit Foreach(F f) : f_(std::move(f)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out = {};
    T* const records = in.as<T>();
    std::size_t i = 0;
    try {
      for (; i < in.size; ++i) call(f_, records[i]);
    } catch (...) {
      task.failedAt(i);
      throw;
    }
    return Step::kNeedInput;
  }

 private:
  F f_;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
