// Batches of a stream: run, decided, published, in order of their times.
#pragma once
#include "master/state.h"

namespace sluice::master {

// Whether the output has a value in the batch: its stream's slide may be longer than the interval.
bool isOnSlide(const Instance& in, int output);
// Starts the first batch that is allocated and not decided, if none runs. False: nothing to do.
bool startNextBatch(State& s, App& app, Stream& stream);
// Tasks of the running batch are prepared: decides it when all is there.
void settleBatch(State& s, App& app, Stream& stream);
// A task cannot be made to work: outputs that need it are abandoned, or the stream stops before this batch.
void failBatch(State& s, App& app, Stream& stream, const proto::Failed& failed);

// Files, driver functions, Published, as far as they can go.
void publishBatches(State& s, App& app, Stream& stream);
// The stream is over: the open files of its rolling outputs are finished. True: that has begun, and is to be waited for. Once.
bool finishRolledFiles(State& s, App& app, Stream& stream);
void takeOutputDone(State& s, App& app, Stream& stream, const proto::OutputDone& done);
void rerunFunction(State& s, App& app, Stream& stream);  // the driver is a new one, or has a new session
void recallBatches(State& s, App& app, Stream& stream);  // after a restart: those decided and not published
void dropRunning(State& s, App& app, Stream& stream);
void dropFunctions(Stream& stream);

}  // namespace sluice::master
