// A pure state machine: it takes events and gives effects, and holds no thread, clock, lock, file or socket.
// Its shell (local mode, a daemon, the simulator) brings events one at a time and carries the effects out.
#pragma once
#include <cstdint>
#include <string>

#include "common/envelope.h"
#include "common/ids.h"
#include "proto/journal.pb.h"
#include "sluice/time.h"

namespace sluice {

// Microseconds since 1970, as the shell's clock says (Time has whole milliseconds, too coarse for the control plane).
struct Moment {
  std::int64_t us = 0;
  friend constexpr auto operator<=>(Moment, Moment) = default;
  constexpr Time time() const { return Time(us / 1000); }
  static constexpr Moment of(Time t) { return {t.milliseconds() * 1000}; }
  friend constexpr Moment operator+(Moment m, Duration d) { return {m.us + d.milliseconds() * 1000}; }
};

// Timers are named by their machine; arming a name again moves it. Delivered as onTimer(name) at or after `at`.
struct TimerName {
  std::uint32_t kind = 0;  // the machine's own enumeration
  std::uint64_t a = 0, b = 0;
  friend constexpr auto operator<=>(TimerName, TimerName) = default;
  template <class H> friend H AbslHashValue(H h, TimerName t) { return H::combine(std::move(h), t.kind, t.a, t.b); }
};

// What every machine may ask of its shell. Roles add their own effects in a derived interface.
class Effects {
 public:
  virtual ~Effects() = default;
  // FIFO within a session, at most once; dropped when there is no session with that peer.
  // `after`: the journal sequence that must be durable before this leaves (irrevocable effects); 0: at once.
  virtual void send(Peer to, EnvelopePtr envelope, std::uint64_t after = 0) = 0;
  virtual void arm(TimerName timer, Moment at) = 0;
  virtual void disarm(TimerName timer) = 0;
  virtual void log(const std::string& line) = 0;  // one line for the operator of the system
};

// What every shell brings. `now` is the shell's clock.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual void onMessage(Peer from, const EnvelopePtr& envelope, Moment now) = 0;
  virtual void onSession(Peer with, bool up, Moment now) = 0;
  virtual void onTimer(TimerName timer, Moment now) = 0;
};

}  // namespace sluice
