// The link between processes: one bidirectional gRPC stream per session, one thread that polls one completion queue for
// all of them. (Measured: half the latency of the synchronous and callback styles.) No gRPC header is needed to use it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/grpc/secret.h"
#include "common/link.h"
#include "common/strand.h"
#include "sluice/abi.h"

namespace sluice {

struct GrpcLinkOptions {
  Peer self;
  std::uint64_t app = 0;  // executors and drivers: sessions with those of other applications are refused
  std::string cluster;    // empty: not known yet; taken over from the first master that is reached
  std::string build;      // empty: that of this libsluice
  // A dial failed and will be tried again after 100 ms to 2 s; `line` says why, `attempt` counts from 1. On the strand.
  std::function<void(Peer to, const std::string& line, int attempt)> onDialFailure;
  LinkSecretPtr secret;   // null: whoever reaches it may speak
  bool ownThread = true;  // false: the owner's threads call poll()
  std::int64_t drainMs = 1'000;  // how long close() waits for what was sent
};

// A session is up when each side has the other's Hello. One of another build, cluster or application is refused: the
// refused side gets the Refused message and does not dial again. A new session of a peer replaces the older one, whose
// end is likewise refused. Peers other than masters that name no id are numbered by whoever accepts them.
//
// send() goes into the session of which the owner was told last, so nothing written for an earlier session slips into a
// later one. Handler calls come on the strand, often from the polling thread: with a plain Strand the owner's machine
// runs there without a hop, and long work must not be done on it.
class SLUICE_INTERNAL GrpcLink final : public Link {
 public:
  GrpcLink(GrpcLinkOptions options, Strand& strand, LinkHandler& handler);
  ~GrpcLink() override;

  // Once, before anything else. Listens on each address ("127.0.0.1:0", "unix:/path") or on none, and starts the
  // polling thread. An address that cannot be had is an error in one line.
  absl::Status start(const std::vector<std::string>& listen = {});
  // What others may dial: the addresses listened on with their actual ports, commas between.
  std::string address() const;

  // Waits for the next event and handles it; false: the link is closed. Without a thread of its own: one caller at a time, always one
  // again soon (close() waits for events, too).
  bool poll();

  void send(Peer to, EnvelopePtr envelope) override;
  // `address` may name several, with commas: a Unix socket that is on this host is preferred.
  void connect(Peer to, const std::string& address) override;
  void disconnect(Peer from) override;  // after what was sent; connect() to it is forgotten
  // Sends what waits (for drainMs at most), ends all sessions and joins. Nothing is delivered from its begin on. Not
  // from work of the strand, which may be running on the polling thread.
  void close() override;

  std::size_t waitingBytes(Peer to) const;  // sent, and not yet taken by the transport
  std::string cluster() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

// The socket beside a network address with a port, for start(): dialling that address on this host goes there. Empty: there is no room for it.
SLUICE_INTERNAL std::string neighbourSocketAddress(const std::string& networkAddress);

// A TCP port of the host that nobody has at this moment; 0: none can be found (no such host).
SLUICE_INTERNAL std::uint16_t freePort(const std::string& host);

// "unix:/tmp/sluice-<uid>/<name>": for start(), beside a network address. The name must be unique on the host (cluster
// and executor).
SLUICE_INTERNAL absl::Status unixSocketAddress(const std::string& name, std::string* address);

}  // namespace sluice
