// Segments: which lie here, which are still to come, and who must be sent what. Pure control; rows stay in the store.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "worker/executor/control.h"
#include "worker/executor/outgoing.h"

namespace sluice::executor {

// All segments of an exchange for one value of its reader: named by that value's time.
struct ExchangeKey {
  ExchangeId exchange;
  std::int64_t whenMs = 0;
  friend constexpr auto operator<=>(ExchangeKey, ExchangeKey) = default;
};
// By an instance.
struct ExchangeUse {
  ExchangeKey key;
  std::uint32_t marked = 0;  // node whose mark lets its segments go
  Scope scope = 0;
};

// What Push.checksum says of the attachments.
SLUICE_INTERNAL std::uint64_t pushChecksum(const std::vector<Bytes>& attachments);

class Shuffle {
 public:
  explicit Shuffle(Control& control) : control_(control) {}

  // The task reads this reducer's segments of `maps` map partitions. True if they are all here, else the task is woken.
  bool want(const ExchangeUse& use, std::uint32_t reducer, std::uint32_t maps, const TaskPtr& task);
  // What `want` found complete, by map partition. False: it was let go since.
  bool read(ExchangeKey key, std::uint32_t reducer, std::vector<RowsPtr>& maps) const;

  // A map partition that ran here: its segments are for the executors where the epoch places the reducers, or where they were moved to.
  // A broadcast goes to all members. The first complete attempt stays.
  void finished(const ExchangeUse& use, std::uint32_t map, std::uint32_t attempt, bool broadcast,
                std::shared_ptr<const proto::Epoch> epoch, std::shared_ptr<const std::vector<Rows>> segments);
  bool has(ExchangeKey key, std::uint32_t map) const;
  // What is made for it is kept for later jobs as well.
  void lasts(const ExchangeUse& use) { state(use).lasts = true; }

  // Reducers that are elsewhere than the epoch says; what is kept for them is pushed again. Replaces earlier routes of the reducers named.
  void move(const ExchangeUse& use, std::uint64_t epoch, const std::vector<std::pair<std::uint32_t, std::uint64_t>>& routes);

  void onPush(Peer from, const EnvelopePtr& envelope);
  // A session began: the peer may have missed anything.
  void resend(std::uint64_t executor);

  // A job is over. Segments of batches stay until a mark passes them: later batches may need them again.
  void release(Scope scope);
  // Segments for values before this time may go, if it is this node's mark that says so.
  void releaseBelow(std::uint32_t node, std::int64_t belowMs);
  void drop(const TaskPtr& task);
  // An exchange at time 0 that nothing is made from any more.
  void drop(const proto::DroppedExchange& dropped);

 private:
  struct Own {
    std::uint32_t attempt = 0;
    bool broadcast = false;
    std::shared_ptr<const proto::Epoch> epoch;
    std::shared_ptr<const std::vector<Rows>> segments;
  };
  struct Incoming {  // one reducer
    std::vector<RowsPtr> maps;
    std::uint32_t have = 0;
    absl::InlinedVector<TaskPtr, 1> waiting;
  };
  struct Growing {  // chunks of an attempt that has not ended
    std::uint32_t nextChunk = 0;
    std::vector<std::pair<std::uint32_t, std::shared_ptr<Rows>>> reducers;
  };
  struct State {
    std::uint32_t marked = 0;
    absl::InlinedVector<Scope, 1> users;  // at time 0: all that used it
    Scope scope = 0;
    bool lasts = false;
    std::uint32_t maps = kUnknown;
    absl::flat_hash_map<std::uint32_t, Incoming> incoming;
    std::map<std::uint32_t, Own> own;  // by map partition
    struct Moved {
      std::uint64_t epoch = 0;  // of the Launch that said so; what a later one makes goes by that one's places
      absl::InlinedVector<std::uint64_t, 1> to;
    };
    absl::flat_hash_map<std::uint32_t, Moved> moved;
    std::map<std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>, Growing> growing;  // (peer, map, attempt)
  };
  static constexpr std::uint32_t kUnknown = ~0u;

  State& state(const ExchangeUse& use);
  void accept(State& state, std::uint32_t reducer, std::uint32_t map, RowsPtr rows);
  bool complete(const State& state, const Incoming& incoming) const { return incoming.have == state.maps; }
  absl::InlinedVector<std::uint64_t, 1> targets(const State& state, const Own& own, std::uint32_t reducer) const;
  void push(std::uint64_t executor, ExchangeKey key, const State& state, std::uint32_t map, const Own& own,
            std::vector<std::uint32_t> reducers);
  void sweep();  // pushes that ended, or whose segments went

  Control& control_;
  std::map<ExchangeKey, State> states_;  // ordered: what is sent in which order must not depend on a hash
  struct Pushing {
    std::shared_ptr<Outgoing> outgoing;
    std::vector<std::uint32_t> reducers;
  };
  std::map<std::tuple<std::uint64_t, ExchangeKey, std::uint32_t>, Pushing> pushing_;  // by (peer, exchange, map)
  std::size_t sweepAt_ = 64;
};

}  // namespace sluice::executor
