// One receiver on its thread: takes its records into blocks and makes it wait while too much has not been accepted.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/mutex.h"
#include "sluice/receiver_base.h"
#include "worker/executor/blocks.h"
#include "worker/executor/rate_limiter.h"

namespace sluice::executor {

// Shared by the receiver's threads, which put records in, and the machine's strand, which takes blocks out.
class SLUICE_INTERNAL ReceiverHost final : public BlockSink {
 public:
  // Called on a receiver's thread, without locks held; each must only post to the strand.
  struct Events {
    std::function<void()> blocksReady;
    std::function<void(std::string why, Duration delay)> restarting;
    std::function<void(std::string error)> reported;
    std::function<void()> ended;
  };
  // What its receiver may ask.
  struct Facts {
    int streamId = 0;
    std::uint32_t copies = 1;
  };
  // recordsPerSecond 0: no limit.
  ReceiverHost(Events events, std::size_t mostWaitingBytes, Duration restartDelay, double recordsPerSecond, Facts facts)
      : events_(std::move(events)), facts_(facts), mostWaiting_(mostWaitingBytes), restartDelay_(restartDelay),
        rate_(recordsPerSecond, [this](std::int64_t microseconds) { return waitWhileRunning(microseconds); }) {}

  // The body of the thread: the receiver, started again after each restart, until stop(). `make` may throw; user code runs in it.
  void run(const std::function<std::unique_ptr<ReceiverBase>()>& make);

  void addRows(std::string_view rows, std::size_t n) override;
  void addText(std::string_view text) override;
  char* textSpace(std::size_t atLeast, std::size_t& size) override;
  void textRead(std::size_t bytes) override;
  void endText() override;
  void storeReliably(std::string_view rows, std::size_t n) override;
  bool stopped() const override;
  void restart(std::string_view why, Duration delay) override;
  void report(std::string_view error) override { events_.reported(std::string(error)); }
  void end(std::string_view why) override;
  int streamId() const override { return facts_.streamId; }
  std::uint32_t copies() const override { return facts_.copies; }

  // ---- by the strand ----
  // Blocks that were cut; `all`: the open one too. They are numbered from 1 in this order.
  std::vector<CutBlock> take(bool all);
  // All blocks up to this number, with so many bytes, are the master's now.
  void accepted(std::uint64_t number, std::uint64_t bytes);
  // Of what is stored record by record or as text; 0: no limit.
  void setRate(double recordsPerSecond) { rate_.setRate(recordsPerSecond); }
  void stop();
  void resume();  // the delay of a restart is over

 private:
  enum class Phase : std::uint8_t { kRunning, kRestarting, kResumed, kStopped };
  void waitForRoom() REQUIRES(mutex_);
  bool waitWhileRunning(std::int64_t microseconds);
  template <class Add> void add(Add put);
  std::size_t textAtOnce() const;
  std::uint64_t limitedLines(std::string_view text);

  const Events events_;
  const Facts facts_;
  const std::size_t mostWaiting_;
  const Duration restartDelay_;
  RateLimiter rate_;  // of addRows and text, the receiver's own threads
  mutable Mutex mutex_;
  CondVar changed_;
  BlockBuilder builder_ GUARDED_BY(mutex_);
  std::vector<CutBlock> ready_ GUARDED_BY(mutex_);
  std::uint64_t waitingBytes_ GUARDED_BY(mutex_) = 0;  // cut and not accepted
  std::uint64_t lastCut_ GUARDED_BY(mutex_) = 0, accepted_ GUARDED_BY(mutex_) = 0;
  bool announced_ GUARDED_BY(mutex_) = false;
  // By the receiver's threads:
  std::atomic<double> lineBytes_ = 64;  // of a line, as they came last
  char* room_ = nullptr;                // text is read into it
  Phase phase_ GUARDED_BY(mutex_) = Phase::kRunning;
  void collect() REQUIRES(mutex_);
};

}  // namespace sluice::executor
