// Which build of libsluice this process runs: processes of different builds refuse each other at once instead of
// misunderstanding later.
#pragma once
#include <string>

#include "sluice/abi.h"

namespace sluice {

// The linker's build id of libsluice.so in hex; without one, the ABI number.
SLUICE_INTERNAL std::string buildId();

}  // namespace sluice
