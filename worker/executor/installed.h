// A plan as an executor holds it: cut into stages, with the code of its nodes found. Made once, read by all its tasks.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/plan_view.h"
#include "sluice/abi.h"
#include "worker/executor/code.h"

namespace sluice::executor {

// The code behind one node of the plan.
struct NodeCode {
  const OpDesc* op = nullptr;              // STEP, PULL
  const TypeDesc* type = nullptr;          // of its records
  std::vector<const TypeDesc*> readTypes;  // by edge; what a kept parent's or a segment's rows are decoded as
};

struct SLUICE_INTERNAL PlanTemplate {
  // Throws Error if a descriptor is not where the plan says.
  PlanTemplate(std::shared_ptr<const proto::Plan> plan, CodeResolver& code);

  PlanView view;
  std::vector<NodeCode> code;  // parallel to Plan.nodes
  const NodeCode& codeOf(std::uint32_t node) const { return code[std::size_t(view.position(node))]; }
};

// What a Launch names: template + captures + epoch.
struct Installed {
  std::shared_ptr<const PlanTemplate> plan;
  std::shared_ptr<const proto::Captures> captures;
  std::shared_ptr<const proto::Epoch> epoch;

  std::string_view capturesOf(std::uint32_t node) const {
    int at = plan->view.position(node);
    if (!captures || at >= captures->nodes_size()) return {};
    return captures->nodes(at);
  }
};

}  // namespace sluice::executor
