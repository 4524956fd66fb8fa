#include "common/strand.h"

#include <pthread.h>

namespace sluice {

thread_local const Strand* Strand::current_ = nullptr;

void Strand::post(Work work) {
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
    if (claimed_) return;
    claimed_ = true;
  }
  wake();
}

void Strand::run() {
  const Strand* outer = std::exchange(current_, this);  // one strand's work may run another's
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (queue_.empty()) {
        claimed_ = false;
        idle_.notifyAll();
        break;
      }
      running_.swap(queue_);
    }
    for (Work& work : running_) {
      work();
      work = Work();  // what it captured goes before the next one runs
    }
    running_.clear();
  }
  current_ = outer;
}

void Strand::drain() {
  MutexLock lock(mutex_);
  while (claimed_) idle_.wait(mutex_);
}

LoopThread::LoopThread(const char* name)
    : thread_([this, name] {
        pthread_setname_np(pthread_self(), name);
        loop();
      }) {}

LoopThread::~LoopThread() { close(); }

void LoopThread::wake() {
  MutexLock lock(wakeMutex_);
  due_ = true;
  woken_.notifyOne();
}

void LoopThread::loop() {
  for (;;) {
    bool last;
    {
      MutexLock lock(wakeMutex_);
      while (!due_ && !closed_) woken_.wait(wakeMutex_);
      last = closed_ && !due_;
      due_ = false;
    }
    if (last) return;
    run();
  }
}

void LoopThread::close() {
  {
    MutexLock lock(wakeMutex_);
    closed_ = true;
    woken_.notifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace sluice
