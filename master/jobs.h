// Jobs: actions of a driver's Context. They overlap freely, and leave no trace in the journal but for a decided output of files.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Key (app, number): a repeated one is answered as before.
void runJob(State& s, App& app, const EnvelopePtr& envelope);
void startJobsToCome(State& s, App& app);
// Key (app, number). Of a job that is over: its results were fetched from the executors that held them.
void cancelJob(State& s, App& app, const proto::CancelJob& cancel);
// Answers with the results that are prepared; they may be lost again, and others come.
void answerPart(State& s, App& app, const proto::AskPart& ask);
// Its tasks are prepared, or it has failed: goes on or ends.
void settleJob(State& s, App& app, const InstancePtr& job);
void failJob(State& s, App& app, const InstancePtr& job, const proto::Failed& failed);
// Files of a decided job are there.
void settleJobFiles(State& s, App& app, std::int64_t whenMs);
// Map outputs of these names are wanted by no later job.
void dropMapOutputs(State& s, App& app, const std::vector<std::uint64_t>& names);
// Executors are told of jobs that are over, several at a time.
void flushReleased(State& s, App& app);

// Templates that nothing uses are forgotten, oldest first, when there are many; a driver that runs one again is asked for its plan.
void forgetTemplates(State& s, App& app);
// Tells the participants to stop and forget it.
void cancelAtExecutors(State& s, App& app, const Instance& instance, std::uint64_t killAfterMs = 0);

}  // namespace sluice::master
