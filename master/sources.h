// Receivers and planners: where they run, what they have stored, how their incarnations follow each other.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Starts those that have no live incarnation, if there is an executor.
void openReceivers(State& s, App& app, Stream& stream);
void closeReceivers(State& s, App& app, Stream& stream, bool drain);
// Key (node, incarnation, sequence): in order, repeated ones are accepted again, those of a closed incarnation are to be dropped.
void takeStored(State& s, App& app, const proto::Stored& stored);
// A receiver that runs on the executor, of which this master has not heard: it is this master's if the journal knows it, else it is closed.
void takeUpReceiver(State& s, App& app, Executor& executor, const proto::Stored& stored);
// The executor is gone: its receivers start elsewhere. What they stored and the master accepted stays with its other holders.
void loseReceivers(State& s, App& app, Stream& stream, std::uint32_t executor);
void resendReceivers(State& s, App& app, Stream& stream, std::uint32_t executor);

// Nothing more will come for batch t from any live source.
bool sealed(const Stream& stream, std::int64_t whenMs);
bool allStopped(const Stream& stream);
bool anyWaiting(const Stream& stream);  // accepted, not allocated

}  // namespace sluice::master
