// Whether a plan is one: what master and executors rely on without looking again. Plans come from drivers, which anybody may write, and a master
// serves many of them.
#pragma once
#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "sluice/abi.h"

namespace sluice {

inline constexpr std::uint32_t kMostPartitions = 1 << 20;  // of a dataset
inline constexpr std::uint32_t kMostShifts = 1 << 24;      // batches that one window reads
inline constexpr int kDeepestLineage = 4'000;              // nodes from a leaf to an output; recursion over plans must fit into a stack

// kInvalidArgument with one line: parents are nodes of the plan and come first (but for a state, which reads itself earlier), there are no
// loops, counts and times are within bounds, and edges fit their nodes.
SLUICE_INTERNAL absl::Status checkPlan(const proto::Plan& plan);

}  // namespace sluice
