// Applications and their drivers, from submission to the end.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Key nonce: the same application. A driver that a worker started attaches to its submission.
void takeSubmit(State& s, Peer from, const proto::Submit& submit);
void driverSession(State& s, Peer driver, bool up);
void driverTimedOut(State& s, App& app);
void driverNotBack(State& s, App& app);
void takeDriverDown(State& s, const proto::DriverDown& down);
void driverGone(State& s, App& app, int exit, const std::string& how);
void takeEndApp(State& s, App& app, const proto::EndApp& end);
void endApp(State& s, App& app, bool failed, const std::string& why, bool killed);
// The answer waits for the end of the application if that is asked for; asked again in a new session.
void takeStatus(State& s, Peer from, const proto::Status& status);
void takeKill(State& s, Peer from, const std::string& id);
void subscribe(State& s, App& app, Peer from, std::uint64_t position);
void unpersist(State& s, App& app, const proto::Unpersist& unpersist);

// A running application of the journal gets its place in memory.
App& openApp(State& s, AppRecord& record);

std::string describeApps(const State& s);

}  // namespace sluice::master
