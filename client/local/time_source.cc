#include "client/local/time_source.h"

#include <algorithm>

namespace sluice::local {

void TimerTable::arm(Key key, Moment at) {
  disarm(key);
  std::pair<Moment, std::uint64_t> place{at, ++armed_};
  byKey_[key] = place;
  byMoment_[place] = key;
}

void TimerTable::disarm(Key key) {
  auto it = byKey_.find(key);
  if (it == byKey_.end()) return;
  byMoment_.erase(it->second);
  byKey_.erase(it);
}

TimerTable::Key TimerTable::takeFirst() {
  Key key = byMoment_.begin()->second;
  disarm(key);
  return key;
}

namespace {
constexpr int kOwnerShift = 24;  // the owner rides in the upper bits of the timer's kind: one thread for all owners
}  // namespace

void SystemTime::start(Strand& strand, Due due) {
  timers_ = std::make_unique<Timers>(strand, [due = std::move(due)](TimerName name) {
    std::uint32_t owner = name.kind >> kOwnerShift;
    name.kind &= (1u << kOwnerShift) - 1;
    due(owner, name);
  });
}

void SystemTime::stop() {
  if (timers_) timers_->close();
}

void SystemTime::arm(std::uint32_t owner, TimerName name, Moment at) {
  name.kind |= owner << kOwnerShift;
  timers_->arm(name, at);
}

void SystemTime::disarm(std::uint32_t owner, TimerName name) {
  name.kind |= owner << kOwnerShift;
  timers_->disarm(name);
}

Moment ManualTime::now() {
  MutexLock lock(mutex_);
  return now_;
}

void ManualTime::start(Strand& strand, Due due) { strand_ = &strand, due_ = std::move(due); }

void ManualTime::arm(std::uint32_t owner, TimerName name, Moment at) {
  MutexLock lock(mutex_);
  table_.arm({owner, name}, at);
}

void ManualTime::disarm(std::uint32_t owner, TimerName name) {
  MutexLock lock(mutex_);
  table_.disarm({owner, name});
}

void ManualTime::advance(Duration by) {
  Moment target;
  {
    MutexLock lock(mutex_);
    target = now_ + by;
  }
  for (;;) {
    strand_->drain();  // another thread may be at what arms a timer
    TimerTable::Key key;
    {
      MutexLock lock(mutex_);
      if (table_.empty() || target < table_.first()) {
        now_ = target;
        return;
      }
      now_ = std::max(now_, table_.first());
      key = table_.takeFirst();
    }
    strand_->post([this, key] { due_(key.first, key.second); });
  }
}

void ManualTime::settle() { advance(Duration(0)); }

}  // namespace sluice::local
