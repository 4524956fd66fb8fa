// Names of what outputs write: master and executors ask the same code.
#pragma once
#include <cstdint>
#include <string>

#include "proto/plan.pb.h"
#include "sluice/abi.h"

namespace sluice {

// Where an output's files are at last: the prefix in a job (whenMs <= 0), prefix-TIME[.suffix] in a batch; without a prefix, or with one that
// ends in a slash, the time alone is the name.
SLUICE_INTERNAL std::string outputDirectory(const proto::Output& output, std::int64_t whenMs);
// "part-00003.gz"
SLUICE_INTERNAL std::string partName(const proto::Output& output, std::uint32_t partition);
SLUICE_INTERNAL std::string partExtension(const proto::Output& output);  // ".gz", or nothing
inline constexpr const char* kSuccessName = "_SUCCESS";

}  // namespace sluice
