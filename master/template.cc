#include "master/template.h"

#include <algorithm>
#include <set>

#include "common/preferred_places.h"

namespace sluice::master {

std::uint32_t Placement::slots() const {
  std::uint32_t sum = 0;
  for (const auto& member : epoch_.members()) sum += member.slots();
  return sum;
}

const Placement::Places& Placement::places(std::uint32_t partitions) {
  auto& found = places_[partitions];
  if (!found) {
    auto at = std::make_shared<std::vector<std::uint32_t>>(partitions);
    found = std::make_unique<Places>();
    found->of.resize(members_.size());
    for (std::uint32_t p = 0; p < partitions; ++p) {
      std::uint32_t member = placeOf(epoch_, p, partitions);
      (*at)[p] = members_[member];
      found->of[member].push_back(p);
    }
    found->at = std::move(at);
  }
  return *found;
}

Template::Template(std::shared_ptr<const proto::Plan> p, std::shared_ptr<const proto::Captures> c)
    : plan(std::move(p)), view(plan), captures(std::move(c)) {
  shapes.resize(view.stages().size());
  for (const auto& stage : view.stages()) shapeStage(stage);
  std::vector<int> readers(view.stages().size());
  for (const auto& stage : view.stages()) {
    // Two tasks of one stage may read the same reducer.
    const StageShape& shape = shapes[stage.index];
    for (std::uint32_t parent : stage.parents) readers[parent] += !shape.aligned && shape.repeats ? 2 : 1;
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) shapes[i].oneReader = readers[i] <= 1;
  for (const auto& node : plan->nodes()) {
    bool source = node.kind() == proto::NODE_SOURCE && node.source().kind() != proto::SOURCE_STATIC;
    copies |= node.keep().replicas() > 1;
    if (source || node.keep().keep() || node.slide_ms() != 0) timeless = false;
  }
  timelessReads.resize(shapes.size());
  findReach();
}

void Template::shapeStage(const Stage& stage) {
  StageShape& shape = shapes[stage.index];
  const auto& root = view.node(stage.root);
  shape.state = stage.sink == Stage::Sink::kKeep && root.keep().state();
  if (stage.sink == Stage::Sink::kExchange) {
    shape.broadcast = view.node(stage.exchange.node).edges(int(stage.exchange.edge)).exchange() == proto::EXCHANGE_BROADCAST;
  }
  std::set<std::uint32_t> below{stage.index};
  for (std::uint32_t parent : stage.parents) below.insert(shapes[parent].below.begin(), shapes[parent].below.end());
  shape.below.assign(below.begin(), below.end());
  if (stage.sink != Stage::Sink::kKeep && root.keep().keep()) return;  // reads the kept value, partition by partition
  std::vector<bool> seen(std::size_t(plan->nodes_size()));
  walk(stage.root, shape, seen);
}

void Template::walk(std::uint32_t id, StageShape& shape, std::vector<bool>& seen) {
  auto at = std::size_t(view.position(id));
  if (seen[at]) {
    shape.repeats = true;
    return;
  }
  seen[at] = true;
  const auto& node = plan->nodes(int(at));
  shape.wishes = shape.wishes || hasPlaces(node);
  switch (node.kind()) {
    case proto::NODE_CARTESIAN: shape.repeats = true; [[fallthrough]];
    case proto::NODE_UNION:
    case proto::NODE_PICK:
    case proto::NODE_COALESCE: shape.aligned = false; break;
    default: break;
  }
  for (const auto& edge : node.edges()) {
    if (edge.exchange() != proto::EXCHANGE_NONE || edge.parent() == id) continue;
    if (view.node(edge.parent()).keep().keep()) continue;
    walk(edge.parent(), shape, seen);
  }
}

// Through everything, kept values and exchanges too: whether a node exists, and in how many partitions, goes back to the sources.
void Template::findReach() {
  std::set<Reach> found;
  std::set<Reach> seen;
  std::vector<Reach> open;
  for (const auto& stage : view.stages()) open.push_back({stage.root, 0, false});
  while (!open.empty()) {
    Reach here = open.back();
    open.pop_back();
    const auto& node = view.node(here.node);
    if (!seen.insert(here).second) continue;
    if (node.kind() == proto::NODE_SOURCE) {
      if (node.source().kind() != proto::SOURCE_STATIC) found.insert(here);
      continue;
    }
    if (node.told()) found.insert(here);
    for (const auto& edge : node.edges()) {
      if (edge.parent() == here.node) continue;
      for (std::uint32_t i = 0; i < std::max(edge.shifts(), 1u); ++i) {
        std::int64_t shift = edge.first_shift_ms() + std::int64_t(i) * edge.shift_step_ms();
        if (edge.as_of_ms() != 0) open.push_back({edge.parent(), edge.as_of_ms(), true});
        else open.push_back({edge.parent(), here.absolute ? here.back - shift : here.back + shift, here.absolute});
      }
    }
  }
  reach.assign(found.begin(), found.end());
}

}  // namespace sluice::master
