// What an executor takes from its application's settings, whoever runs it.
#pragma once
#include "common/conf.h"
#include "worker/executor/machine.h"
#include "worker/executor/runtime.h"

namespace sluice::executor {

SLUICE_INTERNAL void applySettings(const Settings& settings, Options& options);
// Throws Error if what they ask for is not to be had.
SLUICE_INTERNAL RuntimeOptions runtimeOptionsOf(const Options& options, const Settings& settings);

}  // namespace sluice::executor
