// The threads of an executor: one for each slot and one more, which share the running of tasks and the polling of the link. Whoever polls
// runs the task that an event brought, so a small task starts and is reported without a hop between threads (a hop costs more than such a
// task). If the last task was not small, a spare thread is woken to poll meanwhile; else nobody polls until it ends, for 2 ms at most.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/work.h"
#include "sluice/abi.h"

namespace sluice::executor {

class SLUICE_INTERNAL SlotThreads {
 public:
  // `poll` waits for the link's next event and handles it; false: nothing more will come.
  SlotThreads(std::uint32_t slots, std::function<bool()> poll);
  ~SlotThreads();  // when poll gives false and all jobs have run
  SlotThreads(const SlotThreads&) = delete;

  // Runs the job on one of the threads, never more than `slots` at a time. A thread of this pool that adds must be about to return from
  // poll or from its job: it takes what it added last itself. Any thread; jobs must not throw.
  void add(Work job);
  // By a job that is about to wait for what another job, or an event of the link, brings: others poll meanwhile, and take what it adds from now
  // on. Nothing on any other thread.
  void aboutToWait();
  // Threads that sleep until another one wakes them.
  std::uint32_t asleep() const;

 private:
  using Clock = std::chrono::steady_clock;
  void loop();
  void waitAsSpare(std::unique_lock<std::mutex>& lock);

  const std::uint32_t slots_;
  const std::function<bool()> poll_;

  mutable std::mutex mutex_;
  std::condition_variable woken_;
  std::deque<Work> queue_;
  std::uint32_t running_ = 0, idle_ = 0;
  std::uint32_t waiting_ = 0;  // jobs that run and may wait for others
  bool polling_ = false, closed_ = false;
  bool short_ = true;      // the last job was
  bool watched_ = false;   // a spare thread looks up every 2 ms
  bool watching_ = false;  // one that may
  Clock::time_point vacated_{};  // when a poller last left for a job
  std::vector<std::thread> threads_;
};

}  // namespace sluice::executor
