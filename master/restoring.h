// What a stream takes up from a checkpoint: by uid, since the application may have been changed meanwhile. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "proto/journal.pb.h"
#include "sluice/abi.h"

namespace sluice::master {

struct TakenUp {
  std::string error;                  // why it cannot be restored under this plan; the rest is empty then
  std::vector<std::string> warnings;  // what of it is left out
  std::int64_t resumedMs = 0;         // last grid time that is not run again
  // The checkpoint with our nodes, under the times at which its values are known from now on, without app and stream.
  proto::CheckpointTaken taken;
  std::vector<proto::SourceAllocation> unallocated;  // of our nodes
};

SLUICE_INTERNAL TakenUp takeUp(const proto::Manifest& manifest, const proto::Plan& plan, std::int64_t nowMs);

}  // namespace sluice::master
