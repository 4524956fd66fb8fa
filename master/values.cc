#include "master/values.h"

#include <algorithm>

namespace sluice::master {

void Values::addCopy(ValueId id, std::uint32_t executor) {
  auto& at = copies_[id];
  if (std::find(at.begin(), at.end(), executor) == at.end()) at.push_back(executor);
}

bool Values::moveToCopy(ValueId id, Part& part) {
  auto it = copies_.find(id);
  if (it == copies_.end()) return false;
  part.at = it->second.back();
  it->second.pop_back();
  if (it->second.empty()) copies_.erase(it);
  return true;
}

void Values::dropCopy(ValueId id, std::uint32_t executor) {
  auto it = copies_.find(id);
  if (it == copies_.end()) return;
  std::erase(it->second, executor);
  if (it->second.empty()) copies_.erase(it);
}

void Values::moveToCopies(std::uint32_t executor) {
  for (auto it = copies_.begin(); it != copies_.end();) {
    std::erase(it->second, executor);
    RunPtr run = keep(it->first.node, it->first.whenMs);
    if (run && it->first.partition < run->parts.size() && !it->second.empty()) {
      Part& part = run->parts[it->first.partition];
      if (part.state == PartState::kDone && part.at == executor) {
        part.at = it->second.back();
        it->second.pop_back();
      }
    }
    it = it->second.empty() ? copies_.erase(it) : std::next(it);
  }
}

void Values::dropCopies(std::uint32_t node, std::int64_t whenMs) {
  copies_.erase(copies_.lower_bound({node, whenMs, 0}), copies_.upper_bound({node, whenMs, ~0u}));
}

void Values::release(const absl::flat_hash_map<std::uint32_t, std::int64_t>& marks) {
  std::int64_t highest = 0;
  for (const auto& [node, below] : marks) highest = std::max(highest, below);
  auto sweep = [&](std::map<Key, RunPtr>& runs, auto markedNode) {
    for (auto it = runs.upper_bound({0, ~0u, ~0u}); it != runs.end() && it->first.whenMs < highest;) {
      auto mark = marks.find(markedNode(it->first, *it->second));
      bool gone = mark != marks.end() && it->first.whenMs < mark->second && it->second->unfinished == 0;
      if (gone && &runs == &keeps_) dropCopies(it->first.node, it->first.whenMs);
      it = gone ? runs.erase(it) : std::next(it);
    }
  };
  sweep(keeps_, [](const Key& key, const Run&) { return key.node; });
  sweep(exchanges_, [](const Key& key, const Run& run) { return run.plan->view.markedNode({key.node, key.edge}); });
}

std::vector<ExchangeId> Values::forget(std::uint32_t node) {
  std::vector<ExchangeId> dropped;
  for (auto it = keeps_.begin(); it != keeps_.end();) {
    if (it->first.node != node) {
      ++it;
      continue;
    }
    const Template& plan = *it->second->plan;
    for (std::uint32_t stage : it->second->traits().below) {
      const Stage& shape = plan.view.stages()[stage];
      if (shape.sink != Stage::Sink::kExchange) continue;
      if (it->first.whenMs == 0) dropped.push_back(shape.exchange);
      else exchanges_.erase({it->first.whenMs, shape.exchange.node, shape.exchange.edge});
    }
    dropCopies(it->first.node, it->first.whenMs);
    it = keeps_.erase(it);
  }
  return dropped;
}

}  // namespace sluice::master
