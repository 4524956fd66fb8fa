// What a driver's listeners are told of a stream, in the order in which it happens. Costs nothing while there is no listener.
#pragma once
#include <cstdint>
#include <string>

#include "master/state.h"

namespace sluice::master {

void tellStarted(State& s, App& app, Stream& stream);
void tellReceiver(State& s, App& app, Stream& stream, const Receiver& receiver, proto::StreamEvent::Kind kind, const std::string& error = {});
// Of a batch: allocated; its computation begins; one of its outputs begins or ends; it is published.
void tellSubmitted(State& s, App& app, Stream& stream, std::int64_t whenMs);
void tellBegun(State& s, App& app, Stream& stream, const Instance& instance);
void tellOutputBegun(State& s, App& app, Stream& stream, std::int64_t whenMs, std::uint32_t output);
void tellOutputEnded(State& s, App& app, Stream& stream, std::int64_t whenMs, std::uint32_t output, const std::string& failure);
// Outputs that have not ended fail of this, if it is not empty.
void tellCompleted(State& s, App& app, Stream& stream, std::int64_t whenMs, const std::string& failure);

}  // namespace sluice::master
