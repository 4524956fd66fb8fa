// The transport between machines: one interface, three bodies (direct in one process, gRPC between processes, simulated in tests).
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/envelope.h"
#include "common/ids.h"

namespace sluice {

// Where a link delivers. Called on the owner's strand, one call at a time.
class LinkHandler {
 public:
  virtual ~LinkHandler() = default;
  virtual void onMessage(Peer from, EnvelopePtr envelope) = 0;
  virtual void onSession(Peer with, bool up) = 0;
};

// One process's end of all its sessions. Thread-safe. Within a session FIFO and at most once; a session can break, lose what was
// under way, and a new one may repeat it.
class Link {
 public:
  virtual ~Link() = default;
  virtual void send(Peer to, EnvelopePtr envelope) = 0;
  // Opens a session with the peer at this address ("host:port" or "unix:/path") and keeps trying; onSession tells.
  virtual void connect(Peer to, const std::string& address) = 0;
  virtual void disconnect(Peer from) = 0;
  virtual void close() = 0;
};

}  // namespace sluice
