// What of kept datasets lies where: executors are asked, and the driver is told all of it together.
#pragma once
#include "master/state.h"

namespace sluice::master {

void askStorage(State& s, App& app, const proto::AskStorage& ask);
void takeStorage(State& s, App& app, const proto::Storage& storage);
// An executor is gone: nobody waits for what it holds.
void forgetStorage(State& s, App& app, const Executor& executor);
// It has a new session, in which it may not have been asked.
void resendStorage(State& s, App& app, const Executor& executor);

}  // namespace sluice::master
