// How far back a recovery may have to reach: for each node of a stream the lowest time at which one of its values can still be asked
// for. A pure function of the plan and of what is durable; see the rule "Retention" in ARCHITECTURE.md.
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "proto/plan.pb.h"

namespace sluice::master {

struct RetentionFacts {
  std::int64_t zeroMs = 0;
  std::int64_t intervalMs = 0;
  std::int64_t publishedMs = 0;  // every output of this batch and of those before is visible
  std::int64_t decidedMs = 0;
  // Cut of each state node in the older of the kept checkpoints; absent: none, so its state stands on everything since zero time.
  std::map<std::uint32_t, std::int64_t> cut;
};

struct Retained {
  std::uint32_t node = 0;
  std::int64_t askMs = 0;      // values, blocks, and segments that go by the node before this may go
  std::int64_t computeMs = 0;  // the lowest time at which it may have to be computed
};

// One entry for each node with a slide, in order of the plan.
SLUICE_INTERNAL std::vector<Retained> retention(const proto::Plan& plan, const RetentionFacts& facts);

}  // namespace sluice::master
