#include "tests/bench/batch_watch.h"

#include <chrono>
#include <stdexcept>

#include "client/stream_core.h"

namespace sluice::bench {

double wallMs() {
  return std::chrono::duration<double, std::milli>(std::chrono::system_clock::now().time_since_epoch()).count();
}

BatchWatch::BatchWatch(StreamingContext& stream) {
  stream.core().onBatchDone([this](const proto::BatchDone& done) {
    std::lock_guard lock(mutex_);
    batches_.push_back({.whenMs = done.when_ms(),
                        .publishedMs = wallMs(),
                        .delayUs = double(done.scheduling_delay_us()),
                        .processingUs = double(done.processing_us()),
                        .records = done.records()});
    if (error_.empty()) error_ = done.error();
    changed_.notify_all();
  });
}

bool BatchWatch::wait(std::size_t count, double seconds) {
  std::unique_lock lock(mutex_);
  bool reached = changed_.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return batches_.size() >= count || !error_.empty(); });
  if (!error_.empty()) throw std::runtime_error("a batch failed: " + error_);
  return reached;
}

std::vector<BatchWatch::Batch> BatchWatch::batches() const {
  std::lock_guard lock(mutex_);
  return batches_;
}

std::size_t BatchWatch::count() const {
  std::lock_guard lock(mutex_);
  return batches_.size();
}

}  // namespace sluice::bench
