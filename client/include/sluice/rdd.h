// RDD<T>: a dataset in partitions, described by how it is computed. A value type: copies stand for the same dataset.
#pragma once
#include <optional>
#include <utility>

#include "sluice/detail/async_actions.h"
#include "sluice/detail/rdd_actions.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Its methods by subject: detail/transforms.h (shared with DStream), rdd_transforms.h, rdd_order.h, rdd_actions.h, async_actions.h.
template <class T> class RDD : public detail::RddActions<T>, public detail::AsyncActions<RDD<T>, T> {
 public:
  static constexpr bool kStream = false;
  RDD() = default;
  explicit RDD(detail::NodeRef node) : detail::RddActions<T>(std::move(node)) {}

  RDD<T> unpersist() const {
    detail::unpersist(this->node_);
    return *this;
  }
  int getNumPartitions() const { return int(detail::partitionsOf(this->node_)); }
  // How the pairs lie by their keys; none: not by key.
  std::optional<Partitioner<owned_t<typename detail::PairOf<T>::Key>>> partitioner() const {
    detail::Placement placement;
    if (!detail::layoutOf(this->node_, placement)) return std::nullopt;
    return Partitioner<owned_t<typename detail::PairOf<T>::Key>>(int(placement.partitions), placement.placer);
  }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
