// Named timers of one machine, kept by a thread that sleeps until the next is due: tens of microseconds late at most
// when a core is free. (A completion-queue deadline of gRPC is 0.7 ms late; never use one as a clock.)
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "common/machine.h"
#include "common/strand.h"

namespace sluice {

// Any thread may arm and disarm. `due` is called on the strand, at or after the moment by the system's clock; arming a
// name again moves it, and a timer disarmed or moved on the strand is not delivered for its old moment, even if that
// has passed already. The strand must outlive the timers; nothing is delivered once close() has returned.
class SLUICE_INTERNAL Timers {
 public:
  using Due = std::function<void(TimerName)>;
  Timers(Strand& strand, Due due);
  ~Timers();
  void arm(TimerName timer, Moment at);
  void disarm(TimerName timer);
  // Joins the thread. Not from work of the strand: that may be running on this very thread.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice
