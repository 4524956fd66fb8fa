// RDD<T>: a dataset in partitions, described by how it is computed. A value type: copies stand for the same dataset.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/detail/approximate_actions.h"
#include "sluice/detail/async_actions.h"
#include "sluice/detail/rdd_barrier.h"
#include "sluice/detail/rdd_checkpoint.h"

namespace sluice {
inline namespace SLUICE_ABI {

// A part of an RDD that one task computes.
struct Partition {
  int index = 0;
  friend bool operator==(Partition, Partition) = default;
};

class Context;

// Its methods by subject, each file building on the one before: detail/transforms.h (shared with DStream), rdd_transforms.h, rdd_order.h,
// rdd_actions.h, rdd_sets.h, rdd_pairs.h, rdd_sampling.h, rdd_statistics.h, rdd_files.h, rdd_pipe.h, rdd_checkpoint.h; async_actions.h and
// approximate_actions.h.
template <class T> class RDD : public detail::RddCheckpoint<T>, public detail::ApproximateActions<RDD<T>, T> {
 public:
  static constexpr bool kStream = false;
  RDD() = default;
  explicit RDD(detail::NodeRef node) : detail::RddCheckpoint<T>(std::move(node)) {}

  // The one that it was made in, which somebody else stops; with <sluice/context.h>.
  Context context() const;
  // Never waits: whatever begins afterwards finds nothing kept.
  RDD<T> unpersist() const {
    detail::unpersist(this->node_);
    return *this;
  }
  int getNumPartitions() const { return int(detail::partitionsOf(this->node_)); }
  std::vector<Partition> partitions() const {
    std::vector<Partition> all;
    for (int p = 0, n = getNumPartitions(); p < n; ++p) all.push_back({p});
    return all;
  }
  // Where the partition would rather be computed: what makeRDD was told of its sources, through all that needs no exchange (Spark tells only
  // what this very RDD was told). Error(kInvalidArgument): there is no such partition.
  std::vector<std::string> preferredLocations(Partition partition) const { return detail::preferredPlaces(this->node_, partition.index); }
  // The stage of what follows is a barrier stage: its tasks run all at the same time, or none does (sluice/barrier_task_context.h).
  RDDBarrier<T> barrier() const { return RDDBarrier<T>(*this); }
  // How the pairs lie by their keys; none: not by key.
  std::optional<Partitioner<owned_t<typename detail::PairOf<T>::Key>>> partitioner() const {
    detail::Placement placement;
    if (!detail::layoutOf(this->node_, placement)) return std::nullopt;
    return Partitioner<owned_t<typename detail::PairOf<T>::Key>>(int(placement.partitions), placement.placer);
  }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
