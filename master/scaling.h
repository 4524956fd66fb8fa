// How many executors an application is to have, if its driver says so.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Sets the number, or ends some executors, in whose place none is started. Answered again under the same request.
void scaleExecutors(State& s, App& app, const proto::ScaleExecutors& scale);
// So many more may be started now.
std::uint32_t executorsToCome(const App& app);

}  // namespace sluice::master
