// Follows the batches of a stream as its driver is told of them: when each was published, and what it took.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "sluice/streaming.h"

namespace sluice::bench {

class BatchWatch {
 public:
  struct Batch {
    std::int64_t whenMs = 0;
    double publishedMs = 0;  // since 1970, when the driver was told
    double delayUs = 0;      // tick to launch
    double processingUs = 0;  // launch to the durable decision
    std::uint64_t records = 0;
    double latenessMs() const { return publishedMs - double(whenMs); }
  };
  // Before the stream starts; must outlive it.
  explicit BatchWatch(StreamingContext& stream);

  // Returns once `count` batches are done in all, or after `seconds`. Throws std::runtime_error if one failed.
  bool wait(std::size_t count, double seconds);
  std::vector<Batch> batches() const;
  std::size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Batch> batches_;
  std::string error_;
};

// Milliseconds since 1970.
double wallMs();

}  // namespace sluice::bench
