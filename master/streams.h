// Streams: from start() over the grid of ticks to the end.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Key (app, stream): a repeated one attaches.
void startStream(State& s, App& app, const EnvelopePtr& envelope);
void beginWaitingStreams(State& s, App& app);  // the application became ready
void takeManifest(State& s, App& app, Stream& stream, const proto::Manifest* manifest, const std::string& error, const std::string& warning);
void takeRestored(State& s, App& app, const proto::Restored& restored);
// After a restart of the master: goes on where the journal ends.
void resumeStream(State& s, App& app, Stream& stream);

// Whether the driver wants StreamEvents.
void watchStream(Stream& stream, bool on);

void tick(State& s, App& app, Stream& stream);
// Says so when the clock has gone back since the last event. Streams wait until it has come up again; timers of all else go back with it.
void watchClock(State& s);
// Does whatever can be done now: allocates, runs, publishes, ends. Called after anything that may have changed that.
void pump(State& s, App& app, Stream& stream);
void takePlanned(State& s, App& app, const EnvelopePtr& envelope);

// Graceful: what was received is still processed. Else it stops after the decided batches.
void drain(State& s, App& app, Stream& stream, bool now);
// Stops with the decided batches; `error`: why.
void stopStream(State& s, App& app, Stream& stream, const std::string& error);

}  // namespace sluice::master
