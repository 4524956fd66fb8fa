// When rolled files are finished.
#pragma once
#include <cstdint>

#include "sluice/abi.h"
#include "sluice/compression.h"
#include "sluice/time.h"

namespace sluice {
inline namespace SLUICE_ABI {

// A file is finished before it would become larger than maxBytes (what one partition of a batch gives is never cut, so a single one may be
// larger), and with the first batch that is maxAge later than the one it began with. Sizes are those in the file, compressed or not.
struct RollingPolicy {
  std::int64_t maxBytes = 128 << 20;
  Duration maxAge = Minutes(10);
  Compression compression = Compression::kNone;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
