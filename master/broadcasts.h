// Broadcast values of an application: what its driver shared, what executors are told of it, and its blocks for those that ask.
#pragma once
#include "common/envelope.h"
#include "master/instance.h"
#include "master/state.h"

namespace sluice::master {

// A piece of a value, in any session again; or that no plan will name it any more.
void takeShare(State& s, App& app, const Envelope& envelope);
// Says of the value what the executor needs to fetch it, or gives it. False: it is not whole, or the executor was told.
bool describeBroadcast(App& app, Executor& executor, std::uint64_t id, proto::BroadcastValue& to);
// A block for an executor; that it is not here is an answer.
void answerGet(State& s, App& app, Peer from, const proto::Get& get);

// Executors drop the values; the driver is told when all have.
void dropBroadcasts(State& s, App& app, const proto::Unpersist& unpersist);
void takeDropped(State& s, App& app, Peer from, std::uint64_t request);
// The executor is gone, or has a new session: what it was told in the old one may be lost.
void forgetDropping(State& s, App& app, const Executor& executor);
void resendDropping(State& s, App& app, const Executor& executor);

}  // namespace sluice::master
