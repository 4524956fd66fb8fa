// Makes the staged files of a decided batch or job visible: renamed by executors, then a marker in each directory. Repeatable: what is
// renamed already counts as done.
#pragma once
#include <cstdint>

#include "master/state.h"

namespace sluice::master {

// The files that a decision names. Directories are prefix (jobs) or prefix-TIME[.suffix] (batches).
Publication publicationOf(const App& app, const proto::Plan& plan, const proto::Decided& decided, const proto::InstanceId& instance,
                          std::uint64_t after);
// Sends what can be sent now: parts, and markers of directories whose parts are all there.
void publish(State& s, App& app, Publication& files);
// An executor's answer. A failed rename is tried elsewhere, and in the end told as the output's error.
void takePublished(State& s, App& app, Publication& files, const proto::Published& published);
// The executor is gone or has a new session: what it had to rename is sent again, elsewhere if need be.
void republish(State& s, App& app, Publication& files, std::uint32_t executor);

}  // namespace sluice::master
