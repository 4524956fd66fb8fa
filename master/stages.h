// Stages and tasks by the numbers that the application knows them by.
#pragma once
#include <cstdint>
#include <vector>

#include "master/state.h"

namespace sluice::master {

// The number of the plan's stage 0 in this instance, over the whole application.
std::uint32_t firstStage(App& app, Instance& instance, const Template& plan);
// All stages of its plan.
std::vector<std::uint32_t> stagesOf(App& app, Instance& instance);

// Ends the job that needs the stage; of a batch, the outputs that do.
void cancelStage(State& s, App& app, const proto::CancelStage& cancel);
// Ends one try of a task, which is tried again. The driver is told whether there was one.
void killTask(State& s, App& app, const proto::KillTask& kill);

}  // namespace sluice::master
