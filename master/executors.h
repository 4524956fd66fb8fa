// Executors of an application: they come, hold things, and are lost.
#pragma once
#include "master/state.h"

namespace sluice::master {

Executor& addExecutor(State& s, App& app, ExecutorId id);
// Its whole truth: it is up, and holds these values.
void takeReport(State& s, Peer from, const EnvelopePtr& envelope);
void executorSession(State& s, App& app, Executor& executor, bool up);
// The same of one whose application is still to come.
void earlySessionDown(State& s, Peer executor);
void takeExecutorDown(State& s, const proto::ExecutorDown& down);
// Everything it held is gone. `crash`: user code ended it.
void loseExecutor(State& s, App& app, Executor& executor, const std::string& how, const std::string& crash);

// Whether jobs and streams may begin: all that were ordered have come, or the wait for them is over and one has.
void checkReady(State& s, App& app, bool waitIsOver);

}  // namespace sluice::master
