// Sending an object list to a peer, piece by piece, as it takes them, and without waiting for a disk on the control thread.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "worker/executor/control.h"

namespace sluice::executor {

class Outgoing : public std::enable_shared_from_this<Outgoing> {
 public:
  struct Entry {
    std::uint32_t tag = 0;  // the caller's own: the reducer of a segment
    Piece piece;
  };
  // Called on the strand with entries [first, first + bytes.size()); `last` with the end of the list (also of an empty one).
  using Emit = std::function<void(std::size_t first, std::vector<Bytes> bytes, bool last)>;
  using Gone = std::function<void()>;  // a piece is not there any more, or cannot be read

  // Ends with the session, too: whoever needs it asks again in the next.
  static std::shared_ptr<Outgoing> start(Control& control, Peer to, std::vector<Entry> entries, Emit emit, Gone gone);
  void cancel() { cancelled_ = true; }
  // Nothing more will be sent: all was, or it was cancelled, or its session ended.
  bool over() const { return cancelled_ || finished_ || control_.lanes.session(to_) != session_; }
  void step();  // Lanes', too

 private:
  Outgoing(Control& control, Peer to, std::vector<Entry> entries, Emit emit, Gone gone)
      : control_(control), to_(to), session_(control.lanes.session(to)), entries_(std::move(entries)), emit_(std::move(emit)), gone_(std::move(gone)) {}
  void load(std::size_t first, std::size_t count, std::uint64_t size);

  Control& control_;
  const Peer to_;
  const std::uint64_t session_;
  const std::vector<Entry> entries_;
  const Emit emit_;
  const Gone gone_;
  std::size_t next_ = 0;
  bool cancelled_ = false, finished_ = false;
};

}  // namespace sluice::executor
