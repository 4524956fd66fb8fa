#include "worker/executor/receiver_host.h"

#include <algorithm>
#include <exception>

#include "common/thrown.h"
#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kTextAtOnce = 256 << 10;
}  // namespace

void ReceiverHost::run(const std::function<std::unique_ptr<ReceiverBase>()>& make) {
  for (;;) {
    std::unique_ptr<ReceiverBase> receiver;
    std::string failed;
    try {
      receiver = make();
      receiver->onStart(*this);
    } catch (const std::exception& error) {
      failed = wordsOf(error);
    } catch (...) {
      failed = "it threw something that is no std::exception";
    }
    if (!failed.empty()) restart(failed, Milliseconds(-1));
    {
      MutexLock lock(mutex_);
      while (phase_ == Phase::kRunning) changed_.wait(mutex_);
    }
    try {
      if (receiver) receiver->onStop();
      receiver.reset();
    } catch (const std::exception& error) {
      events_.reported(wordsOf(error));
    }
    MutexLock lock(mutex_);
    while (phase_ == Phase::kRestarting) changed_.wait(mutex_);
    if (phase_ == Phase::kStopped) break;
    phase_ = Phase::kRunning;
  }
  events_.ended();
}

// What the builder cut moves to the queue and gets its number.
void ReceiverHost::collect() {
  if (!builder_.anyDone()) return;
  for (CutBlock& block : builder_.take()) {
    ++lastCut_;
    waitingBytes_ += block.bytes.size();
    ready_.push_back(std::move(block));
  }
}

void ReceiverHost::waitForRoom() {
  while (phase_ != Phase::kStopped && waitingBytes_ > 0 && waitingBytes_ + builder_.openBytes() >= mostWaiting_) changed_.wait(mutex_);
}

bool ReceiverHost::waitWhileRunning(std::int64_t microseconds) {
  MutexLock lock(mutex_);
  if (phase_ == Phase::kRunning) changed_.waitFor(mutex_, microseconds);
  return phase_ == Phase::kRunning;
}

// Puts something in and tells the strand of the first block that is ready.
template <class Add> void ReceiverHost::add(Add put) {
  bool ready;
  {
    MutexLock lock(mutex_);
    put();
    collect();
    ready = !ready_.empty() && !std::exchange(announced_, true);
  }
  if (ready) events_.blocksReady();
}

void ReceiverHost::end(std::string_view why) {
  if (!why.empty()) events_.reported("stopped: " + std::string(why));
  stop();
}

void ReceiverHost::addRows(std::string_view rows, std::size_t n) {
  rate_.take(n);
  add([&]() NO_THREAD_SAFETY_ANALYSIS {
    waitForRoom();
    builder_.addRows(rows, n);
  });
}

// With a limit, about as many bytes as there may be lines at once: what came in one piece would be owed for long.
std::size_t ReceiverHost::textAtOnce() const {
  std::size_t lines = rate_.atOnce();
  return lines == 0 ? kTextAtOnce : std::clamp<std::size_t>(std::size_t(double(lines) * lineBytes_), 64, kTextAtOnce);
}

// What is to be taken from the rate for the text: nothing where there is no limit, and nobody counts.
std::uint64_t ReceiverHost::limitedLines(std::string_view text) {
  if (rate_.atOnce() == 0) return 0;
  std::uint64_t lines = lineEndsIn(text);
  if (lines != 0) lineBytes_ = double(text.size()) / double(lines);
  return lines;
}

void ReceiverHost::addText(std::string_view text) {
  while (!text.empty()) {
    std::string_view piece = text.substr(0, textAtOnce());
    text.remove_prefix(piece.size());
    rate_.take(limitedLines(piece));
    add([&]() NO_THREAD_SAFETY_ANALYSIS {
      waitForRoom();
      builder_.addText(piece);
    });
  }
}

char* ReceiverHost::textSpace(std::size_t atLeast, std::size_t& size) {
  MutexLock lock(mutex_);
  waitForRoom();
  room_ = builder_.textSpace(atLeast, size);
  if (rate_.atOnce() != 0) size = std::min(size, textAtOnce());
  return room_;
}

void ReceiverHost::textRead(std::size_t bytes) {
  std::uint64_t lines = limitedLines({room_, bytes});
  add([&]() NO_THREAD_SAFETY_ANALYSIS { builder_.textRead(bytes); });
  rate_.take(lines);
}

void ReceiverHost::endText() {
  MutexLock lock(mutex_);
  builder_.endText();
}

void ReceiverHost::storeReliably(std::string_view rows, std::size_t n) {
  std::uint64_t number = 0;
  add([&]() NO_THREAD_SAFETY_ANALYSIS {
    waitForRoom();
    builder_.cut();
    collect();
    CutBlock block{{}, n, false};
    block.bytes.append(rows);
    waitingBytes_ += rows.size();
    ready_.push_back(std::move(block));
    number = ++lastCut_;
  });
  MutexLock lock(mutex_);
  while (accepted_ < number && phase_ != Phase::kStopped) changed_.wait(mutex_);
  if (accepted_ < number) {
    throwError(ErrorKind::kUnavailable, "the receiver was stopped before its block was accepted; the source has to send it again");
  }
}

bool ReceiverHost::stopped() const {
  MutexLock lock(mutex_);
  return phase_ != Phase::kRunning;
}

void ReceiverHost::restart(std::string_view why, Duration delay) {
  {
    MutexLock lock(mutex_);
    if (phase_ != Phase::kRunning) return;
    phase_ = Phase::kRestarting;
    changed_.notifyAll();
  }
  events_.restarting(std::string(why), delay < Milliseconds(0) ? restartDelay_ : delay);
}

std::vector<CutBlock> ReceiverHost::take(bool all) {
  MutexLock lock(mutex_);
  if (all) {
    builder_.cut();
    collect();
  }
  announced_ = false;
  return std::exchange(ready_, {});
}

void ReceiverHost::accepted(std::uint64_t number, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  accepted_ = std::max(accepted_, number);
  waitingBytes_ -= std::min(waitingBytes_, bytes);
  changed_.notifyAll();
}

void ReceiverHost::stop() {
  MutexLock lock(mutex_);
  phase_ = Phase::kStopped;
  changed_.notifyAll();
}

void ReceiverHost::resume() {
  MutexLock lock(mutex_);
  if (phase_ == Phase::kRestarting) phase_ = Phase::kResumed;
  changed_.notifyAll();
}

}  // namespace sluice::executor
