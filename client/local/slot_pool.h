// The slots of an in-process cluster. A thread that waits for a job runs tasks itself; helpers are woken for work worth waking them.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "client/backend.h"
#include "sluice/abi.h"

namespace sluice::local {

class SLUICE_INTERNAL SlotPool {
 public:
  struct Work {
    std::uint32_t executor = 0;
    std::uint64_t kind = 0;  // tasks of one kind (template and stage) are alike: how long the last ones took tells about the next
    std::int64_t instance = 0;  // time of its batch, or minus the number of its job
    std::uint64_t inputBytes = 0;
    std::function<void()> run;
    bool waits = false;  // for other work that may stand behind it: nothing of that kind is left to a caller
  };
  // `slots` tasks of one executor run at a time, on `threads` helpers and the waiting callers together.
  SlotPool(int executors, int slots);
  ~SlotPool() { stop(); }

  void submit(Work work);
  // Runs one piece of work on this thread, if there is any that it may run (no value: all) and a slot is free.
  bool runOne(std::optional<Lent> lent);
  int drop(std::uint32_t executor);  // what has not begun; how many that were
  void stop();

  // While it lives, work submitted by this thread that it may run is left to it if that is quick enough: it is about to call runOne().
  class SLUICE_INTERNAL Caller {
   public:
    explicit Caller(std::optional<Lent> lent);
    ~Caller();
    bool takes(const Work& work) const { return !lent_ || lent_->runs(work.instance); }

   private:
    const std::optional<Lent> lent_;
    Caller* const outer_;
  };
  // Wakes helpers for whatever was left to a caller that will not come.
  void wakeForLeft();

 private:
  using Clock = std::chrono::steady_clock;
  struct Kind {
    double usEach = -1;  // moving average; < 0: unknown
  };
  bool takeLocked(Work& work, std::optional<Lent> lent);
  void finish(const Work& work, double us);
  bool worthWaking(const Work& work);
  void wakeLocked();
  void helper();
  void waitAsHelper(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  std::vector<int> running_;  // by executor
  int slots_;
  int idle_ = 0, threads_ = 0, maxThreads_;
  bool stopped_ = false;
  bool watcherDue_ = false;  // a helper was woken that will, when it has nothing to run
  bool watching_ = false;    // a helper looks up every 2 ms: what was left to a caller may wait for a task of its that is not short
  Clock::time_point left_{};  // when something was last left to a caller
  absl::flat_hash_map<std::uint64_t, Kind> kinds_;
  std::vector<std::thread> helpers_;
};

}  // namespace sluice::local
