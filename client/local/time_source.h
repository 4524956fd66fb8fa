// Where an in-process cluster has its time from: the system's clock with a timer thread, or a clock that a test moves by hand.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "common/machine.h"
#include "common/mutex.h"
#include "common/timers.h"

namespace sluice::local {

// Timers are named by (owner, name); arming a name again moves it. `due` is called on the strand. Thread-safe.
class SLUICE_INTERNAL TimeSource {
 public:
  using Due = std::function<void(std::uint32_t owner, TimerName name)>;
  virtual ~TimeSource() = default;
  virtual Moment now() = 0;
  virtual void start(Strand& strand, Due due) = 0;
  virtual void stop() = 0;
  virtual void arm(std::uint32_t owner, TimerName name, Moment at) = 0;
  virtual void disarm(std::uint32_t owner, TimerName name) = 0;
};

// Armed timers in order of their moments.
class TimerTable {
 public:
  using Key = std::pair<std::uint32_t, TimerName>;
  void arm(Key key, Moment at);
  void disarm(Key key);
  bool empty() const { return byMoment_.empty(); }
  Moment first() const { return byMoment_.begin()->first.first; }
  Key takeFirst();

 private:
  std::map<Key, std::pair<Moment, std::uint64_t>> byKey_;
  std::map<std::pair<Moment, std::uint64_t>, Key> byMoment_;  // ties in the order of arming
  std::uint64_t armed_ = 0;
};

class SystemTime final : public TimeSource {
 public:
  Moment now() override { return SystemClock::read(); }
  void start(Strand& strand, Due due) override;
  void stop() override;
  void arm(std::uint32_t owner, TimerName name, Moment at) override;
  void disarm(std::uint32_t owner, TimerName name) override;

 private:
  std::unique_ptr<Timers> timers_;
};

// Moves only when told. advance() fires what falls due, in order, on the caller's thread.
class SLUICE_INTERNAL ManualTime final : public TimeSource {
 public:
  explicit ManualTime(Moment start) : now_(start) {}
  Moment now() override;
  void start(Strand& strand, Due due) override;
  void stop() override {}
  void arm(std::uint32_t owner, TimerName name, Moment at) override;
  void disarm(std::uint32_t owner, TimerName name) override;
  void advance(Duration by);
  // Fires what is due by now, if anything is.
  void settle();

 private:
  Mutex mutex_;
  TimerTable table_ GUARDED_BY(mutex_);
  Moment now_ GUARDED_BY(mutex_);
  Strand* strand_ = nullptr;
  Due due_;
};

}  // namespace sluice::local
