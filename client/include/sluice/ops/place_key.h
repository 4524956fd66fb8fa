// Partitioners' operators: name the reducer of each record by its key, inside an exchange.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/detail/placer.h"
#include "sluice/operator.h"
#include "sluice/ops/key_order.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// By a function of the application; Key is how the records hold it (owned or a view), View how the function gets it.
template <class Key, class View, class F>
class SLUICE_HIDDEN PlaceKey : public KeyPlacer, public Ships<PlaceKey<Key, View, F>, OpDesc::Form::kPlacer, F, Value<std::uint32_t>> {
 public:
  static OpRef of(F f, std::uint32_t partitions) { return PlaceKey::ship(f, partitions); }
  PlaceKey(F f, std::uint32_t partitions) : f_(std::move(f)), partitions_(partitions) {}

  void place(const void* firstKey, std::size_t stride, std::size_t n, std::uint32_t* to) override {
    auto at = static_cast<const char*>(firstKey);
    for (std::size_t i = 0; i < n; ++i, at += stride) {
      const Key& key = *reinterpret_cast<const Key*>(at);
      auto partition = [&] {
        if constexpr (std::is_same_v<Key, View>) return f_(key);
        else return f_(View(key));
      }();
      static_assert(std::is_integral_v<decltype(partition)>, "sluice: a partitioner's function returns the number of the partition, an integer");
      if (std::uint64_t(partition) >= partitions_) [[unlikely]] {
        throwError(ErrorKind::kUserCode, "the partitioner named a partition that does not exist; return 0 up to the number of partitions - 1");
      }
      to[i] = std::uint32_t(partition);
    }
  }

 private:
  F f_;
  std::uint32_t partitions_;
};

// Partition i holds the keys above bounds[i - 1] up to bounds[i]; from the last one down if descending.
template <class K> struct InRange {
  std::vector<K> bounds;
  bool ascending = true;

  template <class Key> std::uint32_t operator()(const Key& key) const {
    std::size_t low = 0, high = bounds.size();
    while (low < high) {
      std::size_t middle = (low + high) / 2;
      if (keyBelow(bounds[middle], key)) low = middle + 1;
      else high = middle;
    }
    return std::uint32_t(ascending ? low : bounds.size() - low);
  }
  SLUICE_FIELDS(InRange, bounds, ascending)
};

}  // namespace ops

namespace detail {

template <class K, class F> PlacerRef placerOf(F f, int partitions, std::string_view kind) {
  using View = view_t<K>;
  static_assert(kShippable<F>,
                "sluice: a partitioner's function captures something that cannot travel to the executors as bytes; pass values with "
                "sluice::with(f, value, ...), which reach f after the key");
  static_assert(!kShippable<F> || std::is_invocable_v<F&, const View&>,
                "sluice: a partitioner's function takes the key (text as std::string_view) and returns the number of the partition");
  if constexpr (kShippable<F> && std::is_invocable_v<F&, const View&>) {
    auto n = std::uint32_t(partitions < 1 ? 1 : partitions);
    return newPlacer(ops::PlaceKey<K, View, F>::of(f, n), ops::PlaceKey<View, View, F>::of(f, n), partitions, kind);
  } else {
    return {};
  }
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
