// Where tasks would rather run: the places that the application gave to their inputs (makeRDD). Hints, which driver and master read alike.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "common/plan_view.h"

namespace sluice {

// Whether the node gives any.
SLUICE_INTERNAL bool hasPlaces(const proto::Node& node);
// Of a task that reads this, the aligned one `shift` partitions on: the places that most of its inputs name, in the order they are named.
SLUICE_INTERNAL std::vector<std::string> preferredPlaces(const PlanView& view, const TaskReads& reads, std::uint32_t shift = 0);

// "executor_HOST_ID" as its parts, any other place as a host alone (executor 0).
struct NamedPlace {
  std::string_view host;
  std::uint64_t executor = 0;
};
SLUICE_INTERNAL NamedPlace parsePlace(std::string_view place);

}  // namespace sluice
