// Runs pieces of work one at a time, in the order they were posted: what owns the state of a machine in place of a
// lock.
#pragma once
#include <thread>
#include <vector>

#include "common/mutex.h"
#include "common/work.h"
#include "sluice/abi.h"

namespace sluice {

// Whoever posts runs the queue if nobody does (a hop to a thread of its own would cost more than most work here), so
// post() may return before or after the work ran, and a thread that posts must not hold a lock that work takes. What is
// posted from inside runs afterwards, in order. Any thread may post. Work must not throw. Everything posted has run, or
// runs elsewhere, when post() returns; so before a Strand is destroyed it must be drained, and its posters done.
class SLUICE_INTERNAL Strand {
 public:
  Strand() = default;
  virtual ~Strand() = default;
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  void post(Work work) EXCLUDES(mutex_);
  // Returns when everything posted has run and no thread is inside run() any more. Not from the strand's own work.
  void drain() EXCLUDES(mutex_);
  // Whether the calling thread is running this strand's work right now.
  bool isHere() const { return current_ == this; }

 protected:
  // The queue is not empty any more and nobody runs it: see that run() is called soon.
  virtual void wake() { run(); }
  // Runs until the queue is empty.
  void run() EXCLUDES(mutex_);

 private:
  static thread_local const Strand* current_;

  Mutex mutex_;
  CondVar idle_;
  bool claimed_ GUARDED_BY(mutex_) = false;  // somebody runs the queue, or was woken to
  std::vector<Work> queue_ GUARDED_BY(mutex_);
  std::vector<Work> running_;  // of whoever has claimed it
};

// A strand with a thread of its own, for posters that must not be held up (gRPC's polling thread under long work,
// signal watchers). close() runs what was posted before it, then joins; what is posted later is dropped.
class SLUICE_INTERNAL LoopThread final : public Strand {
 public:
  explicit LoopThread(const char* name);  // as seen in top -H; at most 15 characters
  ~LoopThread() override;
  void close() EXCLUDES(wakeMutex_);  // not from its own thread

 private:
  void wake() override EXCLUDES(wakeMutex_);
  void loop() EXCLUDES(wakeMutex_);

  Mutex wakeMutex_;
  CondVar woken_;
  bool due_ GUARDED_BY(wakeMutex_) = false;
  bool closed_ GUARDED_BY(wakeMutex_) = false;
  std::thread thread_;
};

}  // namespace sluice
