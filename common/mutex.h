// Mutex, lock and condition with clang's thread-safety attributes, over std::mutex: ThreadSanitizer understands it,
// while it reports false races with the packaged absl::Mutex. clang's -Wthread-safety checks the annotations; other
// compilers ignore them.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "absl/base/thread_annotations.h"  // has three of these names, too
#include "common/machine.h"

#if defined(__clang__)
#define SLUICE_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define SLUICE_THREAD_ATTRIBUTE(x)
#endif
#define CAPABILITY(x) SLUICE_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY SLUICE_THREAD_ATTRIBUTE(scoped_lockable)
#ifndef GUARDED_BY
#define GUARDED_BY(x) SLUICE_THREAD_ATTRIBUTE(guarded_by(x))
#endif
#ifndef PT_GUARDED_BY
#define PT_GUARDED_BY(x) SLUICE_THREAD_ATTRIBUTE(pt_guarded_by(x))
#endif
#define REQUIRES(...) SLUICE_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) SLUICE_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) SLUICE_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) SLUICE_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) SLUICE_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#ifndef NO_THREAD_SAFETY_ANALYSIS
#define NO_THREAD_SAFETY_ANALYSIS SLUICE_THREAD_ATTRIBUTE(no_thread_safety_analysis)
#endif

namespace sluice {

class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }
  bool tryLock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  // Leaves early, to call out without the lock; lock() takes it again.
  void unlock() RELEASE() { mutex_.unlock(), held_ = false; }
  void lock() ACQUIRE() { mutex_.lock(), held_ = true; }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

// Waits may wake for no reason: always wait in a loop over the condition, in the function that holds the lock (the
// analysis does not look into lambdas).
class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False: the moment (of the system's clock) has come.
  bool waitUntil(Mutex& mutex, Moment at) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    auto when = std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::microseconds(at.us)));
    bool woken = condition_.wait_until(lock, when) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  // False: the time is up.
  bool waitFor(Mutex& mutex, std::int64_t microseconds) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    bool woken = condition_.wait_for(lock, std::chrono::microseconds(microseconds)) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void notifyOne() { condition_.notify_one(); }
  void notifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace sluice
