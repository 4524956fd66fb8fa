// What a partitioner is to libsluice: two operators that name the partitions of keys, for records whose keys are owned and for views.
#pragma once
#include <cstdint>
#include <string_view>

#include "sluice/abi.h"
#include "sluice/detail/ref.h"
#include "sluice/error.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

class Placer;
SLUICE_EXPORT void retain(Placer*) noexcept;
SLUICE_EXPORT void release(Placer*) noexcept;
using PlacerRef = Ref<Placer>;

// `kind`: "range", "custom". Throws Error(kInvalidArgument) for a number of partitions below 1.
SLUICE_EXPORT PlacerRef newPlacer(OpRef owned, OpRef views, int partitions, std::string_view kind);
SLUICE_EXPORT bool samePlacer(const PlacerRef& a, const PlacerRef& b);
SLUICE_EXPORT std::string_view kindOf(const PlacerRef& placer);

// Where the records of a key lie.
struct Placement {
  std::uint32_t partitions = 0;  // 0: the default number
  PlacerRef placer;              // null: by hash
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
