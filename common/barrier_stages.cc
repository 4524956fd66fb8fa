#include "common/barrier_stages.h"

#include <algorithm>
#include <set>
#include <string>

namespace sluice {
namespace {

std::string siteOf(const proto::Node& node) { return node.name() + (node.site().empty() ? "" : " at " + node.site()); }

// Another partition than its own of its input, or of several.
bool changesPartitions(const proto::Node& node) {
  switch (node.kind()) {
    case proto::NODE_UNION: return node.edges_size() > 1 || (node.edges_size() == 1 && node.edges(0).shifts() > 1);
    case proto::NODE_COALESCE:
    case proto::NODE_CARTESIAN:
    case proto::NODE_PICK: return true;
    default: return false;
  }
}

// The nodes of a stage's pipeline, each once, from its root down.
std::vector<const proto::Node*> pipelineOf(const PlanView& view, const Stage& stage) {
  std::vector<const proto::Node*> nodes;
  const proto::Node& root = view.node(stage.root);
  if (stage.sink != Stage::Sink::kKeep && root.keep().keep()) return nodes;  // it reads what is kept
  std::set<std::uint32_t> seen{root.id()};
  nodes.push_back(&root);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& edge : nodes[i]->edges()) {
      if (edge.exchange() != proto::EXCHANGE_NONE || view.node(edge.parent()).keep().keep()) continue;
      if (seen.insert(edge.parent()).second) nodes.push_back(&view.node(edge.parent()));
    }
  }
  return nodes;
}

// The barriers that the node's own records come through, on all ways; only the next one on each.
std::size_t nextBarriers(const PlanView& view, const proto::Node& node) {
  std::size_t found = 0;
  std::set<std::uint32_t> seen{node.id()};
  std::vector<const proto::Node*> open{&node};
  while (!open.empty()) {
    const proto::Node& at = *open.back();
    open.pop_back();
    for (const auto& edge : at.edges()) {
      if (edge.exchange() != proto::EXCHANGE_NONE || view.node(edge.parent()).keep().keep() || !seen.insert(edge.parent()).second) continue;
      const auto& parent = view.node(edge.parent());
      if (parent.barrier()) ++found;
      else open.push_back(&parent);
    }
  }
  return found;
}

absl::Status check(const PlanView& view, const Stage& stage, bool wholeOutputs) {
  auto nodes = pipelineOf(view, stage);
  const auto* barrier = barrierOf(view, stage);
  if (!barrier) return absl::OkStatus();
  std::string of = "the barrier stage of " + siteOf(*barrier) + ": ";
  if (stage.sink == Stage::Sink::kOutput && !wholeOutputs) {
    return absl::InvalidArgumentError(of + "its tasks run all together, and first, take and the like ask for some partitions only; use collect");
  }
  for (const auto* node : nodes) {
    if (changesPartitions(*node)) {
      return absl::InvalidArgumentError(of + "its tasks are its partitions, which " + siteOf(*node) +
                                        " changes within the stage; use repartition there, or persist what comes before it");
    }
    if (std::size_t meeting = nextBarriers(view, *node); meeting > 1) {
      return absl::InvalidArgumentError(of + siteOf(*node) + " reads " + std::to_string(meeting) + " barriers in one stage; persist one of them first");
    }
  }
  return absl::OkStatus();
}

}  // namespace

const proto::Node* barrierOf(const PlanView& view, const Stage& stage) {
  auto nodes = pipelineOf(view, stage);
  auto barrier = std::find_if(nodes.begin(), nodes.end(), [](const auto* node) { return node->barrier(); });
  return barrier == nodes.end() ? nullptr : *barrier;
}

bool isBarrierStage(const PlanView& view, const Stage& stage) { return barrierOf(view, stage) != nullptr; }

bool hasBarriers(const proto::Plan& plan) {
  return std::any_of(plan.nodes().begin(), plan.nodes().end(), [](const auto& node) { return node.barrier(); });
}

absl::Status checkBarriers(const PlanView& view, bool wholeOutputs) {
  for (const Stage& stage : view.stages()) {
    if (auto status = check(view, stage, wholeOutputs); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace sluice
