// Rows that executors send are on their way until the receiver says that it has taken them (Taken): it does for each so many bytes.
#pragma once
#include <cstdint>

namespace sluice {

inline constexpr std::uint64_t kTakenBytes = 256 << 10;  // what small batches send never comes to it

}  // namespace sluice
