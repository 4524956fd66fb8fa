// Marks of streams: below which time what a node gave is not needed any more, and which batches are over. They only rise; executors are told
// of them several batches at a time.
#pragma once
#include <cstdint>

#include "master/state.h"

namespace sluice::master {

// Which of its batches are over.
void tellOver(const Stream& stream, proto::Release& release);
// What a record made releasable becomes so with its sync.
void queueMarks(Stream& stream, std::uint64_t sequence);
void raiseMarks(State& s, App& app, Stream& stream);

}  // namespace sluice::master
