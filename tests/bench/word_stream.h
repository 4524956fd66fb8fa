// The word count of a socket's text as a stream that publishes to nothing: what the rows about batches run.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "sluice/context.h"
#include "sluice/streaming.h"
#include "tests/bench/batch_watch.h"
#include "tests/bench/feed.h"

namespace sluice::bench {

// Owns the source, the context and the stream. Words come in lines of about ten.
class WordStream {
 public:
  WordStream(const std::string& master, Duration interval, double wordsPerSecond);
  ~WordStream();

  BatchWatch& watch() { return *watch_; }
  const Feed& feed() const { return feed_; }
  double linesPerSecond() const { return linesPerSecond_; }

 private:
  double linesPerSecond_;
  Feed feed_;
  std::unique_ptr<StreamingContext> stream_;
  std::unique_ptr<BatchWatch> watch_;
};

// Whether the stream kept up for `seconds`: in the last quarter half of the batches were published within 3 intervals and 5 ms.
struct Held {
  bool held = false;
  double p50Ms = 0, p99Ms = 0;  // lateness in the last quarter
  std::size_t batches = 0;
};
Held holds(const std::string& master, Duration interval, double wordsPerSecond, double seconds);

}  // namespace sluice::bench
