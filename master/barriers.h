// Barrier stages: the rounds in which their tasks meet, and their beginning anew, all together.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Its tasks are about to be sent.
void beginGang(App& app, Instance& instance, const RunPtr& run);
// False: another one is in the way. One that is still to get its first tasks going, and reads what this one makes (in however many steps), gives
// way and begins anew later.
bool makeWay(State& s, App& app, const Run& wanted);
// A task has come to a round, or has ended. One that does not count any more is stopped: the word that it should may have been lost.
void takeWait(State& s, App& app, Peer from, const proto::BarrierWait& wait);
void barrierTimedOut(State& s, App& app);
// None of its parts counts any more: tasks that run are stopped, and all have to be made again.
void breakGang(State& s, App& app, Instance* instance, Run& run);
// The executor is gone: a stage that had tasks there begins anew, and one of which some tasks are still to get their slots, as these might be
// waiting for what is made again in the slots of the others.
void breakGangAt(State& s, App& app, std::uint32_t executor);
// The instance is over.
void leaveGang(State& s, App& app, const Instance& instance);
// At the end of an event: whoever was held back goes on.
void settleGangs(State& s, App& app);

}  // namespace sluice::master
