// Workers, and how their slots and memory are shared out among applications.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Key (worker, start): replaces what was known.
void takeRegister(State& s, Peer from, const proto::Register& enrol);
void takeHeartbeat(State& s, const proto::Heartbeat& heartbeat);
void workerSession(State& s, std::uint64_t worker, bool up);
void checkWorker(State& s, std::uint64_t worker);

// First come, first served: each application in turn gets an executor on each worker that has room, slots spread one by one.
void shareOut(State& s);
// From now on, while it has no executor, the driver is told why every quarter of a minute.
void watchStarved(State& s, App& app);
void warnStarved(State& s, App& app);
void freeExecutor(State& s, const Executor& executor);
void stopExecutor(State& s, const Executor& executor);
// Starts the driver of a cluster-mode application on the worker with the most free slots. False: there is no worker.
bool startDriver(State& s, AppRecord& record);

}  // namespace sluice::master
