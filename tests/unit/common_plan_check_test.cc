// Plans that are none are refused with a line, before anything relies on them.
#include "common/plan_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace sluice {
namespace {

proto::Node& addNode(proto::Plan& plan, proto::NodeKind kind, std::initializer_list<std::uint32_t> parents = {}) {
  auto& node = *plan.add_nodes();
  node.set_id(std::uint32_t(plan.nodes_size())), node.set_kind(kind);
  node.set_name("map"), node.set_site("app.cc:7");
  if (kind == proto::NODE_SOURCE) node.mutable_source()->set_kind(proto::SOURCE_STATIC);
  for (std::uint32_t parent : parents) node.add_edges()->set_parent(parent);
  return node;
}

// source, step, output.
proto::Plan small() {
  proto::Plan plan;
  addNode(plan, proto::NODE_SOURCE);
  addNode(plan, proto::NODE_STEP, {1});
  plan.add_outputs()->set_node(2);
  return plan;
}

// What is said of the small plan after this change.
std::string said(const std::function<void(proto::Plan&)>& change) {
  proto::Plan plan = small();
  change(plan);
  return std::string(checkPlan(plan).message());
}

TEST(PlanCheck, AFitPlanPasses) {
  EXPECT_EQ(said([](proto::Plan&) {}), "");
  EXPECT_EQ(said([](proto::Plan& plan) {  // a state reads itself, a window what is kept
              plan.set_interval_ms(1000);
              auto& state = addNode(plan, proto::NODE_PULL, {2});
              state.set_slide_ms(1000), state.mutable_keep()->set_keep(true), state.mutable_keep()->set_state(true);
              auto& own = *state.add_edges();
              own.set_parent(state.id()), own.set_first_shift_ms(1000);
              auto& window = addNode(plan, proto::NODE_UNION, {3});
              window.mutable_edges(0)->set_shifts(3), window.mutable_edges(0)->set_shift_step_ms(1000);
            }),
            "");
}

TEST(PlanCheck, RefusesWhatCannotRun) {
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_outputs(0)->set_node(9); }), "this is no plan: an output reads a node that is not there");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->set_id(1); }), "this is no plan: two nodes have one id");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.set_interval_ms(-1); }), "this is no plan: an interval is out of bounds");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->mutable_edges(0)->set_parent(7); }), "map at app.cc:7: it reads a node that does not come before it");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->mutable_edges(0)->set_parent(2); }), "map at app.cc:7: it reads itself at the same time");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->clear_edges(); }), "map at app.cc:7: it has no edges");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(0)->add_edges(); }), "map at app.cc:7: it reads nothing and has edges");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->set_kind(proto::NODE_UNKNOWN); }), "map at app.cc:7: no such kind of node");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->set_slide_ms(-5); }), "map at app.cc:7: a time is out of bounds");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->mutable_edges(0)->set_shifts(2); }),
            "map at app.cc:7: it reads earlier values of a node that keeps none");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->mutable_edges(0)->set_shifts(~0u); }), "map at app.cc:7: a window is out of bounds");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->mutable_edges(0)->set_placer(1); }), "map at app.cc:7: its partitioner is not there");
}

TEST(PlanCheck, RefusesWhatWouldTakeTheMastersMemory) {
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(1)->set_partitions(4'000'000'000u); }), "map at app.cc:7: more than 1048576 partitions");
  EXPECT_EQ(said([](proto::Plan& plan) { plan.mutable_nodes(0)->mutable_source()->add_batches()->add_partitions()->add_partitions(); }),
            "map at app.cc:7: partitions of partitions");
  EXPECT_EQ(said([](proto::Plan& plan) {  // twice as many with each union
              plan.mutable_nodes(0)->mutable_source()->add_inputs();
              for (std::uint32_t id = 2; id < 60; ++id) addNode(plan, proto::NODE_UNION, {id, id});
            }),
            "map at app.cc:7: a union of more than 16777216 partitions");
  EXPECT_EQ(said([](proto::Plan& plan) {
              for (std::uint32_t id = 2; id < 5'000; ++id) addNode(plan, proto::NODE_STEP, {id});
            }),
            "map at app.cc:7: its lineage is deeper than 4000 nodes; checkpoint or collect in between");
}

}  // namespace
}  // namespace sluice
