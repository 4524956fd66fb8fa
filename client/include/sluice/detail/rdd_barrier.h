// What an RDD's tasks do together.
#pragma once
#include <type_traits>
#include <utility>

#include "sluice/detail/build.h"

namespace sluice {
inline namespace SLUICE_ABI {

template <class T> class RDD;

// RDD::barrier: what the tasks of its stage do together.
template <class T> class RDDBarrier {
 public:
  explicit RDDBarrier(RDD<T> rdd) : rdd_(std::move(rdd)) {}
  // As RDD::mapPartitions; the function may use BarrierTaskContext::get().
  template <class F> auto mapPartitions(F f, bool preservesPartitioning = false, CallSite at = CallSite::here()) const {
    return together(rdd_.mapPartitions(std::move(f), preservesPartitioning, at));
  }
  template <class F> auto mapPartitionsWithIndex(F f, bool preservesPartitioning = false, CallSite at = CallSite::here()) const {
    return together(rdd_.mapPartitionsWithIndex(std::move(f), preservesPartitioning, at));
  }

 private:
  template <class Out> static RDD<Out> together(RDD<Out> made) {
    if constexpr (!std::is_same_v<Out, Broken>) detail::runTogether(made.node());
    return made;
  }
  RDD<T> rdd_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
