#include "master/panes.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "common/plan_view.h"
#include "master/grid.h"

namespace sluice::master {

namespace {

// Whether the reader, through this edge, asks after `afterMs` for the value of `whenMs`.
bool reads(const proto::Node& reader, const proto::Edge& edge, std::int64_t whenMs, std::int64_t zeroMs, std::int64_t afterMs) {
  const std::int64_t step = std::max<std::int64_t>(edge.shift_step_ms(), 1), first = whenMs + edge.first_shift_ms();
  const std::int64_t shifts = std::max(edge.shifts(), 1u);
  // Readers' times whenMs + shift repeat on the grid of its slide, so one round of shifts beyond afterMs tells.
  std::int64_t i = afterMs < first ? 0 : (afterMs - first) / step + 1;
  for (std::int64_t end = std::min(shifts, i + reader.slide_ms() / std::gcd(reader.slide_ms(), step)); i < end; ++i) {
    if ((first + i * step - zeroMs) % reader.slide_ms() == 0) return true;
  }
  return false;
}

bool isWindowOf(const proto::Node& reader, const proto::Edge& edge, std::uint32_t node) {
  return edge.parent() == node && reader.id() != node && reader.slide_ms() > 0 && greatestShift(edge) > 0;
}

}  // namespace

bool isReadAfter(const proto::Plan& plan, Pane pane, std::int64_t zeroMs, std::int64_t afterMs) {
  for (const auto& reader : plan.nodes()) {
    for (const auto& edge : reader.edges()) {
      if (isWindowOf(reader, edge, pane.node) && reads(reader, edge, pane.whenMs, zeroMs, afterMs)) return true;
    }
  }
  return false;
}

std::vector<Pane> panesAt(const proto::Plan& plan, std::int64_t zeroMs, std::int64_t whenMs) {
  std::vector<Pane> panes;
  for (const auto& node : plan.nodes()) {
    if (!node.keep().keep() || node.slide_ms() <= 0) continue;
    std::int64_t reach = 0;
    for (const auto& reader : plan.nodes()) {
      for (const auto& edge : reader.edges()) {
        if (isWindowOf(reader, edge, node.id())) reach = std::max(reach, gridAfter(whenMs, zeroMs, reader.slide_ms()) - whenMs + greatestShift(edge));
      }
    }
    if (reach == 0) continue;
    for (std::int64_t t = gridAfter(whenMs - reach, zeroMs, node.slide_ms()); t <= whenMs; t += node.slide_ms()) {
      if (isReadAfter(plan, {node.id(), t}, zeroMs, whenMs)) panes.push_back({node.id(), t});
    }
  }
  return panes;
}

std::set<std::uint32_t> timedStates(const proto::Plan& plan) {
  std::set<std::uint32_t> windowed, timed;  // what windows read, and all that this is made of
  for (int i = plan.nodes_size() - 1; i >= 0; --i) {
    const auto& node = plan.nodes(i);
    const bool below = windowed.contains(node.id());
    bool made = false;
    for (const auto& edge : node.edges()) {
      if (edge.parent() == node.id()) continue;
      made |= greatestShift(edge) > 0;
      if (below || greatestShift(edge) > 0) windowed.insert(edge.parent());
    }
    if (node.keep().state() && (below || made)) timed.insert(node.id());
  }
  return timed;
}

std::int64_t movedBy(const proto::Plan& plan, std::int64_t downMs) {
  constexpr std::int64_t kMost = std::int64_t(1) << 40;  // of slides that never meet: nothing moves
  std::map<std::uint32_t, std::int64_t> reach;           // of a node, over all windows below it
  std::int64_t farthest = 0, step = 1;
  for (const auto& node : plan.nodes()) {
    if (node.slide_ms() <= 0) continue;
    step = std::lcm(step, node.slide_ms());
    if (step > kMost) return 0;
    std::int64_t& own = reach[node.id()];
    for (const auto& edge : node.edges()) {
      if (edge.parent() == node.id()) continue;
      std::int64_t shift = greatestShift(edge);
      own = std::max(own, reach[edge.parent()] + (shift > 0 ? shift + node.slide_ms() : 0));
    }
    farthest = std::max(farthest, own);
  }
  return std::max<std::int64_t>(downMs - farthest, 0) / step * step;
}

}  // namespace sluice::master
