// How jobs and batches get on, for a driver that watches: told on changes, at most every 100 ms. Costs nothing while nobody watches.
#pragma once
#include <vector>

#include "master/state.h"

namespace sluice::master {

// Also of an application that is watched already: the driver has a new session, and is told all there is.
void watch(State& s, App& app, const proto::Watch& watch);
void takeTaskCounts(State& s, App& app, const proto::TaskCounts& counts);
// An executor has reported: it is told whether to count.
void askForCounts(State& s, App& app, Executor& executor);
// Something has changed.
void progressed(State& s, App& app);
void progressTimer(State& s, App& app);
// The instance is about to be retired; what became of its stages is told with the next message.
void noteEnd(State& s, App& app, const Instance& instance, bool done);

}  // namespace sluice::master
