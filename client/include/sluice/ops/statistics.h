// What statistics of numbers and trees of aggregations are made of.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/detail/statistics.h"
#include "sluice/hyper_log_log.h"
#include "sluice/ops/place.h"
#include "sluice/shipped.h"
#include "sluice/stat_counter.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Numbers -> one StatCounter.
template <class T> class SLUICE_HIDDEN Stats : public StepOperator, public Ships<Stats<T>, OpDesc::Form::kStep> {
 public:
  using Record = StatCounter;
  static OpRef of() { return Stats::ship(); }
  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out = {};
    for (std::size_t i = 0; i < in.size; ++i) stats_.merge(double(in.as<T>()[i]));
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    out = {&stats_, 1};
    return Step::kFinished;
  }

 private:
  StatCounter stats_;
};

// Numbers -> one vector<int64>, a count for each bucket.
template <class T> class SLUICE_HIDDEN Histogram : public StepOperator, public Ships<Histogram<T>, OpDesc::Form::kStep, Value<detail::Buckets>> {
 public:
  using Record = std::vector<std::int64_t>;
  static OpRef of(const detail::Buckets& buckets) { return Histogram::ship(buckets); }
  explicit Histogram(detail::Buckets buckets) : buckets_(std::move(buckets)), counts_(buckets_.edges.size() - 1) {}
  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out = {};
    values_.resize(in.size);
    for (std::size_t i = 0; i < in.size; ++i) values_[i] = double(in.as<T>()[i]);
    buckets_.count(values_.data(), in.size, counts_.data());
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    out = {&counts_, 1};
    return Step::kFinished;
  }

 private:
  detail::Buckets buckets_;
  std::vector<double> values_;
  Record counts_;
};

// Records -> one sketch of them.
template <class T>
class SLUICE_HIDDEN Sketch : public StepOperator, public Ships<Sketch<T>, OpDesc::Form::kStep, Value<int>, Value<int>> {
 public:
  using Record = HyperLogLog;
  static OpRef of(int p, int sparse) { return Sketch::ship(p, sparse); }
  Sketch(int p, int sparse) : sketch_(p, sparse) {}
  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out = {};
    for (std::size_t i = 0; i < in.size; ++i) sketch_.add(in.as<T>()[i]);
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    out = {&sketch_, 1};
    return Step::kFinished;
  }

 private:
  HyperLogLog sketch_;
};

// A node of an aggregation's tree: neighbouring partitions go to one of `reducers`, in their order.
template <class T>
class SLUICE_HIDDEN Neighbours : public Placing<T, Neighbours<T>>, public Ships<Neighbours<T>, OpDesc::Form::kStep, Value<std::uint32_t>> {
 public:
  static OpRef of(std::uint32_t reducers) { return Neighbours::ship(reducers); }
  explicit Neighbours(std::uint32_t reducers) : reducers_(reducers) {}
  std::uint32_t place(const T&, TaskContext& task) {
    NodePart part = task.nodePart();
    return std::uint32_t(std::uint64_t(part.partition) * reducers_ / std::uint64_t(part.partitions));
  }

 private:
  std::uint32_t reducers_;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
