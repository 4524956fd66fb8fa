// Plans for tests of the master, node by node.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/plan_view.h"

namespace sluice::master {

class PlanMaker {
 public:
  explicit PlanMaker(std::uint64_t hash, std::int64_t intervalMs = 0) {
    plan.set_template_hash(hash), plan.set_shape_hash(hash), plan.set_interval_ms(intervalMs);
  }
  proto::Node& node(proto::NodeKind kind) {
    auto* node = plan.add_nodes();
    node->set_id(std::uint32_t(plan.nodes_size())), node->set_kind(kind), node->set_slide_ms(plan.interval_ms());
    node->set_uid("n" + std::to_string(plan.nodes_size()));
    return *node;
  }
  std::uint32_t constant(int partitions) {
    auto& n = node(proto::NODE_SOURCE);
    n.mutable_source()->set_kind(proto::SOURCE_STATIC);
    for (int i = 0; i < partitions; ++i) n.mutable_source()->add_inputs();
    n.set_slide_ms(0);
    return n.id();
  }
  std::uint32_t receiver() {
    auto& n = node(proto::NODE_SOURCE);
    n.mutable_source()->set_kind(proto::SOURCE_RECEIVER), n.mutable_source()->set_copies(2);
    return n.id();
  }
  // One batch for each number: how many partitions; < 0: no value.
  std::uint32_t batches(const std::vector<int>& counts) {
    auto& n = node(proto::NODE_SOURCE);
    n.mutable_source()->set_kind(proto::SOURCE_BATCHES);
    for (int count : counts) {
      auto* batch = n.mutable_source()->add_batches();
      batch->set_no_value(count < 0);
      for (int i = 0; i < count; ++i) batch->add_inputs();
    }
    return n.id();
  }
  proto::Edge& edge(proto::Node& n, std::uint32_t parent, proto::Exchange exchange = proto::EXCHANGE_NONE) {
    auto* e = n.add_edges();
    e->set_parent(parent), e->set_exchange(exchange);
    return *e;
  }
  std::uint32_t step(std::uint32_t parent) {
    auto& n = node(proto::NODE_STEP);
    edge(n, parent);
    return n.id();
  }
  std::uint32_t reduce(std::uint32_t parent, std::uint32_t partitions = 0, proto::Exchange exchange = proto::EXCHANGE_HASH) {
    auto& n = node(proto::NODE_PULL);
    edge(n, parent, exchange);
    n.set_partitions(partitions);
    return n.id();
  }
  std::uint32_t state(std::uint32_t parent) {
    auto& n = node(proto::NODE_PULL);
    auto& own = edge(n, n.id());
    own.set_first_shift_ms(plan.interval_ms());
    edge(n, parent, proto::EXCHANGE_HASH);
    n.mutable_keep()->set_keep(true), n.mutable_keep()->set_state(true);
    return n.id();
  }
  std::uint32_t window(std::uint32_t parent, std::uint32_t batches, std::int64_t slideMs = 0) {
    keep(parent);
    auto& n = node(proto::NODE_UNION);
    auto& e = edge(n, parent);
    e.set_shifts(batches), e.set_shift_step_ms(plan.interval_ms());
    if (slideMs) n.set_slide_ms(slideMs);
    return n.id();
  }
  std::uint32_t coalesce(std::uint32_t parent, std::uint32_t partitions) {
    auto& n = node(proto::NODE_COALESCE);
    edge(n, parent);
    n.set_partitions(partitions);
    return n.id();
  }
  void keep(std::uint32_t id) { plan.mutable_nodes(int(id) - 1)->mutable_keep()->set_keep(true); }
  PlanMaker& output(std::uint32_t id, proto::OutputKind kind = proto::OUTPUT_RESULTS) {
    auto* o = plan.add_outputs();
    o->set_index(std::uint32_t(plan.outputs_size()) - 1), o->set_kind(kind), o->set_node(id), o->set_limit(10), o->set_prefix("/out/dir");
    return *this;
  }
  proto::Plan plan;
};

}  // namespace sluice::master
