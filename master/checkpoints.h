// Checkpoints: whole versions of a stream's state under one cut, written by their owners, made valid by the manifest that is written last.
#pragma once
#include "master/state.h"

namespace sluice::master {

// After a batch was published: begins one if it is time. Not before, as what its functions still ask for could not be made again of a state after it.
void considerCheckpoint(State& s, App& app, Stream& stream);
// `last`: the stream is about to stop, so now or never.
void takeCheckpoint(State& s, App& app, Stream& stream, bool last);
void takeWritten(State& s, App& app, const proto::CheckpointWritten& written);
// Writes the manifest when all state of the cut is written and every batch up to it has its files published: a run restored from it does
// not publish them again.
void completeCheckpoint(State& s, App& app, Stream& stream);
void takeManifestWritten(State& s, App& app, Stream& stream, std::int64_t whenMs, const std::string& error);
// An owner is gone: this one is given up, the next will do.
void loseCheckpoint(State& s, App& app, Stream& stream, std::uint32_t executor);

}  // namespace sluice::master
