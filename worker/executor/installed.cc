#include "worker/executor/installed.h"

namespace sluice::executor {

PlanTemplate::PlanTemplate(std::shared_ptr<const proto::Plan> plan, CodeResolver& resolver) : view(std::move(plan)) {
  for (const auto& node : view.plan().nodes()) {
    NodeCode found;
    if (node.has_op()) found.op = resolveCode<OpDesc>(resolver, node.op());
    if (node.has_type()) found.type = resolveCode<TypeDesc>(resolver, node.type());
    for (const auto& edge : node.edges()) {
      int parent = view.position(edge.parent());
      const TypeDesc* type = edge.has_read_type()                    ? resolveCode<TypeDesc>(resolver, edge.read_type())
                             : parent >= 0 && parent < int(code.size()) ? code[std::size_t(parent)].type
                                                                        : found.type;  // its own earlier value
      found.readTypes.push_back(type);
    }
    code.push_back(std::move(found));
  }
}

}  // namespace sluice::executor
