// Plays a text source: listens, and sends lines to whoever connects, as `nc -lk` would, at a rate.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::bench {

struct FeedOptions {
  std::uint16_t port = 0;           // 0: a free one; the port is printed on stdout
  double rate = 0;                  // lines per second; 0: as fast as they are taken
  std::uint64_t lines = 0;          // stop after so many; 0: no limit
  double seconds = 0;               // stop after so long, counted from the first connection; 0: no limit
  std::vector<std::string> from;    // files and folders of text; empty: words by Zipf's law
  std::uint64_t seed = 1;
};

// One client at a time; when it goes away, the next one continues the text. Returns when a limit is reached.
void feed(const FeedOptions& options);

}  // namespace sluice::bench
