#include "worker/executor/slot_threads.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/crash_record.h"

namespace sluice::executor {

namespace {

constexpr auto kShort = std::chrono::microseconds(200);   // less than what waking a spare thread for each task would cost
constexpr auto kGrace = std::chrono::milliseconds(2);
constexpr auto kActive = std::chrono::milliseconds(20);  // since the last poller left for a job: another will, soon

thread_local const SlotThreads* here = nullptr;
thread_local bool keptOne = false;  // this thread comes back to the queue by itself
thread_local bool waits = false;    // the job of this thread is one that may wait for others

}  // namespace

SlotThreads::SlotThreads(std::uint32_t slots, std::function<bool()> poll) : slots_(std::max(slots, 1u)), poll_(std::move(poll)) {
  for (std::uint32_t i = 0; i <= slots_; ++i) {
    threads_.emplace_back([this] {
      pthread_setname_np(pthread_self(), "slot");
      CrashStack stack;
      loop();
    });
  }
}

SlotThreads::~SlotThreads() {
  for (std::thread& thread : threads_) thread.join();
}

void SlotThreads::add(Work job) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(job));
  if (here == this && !std::exchange(keptOne, true)) return;
  if (idle_ > 0) woken_.notify_one();
}

void SlotThreads::aboutToWait() {
  if (here != this) return;
  std::lock_guard lock(mutex_);
  keptOne = true;  // it may not come back before what it adds has run
  if (!std::exchange(waits, true)) ++waiting_;
  if (idle_ > 0 && (!polling_ || !queue_.empty())) woken_.notify_one();
}

std::uint32_t SlotThreads::asleep() const {
  std::lock_guard lock(mutex_);
  return idle_;
}

void SlotThreads::loop() {
  here = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    keptOne = false;
    if (!queue_.empty() && running_ < slots_) {
      Work job = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
      if (waiting_ > 0 && !polling_ && idle_ > 0) woken_.notify_one();  // this one may wait for whom it waits for
      lock.unlock();
      auto begun = Clock::now();
      job();
      job = Work();
      auto took = Clock::now() - begun;
      lock.lock();
      --running_;
      waiting_ -= std::exchange(waits, false);
      short_ = took < kShort;
    } else if (!polling_ && !closed_) {
      polling_ = true;
      lock.unlock();
      bool open = poll_();
      lock.lock();
      polling_ = false;
      if (!open) {
        closed_ = true;
        woken_.notify_all();
      } else if (!queue_.empty() && running_ < slots_) {  // it is about to leave for a job
        vacated_ = Clock::now();
        if (idle_ > 0 && !(short_ && watched_)) woken_.notify_one();
      }
    } else if (closed_ && queue_.empty()) {
      return woken_.notify_all();
    } else {
      ++idle_;
      waitAsSpare(lock);
      --idle_;
    }
  }
}

void SlotThreads::waitAsSpare(std::unique_lock<std::mutex>& lock) {
  if (watching_) return woken_.wait(lock);
  watching_ = true;
  while (Clock::now() - vacated_ < kActive) {
    watched_ = true;
    bool timedOut = woken_.wait_for(lock, kGrace) == std::cv_status::timeout;
    watched_ = false;
    bool unpolled = !polling_ && (waiting_ > 0 || Clock::now() - vacated_ >= kGrace);
    // A wake-up that comes with the end of the time counts as that end.
    if (!timedOut || unpolled || closed_ || (!queue_.empty() && running_ < slots_)) {
      watching_ = false;
      return;
    }
  }
  woken_.wait(lock);
  watching_ = false;
}

}  // namespace sluice::executor
