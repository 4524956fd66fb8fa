// How the keys of a dataset lie over its partitions (Spark's Partitioner). Two datasets with equal partitioners are joined, grouped and
// reduced without an exchange between them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sluice/detail/placer.h"
#include "sluice/ops/place_key.h"

namespace sluice {
inline namespace SLUICE_ABI {

// By the frozen hash of the key, over `partitions`. What a plain number means wherever a partitioner is asked for.
class HashPartitioner {
 public:
  explicit HashPartitioner(int partitions) : partitions_(partitions) {}
  int numPartitions() const { return partitions_; }

 private:
  int partitions_;
};

// A value type. K is the owned key (std::string, not std::string_view).
template <class K> class Partitioner {
 public:
  // By hash. 0: the default number, or as an input lies already.
  Partitioner(int partitions = 0) : partitions_(partitions) {}                            // NOLINT: a number is a partitioner
  Partitioner(const HashPartitioner& by) : partitions_(by.numPartitions()) {}             // NOLINT: likewise
  // f(key) names the partition, from 0 up to partitions - 1; text comes as std::string_view. Copies of one Partitioner are equal, and so
  // are two made of the same function with equal captures.
  template <class F> requires(!std::is_convertible_v<F, CallSite>)
  Partitioner(int partitions, F f) : Partitioner(partitions, detail::placerOf<K>(std::move(f), partitions, "custom")) {}

  int numPartitions() const { return partitions_; }  // 0: the default number
  friend bool operator==(const Partitioner& a, const Partitioner& b) {
    return a.partitions_ == b.partitions_ && detail::samePlacer(a.placer_, b.placer_);
  }
  const detail::PlacerRef& placer() const { return placer_; }  // null: by hash

  explicit Partitioner(int partitions, detail::PlacerRef placer) : partitions_(partitions), placer_(std::move(placer)) {}

 private:
  int partitions_;
  detail::PlacerRef placer_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
