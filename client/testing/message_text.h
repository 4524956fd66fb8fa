// What is in a message, as one line for the trace of a simulation.
#pragma once
#include <string>

#include "common/envelope.h"

namespace sluice::testing {

std::string textOf(const proto::Message& message);

}  // namespace sluice::testing
