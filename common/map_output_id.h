// The name of map outputs that outlive the job that made them: of which reader of the driver's graph, and cut for how many partitions.
#pragma once
#include <compare>
#include <cstdint>

namespace sluice {

struct MapOutputId {
  std::uint64_t node = 0;      // start of the driver << 32 | its own node that reads them; 0: none
  std::uint32_t edge = 0;      // of that node
  std::uint32_t defaults = 0;  // default partitions of the job: with the node, they say how many map and reduce partitions there are
  friend constexpr auto operator<=>(MapOutputId, MapOutputId) = default;
};

}  // namespace sluice
