// Tasks of barrier stages at an executor: what is told of them, and what they do when it is gone.
#include "executor_plans.h"

namespace sluice::executor::testing {
namespace {

// One stage of two tasks, which is a barrier stage.
void addBarrier(PlanMaker& plan) {
  auto& lines = plan.source<std::string_view>({{"a\n", 0}, {"b\n", 0}}, true);
  lines.set_barrier(true);
  plan.output(lines, proto::OUTPUT_RESULTS);
}

TEST(ExecutorBarrier, ATaskThatOutlivesItsMachineIsCancelled) {
  Fleet fleet(1);
  PlanMaker plan;
  addBarrier(plan);
  fleet.install(plan, 2);
  fleet.launchAll(-1);
  Member& member = fleet.at(1);
  ASSERT_EQ(member.tasks.size(), 2u);
  auto task = member.tasks.front();
  member.machine.reset();
  TaskDone done = member.runtime.runTask(*task);
  EXPECT_EQ(done.end, TaskDone::End::kCancelled);
  EXPECT_TRUE(member.posts.empty()) << "it asked a machine that is no more";
}

}  // namespace
}  // namespace sluice::executor::testing
