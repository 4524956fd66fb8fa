// What runs when a master starts on the journal of an earlier one: executors, their receivers and blocks, drivers.
#pragma once
#include "master/state.h"

namespace sluice::master {

// The application's streams have been resumed. Executors that have receivers or blocks are waited for before its streams go on, and for
// a while none is ordered in the place of those that may still come.
void beginTakeover(State& s, App& app);
// Executors that an earlier master has started, and that have not reported yet: waited for as if they had been ordered just now.
void takeUpExecutors(State& s, Worker& worker, const proto::Register& enrol);
// The while is over.
void takeoverTimer(State& s, App& app);
// Those that have not come are given up; whether there were any.
bool dropAwaited(State& s, App& app);
// Nothing is left to wait for: nobody has been there for as long as a worker may be silent.
bool takeoverIsOver(const State& s, const App& app);

}  // namespace sluice::master
