// A text source: listens, and sends lines to whoever connects, as `nc -lk` would, at a rate.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/bench/reference/tcp.h"

namespace sluice::bench {

struct FeedOptions {
  std::uint16_t port = 0;         // 0: a free one
  double rate = 0;                // lines per second; 0: as fast as they are taken
  std::uint64_t lines = 0;        // stop after so many; 0: no limit
  double seconds = 0;             // stop after so long, counted from the first connection; 0: no limit
  std::vector<std::string> from;  // files and folders of text; empty: words by Zipf's law
  std::uint64_t seed = 1;
  double slice = 0.01;            // seconds between two sends of a paced feed
};

// One client at a time; when it goes away, the next one continues the text. The clock of a paced feed begins with the first connection and
// does not wait for slow readers: line n is due at begin() + n / rate (open loop).
class Feed {
 public:
  // Listens, and reads or makes the text. Throws std::runtime_error when the port is taken or the text is not there.
  explicit Feed(const FeedOptions& options);
  ~Feed();
  std::uint16_t port() const { return portOf(listener_); }
  void run();    // until a limit is reached or stop() was called
  void start();  // run() on a thread of its own
  void stop();   // from any thread; joins that thread
  double begin() const { return begin_; }          // 0: nobody has connected
  std::uint64_t sent() const { return sent_; }     // lines

 private:
  bool over() const;
  void serve(const Fd& client);
  // Whole lines of the text, over and over: at most `lines`, and not much more than `bytes`.
  std::string_view take(std::uint64_t lines, std::size_t bytes, std::uint64_t& given);

  const FeedOptions options_;
  std::string text_;
  Fd listener_;
  std::size_t at_ = 0;  // in text_
  std::atomic<double> begin_{0};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace sluice::bench
