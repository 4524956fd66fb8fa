// Outputs that are files, as the plan builder is asked for them.
#pragma once
#include "client/plan_builder.h"
#include "sluice/abi.h"
#include "sluice/detail/files.h"
#include "sluice/rolling_policy.h"

namespace sluice {

// All but node and site. The path is made absolute: executors have another working directory.
SLUICE_INTERNAL OutputRequest requestOf(const detail::FileOutput& files);

// A directory of rolled files. Throws Error(kInvalidArgument) for a policy that makes no sense.
SLUICE_INTERNAL OutputRequest requestOf(std::string_view directory, const RollingPolicy& policy);

}  // namespace sluice
