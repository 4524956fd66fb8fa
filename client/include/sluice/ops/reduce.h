// One value from all records of a partition: reduce, fold, aggregate, count.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "sluice/ops/combine.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// T -> owned T, none from an empty partition.
template <class T, class F> class SLUICE_HIDDEN Reduce : public StepOperator, public Ships<Reduce<T, F>, OpDesc::Form::kStep, F> {
 public:
  using Record = owned_t<T>;
  static OpRef of(F f) { return Reduce::ship(f); }
  explicit Reduce(F f) : f_(std::move(f)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out = {};
    T* const records = in.as<T>();
    std::size_t i = 0;
    try {
      if (!value_ && in.size != 0) value_.emplace(toRecord<Record>(std::move(records[i++])));
      for (; i < in.size; ++i) *value_ = mergeInto<Record>(f_, *value_, records[i]);
    } catch (...) {
      task.failedAt(i);
      throw;
    }
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    out = value_ ? Chunk{&*value_, 1} : Chunk{};
    return Step::kFinished;
  }

 private:
  F f_;
  std::optional<Record> value_;
};

// Starts from `zero`, which is also what an empty partition gives: f(A, T) -> A.
template <class T, class A, class SeqF>
class SLUICE_HIDDEN Aggregate : public StepOperator, public Ships<Aggregate<T, A, SeqF>, OpDesc::Form::kStep, Value<A>, SeqF> {
 public:
  using Record = A;
  static OpRef of(const A& zero, SeqF f) { return Aggregate::ship(zero, f); }
  Aggregate(A zero, SeqF f) : value_(std::move(zero)), f_(std::move(f)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out = {};
    T* const records = in.as<T>();
    std::size_t i = 0;
    try {
      for (; i < in.size; ++i) value_ = mergeInto<A>(f_, value_, records[i]);
    } catch (...) {
      task.failedAt(i);
      throw;
    }
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    out = {&value_, 1};
    return Step::kFinished;
  }

 private:
  A value_;
  SeqF f_;
};

template <class T, class F> struct Fold : Aggregate<T, owned_t<T>, F> {
  static OpRef of(const owned_t<T>& zero, F f) { return Aggregate<T, owned_t<T>, F>::of(zero, std::move(f)); }
};

// The number of records, also 0.
template <class T> class SLUICE_HIDDEN Count : public StepOperator, public Ships<Count<T>, OpDesc::Form::kStep> {
 public:
  using Record = std::int64_t;
  static OpRef of() { return Count::ship(); }
  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out = {};
    count_ += std::int64_t(in.size);
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    out = {&count_, 1};
    return Step::kFinished;
  }

 private:
  std::int64_t count_ = 0;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
