// RDD::preferredLocations: a question to the plan, which computes nothing.
#include "client/context_core.h"
#include "client/plan_node.h"
#include "common/preferred_places.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

std::vector<std::string> preferredPlaces(const NodeRef& node, int partition) {
  std::uint32_t count = partitionsOf(node);
  if (partition < 0 || std::uint32_t(partition) >= count) {
    throwError(ErrorKind::kInvalidArgument, "preferredLocations: there is no partition " + std::to_string(partition) + "; the RDD has " + std::to_string(count));
  }
  ContextRef context = contextOf(node);
  PlanRequest request;
  request.action = "preferredLocations";
  OutputRequest output;
  output.kind = proto::OUTPUT_NONE, output.name = request.action, output.node = node, output.site = node->site;
  request.outputs.push_back(std::move(output));
  auto plan = std::make_shared<proto::Plan>(*context->build(request).plan);
  // Where a cached partition came from counts as well. What is kept of a stream is made from earlier times, down to its start: it has no places.
  for (auto& node : *plan->mutable_nodes()) {
    if (node.slide_ms() == 0 && !node.keep().state()) node.clear_keep();
  }
  Facts facts;
  facts.defaultPartitions = context->defaultParallelism();
  PlanView view(std::move(plan));
  return sluice::preferredPlaces(view, view.reads(view.stages().back(), -1, std::uint32_t(partition), facts));
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
