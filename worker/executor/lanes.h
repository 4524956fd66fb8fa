// How much may be on its way to each peer. What is sent and not yet taken lies in memory that no budget knows of, on both sides: a
// sender stops until the receiver, which first makes room, says that it took some.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "common/ids.h"
#include "common/taken.h"

namespace sluice::executor {

struct Control;
class Outgoing;

// By sessions with a peer: what was under way in an older one goes with it.
class Lanes {
 public:
  explicit Lanes(Control& control) : control_(control) {}

  // ---- sending ----
  std::uint64_t session(Peer to) const;
  // False: there is no more room, and the sender's step() is called when there is.
  bool enter(Peer to, const std::shared_ptr<Outgoing>& sender);
  void add(Peer to, std::uint64_t bytes) { lanes_[to].untaken += bytes; }  // are on their way
  void onTaken(Peer to, std::uint64_t bytes);  // are not any more

  // ---- receiving ----
  void received(Peer from, std::uint64_t bytes) { due_ |= (lanes_[from].received += bytes) >= kTakenBytes; }
  // There is room, or no way to make any: tells those who wait for it.
  void take();

  void onPeer(Peer peer);  // a session with it began, or ended

 private:
  struct Lane {
    std::uint64_t session = 0, untaken = 0, received = 0;
    std::deque<std::shared_ptr<Outgoing>> waiting;
  };
  std::uint64_t most() const;

  Control& control_;
  std::map<Peer, Lane> lanes_;
  bool due_ = false;  // one has received so much
};

}  // namespace sluice::executor
