#include "tests/bench/reference/raw_receive.h"

#include "tests/bench/feed.h"
#include "tests/bench/row.h"

namespace sluice::bench {

RawReceive receiveLines(std::uint64_t lines) {
  FeedOptions options;
  options.lines = lines;
  Feed feed(options);
  feed.start();
  std::size_t bytes = receiveRaw(feed.port());
  return {now() - feed.begin(), bytes};
}

}  // namespace sluice::bench
