// The bytes of a text source, received and thrown away: the ceiling for every stream that comes over a socket.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sluice::bench {

struct RawReceive {
  double seconds = 0;  // from the connection on
  std::size_t bytes = 0;
};
RawReceive receiveLines(std::uint64_t lines);

}  // namespace sluice::bench
