// Plans as a master gets them from drivers: refused, or fit for every question that master and executors ask of them.
#include "common/plan_check.h"
#include "common/plan_view.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::int64_t instance = std::int64_t(in.byte()) * 1000 - 1000;
  std::string_view bytes = in.rest();
  auto plan = std::make_shared<proto::Plan>();
  if (!plan->ParseFromArray(bytes.data(), int(bytes.size()))) return 0;
  if (auto status = checkPlan(*plan); !status.ok()) {
    fuzz::require(!status.message().empty(), "a refusal says why");
    return 0;
  }
  PlanView view(plan);
  Facts facts;
  facts.defaultPartitions = 3;
  for (const auto& node : plan->nodes()) facts.sources[{node.id(), instance}] = 2;
  std::uint64_t asked = 0;
  for (const Stage& stage : view.stages()) {
    fuzz::require(view.position(stage.root) >= 0, "a stage has a root");
    for (std::uint32_t parent : stage.parents) fuzz::require(parent < stage.index, "parents come first");
    std::uint32_t tasks = view.tasks(stage, instance, facts);
    for (std::uint32_t p = 0; p < std::min(tasks, 4u) && ++asked < 64; ++p) view.reads(stage, instance, p, facts);
  }
  return 0;
}
