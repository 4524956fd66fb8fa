// What print() gives for a batch, in Spark's form.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "proto/link.pb.h"

namespace sluice::master {

// `parts` by partition; `limit` items at most, then "..." if there are more.
SLUICE_INTERNAL std::string printedBatch(std::int64_t whenMs, const std::vector<proto::Result>& parts, std::uint32_t limit);

}  // namespace sluice::master
