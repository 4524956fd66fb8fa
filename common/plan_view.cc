#include "common/plan_view.h"

#include <algorithm>

#include "common/barrier_stages.h"

namespace sluice {

PlanView::PlanView(std::shared_ptr<const proto::Plan> plan) : plan_(std::move(plan)) {
  indexNodes();
  for (int i = 0; i < plan_->outputs_size(); ++i) {
    const auto& output = plan_->outputs(i);
    if (output.kind() == proto::OUTPUT_DRIVER) {
      // Nothing is computed for a driver function before it asks, but state must not fall behind, nor what a checkpoint holds of windows.
      std::vector<bool> seen(plan_->nodes_size());
      addLastingStages(output.node(), seen);
    } else {
      addStage(output.node(), Stage::Sink::kOutput, {}, i);
    }
  }
  if (!hasBarriers(*plan_)) return;
  for (Stage& stage : stages_) stage.barrier = isBarrierStage(*this, stage);
}

void PlanView::indexNodes() {
  if (plan_->nodes_size() == 0) return;
  auto [low, high] = std::minmax_element(plan_->nodes().begin(), plan_->nodes().end(), [](const auto& a, const auto& b) { return a.id() < b.id(); });
  const std::uint64_t span = std::uint64_t(high->id()) - low->id() + 1;
  if (span <= std::uint64_t(plan_->nodes_size()) * 4 + 64) {
    firstId_ = low->id();
    near_.assign(std::size_t(span), -1);
    for (int i = 0; i < plan_->nodes_size(); ++i) near_[plan_->nodes(i).id() - firstId_] = i;
  } else {
    for (int i = 0; i < plan_->nodes_size(); ++i) positions_[plan_->nodes(i).id()] = i;
  }
}

int PlanView::position(std::uint32_t id) const {
  if (!near_.empty()) return id - firstId_ < near_.size() ? near_[id - firstId_] : -1;
  auto it = positions_.find(id);
  return it == positions_.end() ? -1 : it->second;
}

std::int64_t greatestShift(const proto::Edge& edge) {
  return edge.first_shift_ms() + std::int64_t(std::max(edge.shifts(), 1u) - 1) * edge.shift_step_ms();
}

void PlanView::addLastingStages(std::uint32_t id, std::vector<bool>& seen) {
  int at = position(id);
  if (seen[at]) return;
  seen[at] = true;
  const auto& n = plan_->nodes(at);
  if (n.keep().state()) {
    if (!keepStages_.contains(id)) addStage(id, Stage::Sink::kKeep, {}, 0);
    return;
  }
  for (const auto& edge : n.edges()) {
    bool pane = !plan_->checkpoint_directory().empty() && greatestShift(edge) > 0 && node(edge.parent()).keep().keep();
    if (pane && !keepStages_.contains(edge.parent())) addStage(edge.parent(), Stage::Sink::kKeep, {}, 0);
    addLastingStages(edge.parent(), seen);
  }
}

std::uint32_t PlanView::addStage(std::uint32_t root, Stage::Sink sink, ExchangeId exchange, std::uint32_t output) {
  std::vector<std::uint32_t> parents;
  if (sink == Stage::Sink::kKeep || !node(root).keep().keep()) {
    walk(root, parents);
  } else {  // an output or exchange over a kept value reads it
    if (!keepStages_.contains(root)) addStage(root, Stage::Sink::kKeep, {}, 0);
    parents.push_back(keepStages_.at(root));
  }
  std::sort(parents.begin(), parents.end());
  parents.erase(std::unique(parents.begin(), parents.end()), parents.end());
  auto index = std::uint32_t(stages_.size());
  stages_.push_back({index, root, sink, exchange, output, std::move(parents)});
  if (sink == Stage::Sink::kExchange) exchangeStages_[exchange] = index;
  if (sink == Stage::Sink::kKeep) keepStages_[root] = index;
  return index;
}

void PlanView::walk(std::uint32_t id, std::vector<std::uint32_t>& parents) {
  const auto& n = node(id);
  for (int e = 0; e < n.edges_size(); ++e) {
    const auto& edge = n.edges(e);
    if (edge.exchange() != proto::EXCHANGE_NONE) {
      ExchangeId exchange{id, std::uint32_t(e)};
      auto it = exchangeStages_.find(exchange);
      parents.push_back(it != exchangeStages_.end() ? it->second : addStage(edge.parent(), Stage::Sink::kExchange, exchange, 0));
    } else if (node(edge.parent()).keep().keep()) {
      if (edge.parent() == id) continue;  // its own earlier version
      auto it = keepStages_.find(edge.parent());
      std::uint32_t stage = it != keepStages_.end() ? it->second : addStage(edge.parent(), Stage::Sink::kKeep, {}, 0);
      if (edge.first_shift_ms() == 0) parents.push_back(stage);
    } else {
      walk(edge.parent(), parents);
    }
  }
}

const Stage* PlanView::exchangeStage(ExchangeId id) const {
  auto it = exchangeStages_.find(id);
  return it == exchangeStages_.end() ? nullptr : &stages_[it->second];
}

std::uint32_t PlanView::markedNode(ExchangeId id) const {
  const proto::Node& reader = node(id.node);
  const proto::Node& parent = node(reader.edges(int(id.edge)).parent());
  if (parent.slide_ms() > 0) return parent.id();
  // What a state may have to be made of goes further back than its mark.
  return reader.slide_ms() > 0 && !reader.keep().state() ? reader.id() : 0;
}

const Stage* PlanView::keepStage(std::uint32_t id) const {
  auto it = keepStages_.find(id);
  return it == keepStages_.end() ? nullptr : &stages_[it->second];
}

std::int64_t PlanView::whenOf(const proto::Node& n, std::int64_t instanceMs) const {
  if (n.slide_ms() == 0 && n.keep().keep()) return 0;
  return instanceMs;
}

std::int64_t PlanView::parentTime(const proto::Edge& edge, std::int64_t whenMs, std::uint32_t shift) const {
  if (edge.as_of_ms() != 0) return edge.as_of_ms();
  return whenOf(node(edge.parent()), whenMs - edge.first_shift_ms() - std::int64_t(shift) * edge.shift_step_ms());
}

bool PlanView::exists(std::uint32_t id, std::int64_t whenMs, const Facts& facts) const {
  const auto& n = node(id);
  if (n.slide_ms() > 0 && (whenMs <= facts.zeroMs || (whenMs - facts.zeroMs) % n.slide_ms() != 0)) return false;
  if (n.first_batch_only() && whenMs != facts.zeroMs + n.slide_ms()) return false;
  if (n.kind() == proto::NODE_SOURCE) {
    return n.source().kind() == proto::SOURCE_STATIC || facts.sources.contains({id, whenMs});
  }
  if (const std::uint32_t* count = told(n, whenMs, facts)) return *count != Facts::kNoValue;
  if (n.keep().state()) return true;  // goes on without input
  for (const auto& edge : n.edges()) {
    if (edge.parent() == id) continue;
    for (std::uint32_t i = 0; i < std::max(edge.shifts(), 1u); ++i) {
      std::int64_t at = parentTime(edge, whenMs, i);
      if (exists(edge.parent(), at, facts)) return true;
    }
  }
  return false;
}

// Of a narrow edge without shifts.
std::uint32_t PlanView::ofParent(const proto::Edge& edge, std::int64_t whenMs, const Facts& facts) const {
  std::int64_t at = parentTime(edge, whenMs, 0);
  return exists(edge.parent(), at, facts) ? partitions(edge.parent(), at, facts) : 0;
}

std::uint32_t PlanView::partitions(std::uint32_t id, std::int64_t whenMs, const Facts& facts) const { return count(id, whenMs, facts, false); }

const std::uint32_t* PlanView::told(const proto::Node& n, std::int64_t whenMs, const Facts& facts) const {
  if (!n.told()) return nullptr;
  auto it = facts.sources.find({n.id(), whenMs});
  return it == facts.sources.end() ? nullptr : &it->second;
}

std::uint32_t PlanView::count(std::uint32_t id, std::int64_t whenMs, const Facts& facts, bool always) const {
  const auto& n = node(id);
  if (n.kind() == proto::NODE_SOURCE && n.source().kind() == proto::SOURCE_STATIC) return n.source().inputs_size();
  if (n.kind() == proto::NODE_SOURCE) {
    auto it = facts.sources.find({id, whenMs});
    return it == facts.sources.end() ? 0 : it->second;
  }
  if (const std::uint32_t* count = told(n, whenMs, facts); count && *count != Facts::kNoValue) return *count;
  // A state goes on where nothing comes in: it lies by key, as what it is made of does, whether that has a value then or not.
  always = always || n.keep().state();
  if (n.kind() == proto::NODE_CARTESIAN) {
    std::uint64_t product = 1;
    for (const auto& edge : n.edges()) product *= ofParent(edge, whenMs, facts);
    return std::uint32_t(std::min<std::uint64_t>(product, UINT32_MAX));
  }
  if (n.kind() == proto::NODE_PICK) return ofParent(n.edges(0), whenMs, facts) == 0 ? 0 : std::uint32_t(n.picked_size());
  for (const auto& edge : n.edges()) {
    if (edge.exchange() == proto::EXCHANGE_GATHER) return 1;
    if (edge.exchange() == proto::EXCHANGE_HASH || edge.exchange() == proto::EXCHANGE_DIRECT) {
      return n.partitions() ? n.partitions() : facts.defaultPartitions;
    }
  }
  std::uint32_t sum = 0;
  for (const auto& edge : n.edges()) {
    if (edge.parent() == id || edge.exchange() != proto::EXCHANGE_NONE) continue;
    for (std::uint32_t i = 0; i < std::max(edge.shifts(), 1u); ++i) {
      std::int64_t at = parentTime(edge, whenMs, i);
      if (!always && !exists(edge.parent(), at, facts)) continue;
      sum += count(edge.parent(), at, facts, always);
      if (n.kind() != proto::NODE_UNION) break;
    }
    if (sum != 0 && n.kind() != proto::NODE_UNION) break;
  }
  if (n.kind() == proto::NODE_COALESCE) return std::min(n.partitions(), sum);
  return sum;
}

std::uint32_t PlanView::tasks(const Stage& stage, std::int64_t instanceMs, const Facts& facts) const {
  std::int64_t when = whenOf(node(stage.root), instanceMs);
  return exists(stage.root, when, facts) ? partitions(stage.root, when, facts) : 0;
}

std::vector<PlanView::Input> PlanView::inputs(std::uint32_t id, std::int64_t whenMs, std::uint32_t partition, const Facts& facts) const {
  const auto& n = node(id);
  std::vector<Input> found;
  std::uint32_t before = 0;  // union: partitions of the inputs passed so far
  for (int e = 0; e < n.edges_size(); ++e) {
    const auto& edge = n.edges(e);
    std::uint32_t shifts = std::max(edge.shifts(), 1u);
    for (std::uint32_t k = 0; k < shifts; ++k) {
      // A window gives its batches from the oldest on; one that is changed by what enters and leaves counts from the newest.
      bool oldestFirst = n.kind() == proto::NODE_UNION || n.kind() == proto::NODE_CONCAT || n.edges_size() == 1;
      std::uint32_t i = oldestFirst ? shifts - 1 - k : k;
      std::int64_t at = whenMs - edge.first_shift_ms() - std::int64_t(i) * edge.shift_step_ms();
      const auto& parent = node(edge.parent());
      if (edge.exchange() != proto::EXCHANGE_NONE) {
        bool present = exists(edge.parent(), whenOf(parent, at), facts);
        found.push_back({&edge, std::uint32_t(e), true, edge.parent(), at, edge.exchange() == proto::EXCHANGE_GATHER ? 0 : partition, present});
        continue;
      }
      at = parentTime(edge, whenMs, i);
      bool present = exists(edge.parent(), at, facts);
      Input input{&edge, std::uint32_t(e), false, edge.parent(), at, partition, present};
      if (n.kind() == proto::NODE_UNION) {
        if (!present) continue;
        std::uint32_t count = partitions(edge.parent(), at, facts);
        if (partition >= before && partition < before + count) {
          input.partition = partition - before;
          found.push_back(input);
        }
        before += count;
      } else if (n.kind() == proto::NODE_COALESCE) {
        std::uint32_t count = present ? partitions(edge.parent(), at, facts) : 0;
        std::uint32_t parts = std::min(n.partitions(), count);
        for (std::uint64_t p = std::uint64_t(partition) * count / std::max(parts, 1u); p < std::uint64_t(partition + 1) * count / std::max(parts, 1u); ++p) {
          input.partition = std::uint32_t(p);
          found.push_back(input);
        }
      } else if (n.kind() == proto::NODE_PICK) {
        input.partition = int(partition) < n.picked_size() ? n.picked(int(partition)) : partition;
        input.exists = present && input.partition < partitions(edge.parent(), at, facts);
        found.push_back(input);
      } else if (n.kind() == proto::NODE_CARTESIAN) {
        std::uint32_t right = std::max(ofParent(n.edges(1), whenMs, facts), 1u);
        input.partition = e == 0 ? partition / right : partition % right;
        found.push_back(input);
      } else {
        if (n.equal_partitions()) input.exists = present && partition < partitions(edge.parent(), at, facts);
        found.push_back(input);
      }
    }
  }
  return found;
}

void PlanView::collectReads(std::uint32_t id, std::int64_t whenMs, std::uint32_t partition, const Facts& facts, TaskReads& reads) const {
  const auto& n = node(id);
  if (n.kind() == proto::NODE_SOURCE) {
    reads.sources.push_back({id, whenMs, partition});
    return;
  }
  for (const auto& input : inputs(id, whenMs, partition, facts)) {
    if (!input.exists) continue;
    if (input.shuffle) {
      reads.shuffles.push_back({{id, input.edgeIndex}, input.whenMs, input.partition});
    } else if (node(input.parent).keep().keep()) {
      reads.kept.push_back({input.parent, input.whenMs, input.partition});
    } else {
      collectReads(input.parent, input.whenMs, input.partition, facts, reads);
    }
  }
}

TaskReads PlanView::reads(const Stage& stage, std::int64_t instanceMs, std::uint32_t partition, const Facts& facts) const {
  TaskReads reads;
  std::int64_t when = whenOf(node(stage.root), instanceMs);
  if (stage.sink != Stage::Sink::kKeep && node(stage.root).keep().keep()) {
    reads.kept.push_back({stage.root, when, partition});
  } else {
    collectReads(stage.root, when, partition, facts, reads);
  }
  return reads;
}

std::uint32_t placeOf(const proto::Epoch& epoch, std::uint32_t partition, std::uint32_t partitions) {
  // Slots are taken round-robin over members (first all first slots, then all second ones …), so that few partitions spread.
  auto members = std::uint32_t(epoch.members_size());
  if (members <= 1) return 0;
  std::uint32_t slots = 0, same = epoch.members(0).slots();
  bool even = true;
  for (const auto& member : epoch.members()) slots += member.slots(), even = even && member.slots() == same;
  if (even || slots == 0) return partition % members;
  std::uint32_t slot = partition % slots;
  for (std::uint32_t round = 0;; ++round) {
    for (std::uint32_t m = 0; m < members; ++m) {
      if (epoch.members(m).slots() <= round) continue;
      if (slot-- == 0) return m;
    }
  }
}

}  // namespace sluice
