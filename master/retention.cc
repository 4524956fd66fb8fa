#include "master/retention.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_map.h"
#include "common/plan_view.h"
#include "master/grid.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

bool readsItself(const proto::Node& node) {
  return std::any_of(node.edges().begin(), node.edges().end(), [&](const auto& edge) { return edge.parent() == node.id(); });
}

}  // namespace

std::vector<Retained> retention(const proto::Plan& plan, const RetentionFacts& facts) {
  std::vector<Retained> found(std::size_t(plan.nodes_size()));
  absl::flat_hash_map<std::uint32_t, int> positions;
  const std::int64_t unpublished = facts.publishedMs + facts.intervalMs;
  for (int i = 0; i < plan.nodes_size(); ++i) {
    positions[plan.nodes(i).id()] = i;
    found[std::size_t(i)] = {plan.nodes(i).id(), kNever, kNever};
    // ssc.remember(d): anything may be asked of the last d.
    if (plan.remember_ms() > 0) found[std::size_t(i)].askMs = std::min(unpublished, facts.decidedMs - plan.remember_ms());
  }
  for (const auto& output : plan.outputs()) {
    auto it = positions.find(output.node());
    if (it == positions.end()) continue;
    auto& ask = found[std::size_t(it->second)].askMs;
    ask = std::min(ask, unpublished);
  }
  // Children come after their parents in the plan, so this order sees each node after all that read it.
  for (int i = plan.nodes_size() - 1; i >= 0; --i) {
    const auto& node = plan.nodes(i);
    if (node.slide_ms() <= 0) continue;
    auto& here = found[std::size_t(i)];
    if (readsItself(node)) {
      auto cut = facts.cut.find(node.id());
      here.computeMs = (cut == facts.cut.end() ? facts.zeroMs : cut->second) + node.slide_ms();
      // The next batch that runs reads the version before it.
      here.askMs = std::min(here.askMs, gridUp(facts.decidedMs + facts.intervalMs, facts.zeroMs, node.slide_ms()) - node.slide_ms());
    } else if (here.askMs != kNever) {
      here.computeMs = gridUp(here.askMs, facts.zeroMs, node.slide_ms());
    }
    if (here.computeMs == kNever) continue;
    for (const auto& edge : node.edges()) {
      auto it = positions.find(edge.parent());
      if (it == positions.end() || edge.parent() == node.id()) continue;
      auto& ask = found[std::size_t(it->second)].askMs;
      ask = std::min(ask, edge.as_of_ms() != 0 ? edge.as_of_ms() : here.computeMs - greatestShift(edge));
    }
  }
  std::vector<Retained> result;
  for (int i = 0; i < plan.nodes_size(); ++i) {
    if (plan.nodes(i).slide_ms() <= 0) continue;
    auto& entry = found[std::size_t(i)];
    entry.askMs = std::min(entry.askMs, unpublished);
    result.push_back(entry);
  }
  return result;
}

}  // namespace sluice::master
