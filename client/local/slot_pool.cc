#include "client/local/slot_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice::local {
namespace {

thread_local SlotPool::Caller* caller = nullptr;  // the innermost of this thread
constexpr double kWorthWakingUs = 50;
constexpr std::uint64_t kWorthWakingBytes = 64 * 1024;
constexpr std::size_t kRememberedKinds = 4096;
constexpr auto kGrace = std::chrono::milliseconds(2);
constexpr auto kActive = std::chrono::milliseconds(20);

}  // namespace

SlotPool::SlotPool(int executors, int slots) : running_(executors), slots_(slots), maxThreads_(executors * slots) {}

SlotPool::Caller::Caller(std::optional<Lent> lent) : lent_(lent), outer_(std::exchange(caller, this)) {}
SlotPool::Caller::~Caller() { caller = outer_; }

bool SlotPool::worthWaking(const Work& work) {
  if (work.inputBytes >= kWorthWakingBytes) return true;
  auto it = kinds_.find(work.kind);
  return it == kinds_.end() || it->second.usEach < 0 || it->second.usEach > kWorthWakingUs;
}

void SlotPool::submit(Work work) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  bool leave = !work.waits && caller && caller->takes(work) && (queue_.empty() || !worthWaking(work));
  queue_.push_back(std::move(work));
  if (!leave) return wakeLocked();
  left_ = Clock::now();
  if (queue_.size() > 1 && !watching_ && !std::exchange(watcherDue_, true)) wakeLocked();
}

void SlotPool::wakeForLeft() {
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < queue_.size(); ++i) wakeLocked();
}

void SlotPool::wakeLocked() {
  if (idle_ > 0) {
    wake_.notify_one();
  } else if (threads_ < maxThreads_ && !stopped_) {
    ++threads_;
    helpers_.emplace_back([this] { helper(); });
  }
}

bool SlotPool::takeLocked(Work& work, std::optional<Lent> lent) {
  for (auto it = queue_.begin(); it != queue_.end(); ++it) {
    if (running_[it->executor] >= slots_) continue;
    if (lent && !lent->runs(it->instance)) {  // it comes first all the same: executors have put their tasks in order
      wakeLocked();
      return false;
    }
    work = std::move(*it);
    queue_.erase(it);
    ++running_[work.executor];
    return true;
  }
  return false;
}

void SlotPool::finish(const Work& work, double us) {
  std::lock_guard lock(mutex_);
  --running_[work.executor];
  if (kinds_.size() > kRememberedKinds) kinds_.clear();
  Kind& kind = kinds_[work.kind];
  kind.usEach = kind.usEach < 0 ? us : kind.usEach * 0.75 + us * 0.25;
  if (std::any_of(queue_.begin(), queue_.end(), [](const Work& left) { return !caller || !caller->takes(left); })) wakeLocked();  // a slot is free again
}

namespace {
template <class F> double timed(F f) {
  auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}
}  // namespace

bool SlotPool::runOne(std::optional<Lent> lent) {
  Work work;
  {
    std::lock_guard lock(mutex_);
    if (!takeLocked(work, lent)) return false;
  }
  Caller here(lent);
  double us = timed(work.run);
  finish(work, us);
  return true;
}

void SlotPool::helper() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Work work;
    watcherDue_ = false;
    if (takeLocked(work, std::nullopt)) {
      if (!queue_.empty() && !watching_) wakeLocked();  // this one may be long, too
      lock.unlock();
      double us = timed(work.run);
      finish(work, us);
      work.run = nullptr;
      lock.lock();
      continue;
    }
    if (stopped_) return;
    ++idle_;
    waitAsHelper(lock);
    --idle_;
  }
}

void SlotPool::waitAsHelper(std::unique_lock<std::mutex>& lock) {
  if (watching_) return wake_.wait(lock);
  watching_ = true;
  while (Clock::now() - left_ < kActive) {
    bool timedOut = wake_.wait_for(lock, kGrace) == std::cv_status::timeout;
    if (timedOut && queue_.empty() && !stopped_) continue;
    watching_ = false;
    return;
  }
  watching_ = false;
  wake_.wait(lock);
}

int SlotPool::drop(std::uint32_t executor) {
  std::lock_guard lock(mutex_);
  return int(std::erase_if(queue_, [&](const Work& work) { return work.executor == executor; }));
}

void SlotPool::stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    queue_.clear();
    wake_.notify_all();
  }
  for (auto& thread : helpers_) thread.join();
}

}  // namespace sluice::local
