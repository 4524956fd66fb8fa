// Finds captures that point into the driver's own memory: they would be garbage in an executor.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/abi.h"

namespace sluice {

// Whether some eight-byte word of the captures lies in [2^32, 2^47) and in a readable mapping of at most 64 GiB of this process: that
// spares numbers, times and packed integers, also under sanitizers. What it points to, for the message; empty: nothing found.
// The mappings are read only if a word passes the range test.
SLUICE_INTERNAL std::string pointerIn(std::string_view captures);

}  // namespace sluice
