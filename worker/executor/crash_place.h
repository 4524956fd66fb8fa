// Where the calling thread is, for crash records.
#pragma once
#include <cstddef>

#include "sluice/abi.h"

namespace sluice::executor {

// "map at wordcount.cc:12, batch 1000 ms, partition 3", without a final zero; its length, 0 outside any operator. A CrashPlace: no
// locks, no allocation.
SLUICE_INTERNAL std::size_t describePlace(char* text, std::size_t room);

}  // namespace sluice::executor
