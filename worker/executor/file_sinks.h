// Outputs that are files: parts are staged here by tasks, and made visible when the batch or job is decided (durable_files.h).
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "worker/executor/sinks.h"

namespace sluice::executor {

std::unique_ptr<Sink> makeFileSink(const proto::Output& output, const TypeDesc& type, const TaskSpec& spec);

// The directory in which an output's parts are staged.
SLUICE_INTERNAL std::string stagingDirectory(const proto::Output& output, const proto::InstanceId& instance);

}  // namespace sluice::executor
