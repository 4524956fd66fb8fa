// Barrier stages: whose tasks run all at the same time (rdd.barrier()).
#pragma once
#include "absl/status/status.h"
#include "common/plan_view.h"

namespace sluice {

// The node of the stage's pipeline that is a barrier, the last one if there are several; null: none is.
SLUICE_INTERNAL const proto::Node* barrierOf(const PlanView& view, const Stage& stage);
// Whether there is one: what Stage::barrier says.
SLUICE_INTERNAL bool isBarrierStage(const PlanView& view, const Stage& stage);
SLUICE_INTERNAL bool hasBarriers(const proto::Plan& plan);
// Whether the plan's barrier stages can be run: nothing in them changes the partitions, no two barriers meet, and no output asks for a part of
// one (`wholeOutputs`: none does).
SLUICE_INTERNAL absl::Status checkBarriers(const PlanView& view, bool wholeOutputs);

}  // namespace sluice
