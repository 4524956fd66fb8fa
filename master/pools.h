// In which order executors run the tasks of an application: by instance, or by pools.
#pragma once
#include <cstdint>
#include <string_view>

#include "master/state.h"

namespace sluice::master {

// sluice.scheduler.mode
bool isFair(const Settings& conf);
// What the driver's thread said under this key; "" if nothing.
std::string_view propertyOf(const Instance& instance, std::string_view key);
// Gives the instance its order, and its pool in FAIR mode: that of its local property sluice.scheduler.pool, else "default". A pool that the
// settings do not mention has weight 1, no minimum share and is FIFO within.
void schedule(const App& app, Instance& instance, std::uint64_t order);

}  // namespace sluice::master
