#include "common/timers.h"

#include <sys/prctl.h>

#include <set>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/clock.h"

namespace sluice {

// Shared with the deliveries that wait on the strand, which may outlive the Timers.
struct Timers::State : std::enable_shared_from_this<Timers::State> {
  struct Armed {
    Moment at;
    std::uint64_t serial = 0;  // of this arming: a delivery under way knows by it whether it still counts
    bool posted = false;       // on its way to the strand
  };

  State(Strand& s, Due d) : strand(s), due(std::move(d)) {}

  void loop() EXCLUDES(mutex) {
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);  // of this thread only; the default rounds every sleep up by 50 us
    MutexLock lock(mutex);
    while (!closed) {
      if (queue.empty()) {
        next = Moment{INT64_MAX};
        changed.wait(mutex);
        continue;
      }
      next = queue.begin()->first;
      if (SystemClock::read() < next) {
        changed.waitUntil(mutex, next);
        continue;
      }
      TimerName name = queue.begin()->second;
      queue.erase(queue.begin());
      Armed& armedNow = armed[name];
      armedNow.posted = true;
      std::uint64_t serial = armedNow.serial;
      lock.unlock();
      strand.post([self = shared_from_this(), name, serial] { self->deliver(name, serial); });
      lock.lock();
    }
  }

  void deliver(TimerName name, std::uint64_t serial) EXCLUDES(mutex) {
    {
      MutexLock lock(mutex);
      auto it = armed.find(name);
      if (closed || it == armed.end() || it->second.serial != serial) return;
      armed.erase(it);
    }
    due(name);
  }

  Strand& strand;
  const Due due;
  std::thread thread;
  Mutex mutex;
  CondVar changed;
  bool closed GUARDED_BY(mutex) = false;
  std::uint64_t serials GUARDED_BY(mutex) = 0;
  Moment next GUARDED_BY(mutex){INT64_MAX};  // what the thread sleeps for
  absl::flat_hash_map<TimerName, Armed> armed GUARDED_BY(mutex);
  std::set<std::pair<Moment, TimerName>> queue GUARDED_BY(mutex);  // the armed ones that are not posted
};

Timers::Timers(Strand& strand, Due due) : state_(std::make_shared<State>(strand, std::move(due))) {
  state_->thread = std::thread([state = state_] {
    pthread_setname_np(pthread_self(), "timers");
    state->loop();
  });
}

Timers::~Timers() { close(); }

void Timers::arm(TimerName timer, Moment at) {
  MutexLock lock(state_->mutex);
  if (state_->closed) return;
  State::Armed& entry = state_->armed[timer];
  if (entry.serial != 0 && !entry.posted) state_->queue.erase({entry.at, timer});
  entry = {at, ++state_->serials, false};
  state_->queue.insert({at, timer});
  if (at < state_->next) state_->changed.notifyOne();
}

void Timers::disarm(TimerName timer) {
  MutexLock lock(state_->mutex);
  auto it = state_->armed.find(timer);
  if (it == state_->armed.end()) return;
  if (!it->second.posted) state_->queue.erase({it->second.at, timer});
  state_->armed.erase(it);
}

void Timers::close() {
  {
    MutexLock lock(state_->mutex);
    state_->closed = true;
    state_->changed.notifyOne();
  }
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace sluice
