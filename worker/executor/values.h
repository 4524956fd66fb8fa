// Kept values, received blocks and results: which lie here, who waits for one, and what is fetched from peers.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "worker/executor/control.h"
#include "worker/executor/outgoing.h"

namespace sluice::executor {

struct BlockId {
  std::uint32_t source = 0;
  std::uint64_t incarnation = 0, sequence = 0;
  static BlockId of(const proto::Input::BlockRef& ref) { return {ref.source(), ref.incarnation(), ref.sequence()}; }
  friend constexpr auto operator<=>(BlockId, BlockId) = default;
};

class Values {
 public:
  explicit Values(Control& control) : control_(control) {}

  enum class Found : std::uint8_t { kHere, kWaiting, kLost };
  // `at`: the executor that has it (0: not known). kWaiting: the task is woken, or told to be lost.
  Found want(ValueId id, std::uint64_t at, const TaskPtr& task);
  Found wantBlock(BlockId id, const proto::Input& input, ValueId source, const TaskPtr& task);
  RowsPtr read(ValueId id) const;
  RowsPtr readBlock(BlockId id) const;
  // A task here will make the value (+1), or will not after all (-1).
  void expect(ValueId id, int change);
  // Where a value lies that somebody here may be waiting for.
  void locate(ValueId id, std::uint64_t at);

  void keep(ValueId id, RowsPtr rows);
  bool has(ValueId id) const;
  void forget(ValueId id) { kept_.erase(id); }
  void addBlock(BlockId id, RowsPtr rows, bool text);
  void addResult(Scope scope, std::uint32_t output, std::uint32_t partition, RowsPtr rows);

  void onGet(Peer from, const EnvelopePtr& envelope);
  void onGot(Peer from, const EnvelopePtr& envelope);
  // Sends copies of a value that was made here to so many others.
  void copyTo(ValueId id, std::uint32_t others, const proto::Epoch& epoch);
  void sendCopy(ValueId id, std::uint64_t target);
  void onCopyKept(Peer from, const EnvelopePtr& envelope);
  // What was asked of it is asked again when it is back. Until then another holder is tried, or it is waited for a while: if it is gone for
  // good, the master says meanwhile where the value is made again.
  void onPeer(std::uint64_t executor, bool up);
  void onFetchTimer(std::uint64_t executor);

  void release(Scope scope);
  void releaseBelow(std::uint32_t node, std::int64_t belowMs);
  void unpersist(std::uint32_t node);
  void dropBlock(BlockId id) { blocks_.erase(id); }
  void drop(const TaskPtr& task);

  // Every kept value that was made (or restored) here.
  void report(proto::Report& report) const;
  // What kept datasets take here, copies that their level asks for included.
  void onAskStorage(const proto::AskStorage& ask) const;
  // The newest version at or before `whenMs` of a kept node's partition.
  RowsPtr version(std::uint32_t node, std::int64_t whenMs, std::uint32_t partition) const;

 private:
  struct Kept {
    RowsPtr rows;
    bool copy = false;  // fetched; the original is elsewhere
  };
  struct Block {
    RowsPtr rows;
    bool text = false;
  };
  struct Waiter {
    TaskPtr task;
    ValueId lost;  // what the master is told if it does not come
  };
  struct Fetch {
    std::uint64_t peer = 0;
    std::variant<ValueId, BlockId> what;
    bool text = false;
    std::vector<std::uint64_t> others;  // to be asked next
    std::shared_ptr<Rows> rows = std::make_shared<Rows>();
    std::shared_ptr<Rows> state;
  };
  struct Parked {  // a Get of a value that a task here is about to make
    Peer from;
    EnvelopePtr envelope;
  };

  // Adds the pieces that came with a message; false if they are not what it says.
  template <class Body> bool addPieces(const Body& body, const Envelope& envelope, ObjectKind kind, Rows& rows, std::shared_ptr<Rows>& state);
  void ask(Fetch fetch);
  void sendGet(std::uint64_t request, const Fetch& fetch);
  void failFetches(std::uint64_t executor, bool all);
  void arrivedFetch(Fetch& fetch);
  void failFetch(Fetch fetch);
  // `asked`: they wait in vain, since this executor does not have it; 0: it is here.
  void wake(std::vector<Waiter>& waiters, std::uint64_t asked);
  void answer(Peer to, std::uint64_t request, RowsPtr rows);
  void answerParked(ValueId id);

  Control& control_;
  std::map<ValueId, Kept> kept_;
  std::map<BlockId, Block> blocks_;
  std::map<std::tuple<Scope, std::uint32_t, std::uint32_t>, RowsPtr> results_;
  std::map<ValueId, int> expected_;
  std::map<ValueId, std::vector<Waiter>> valueWaiters_;
  std::map<BlockId, std::vector<Waiter>> blockWaiters_;
  std::map<std::uint64_t, Fetch> fetches_;
  std::map<std::uint64_t, Parked> parked_;
  struct Copy {  // on its way here
    std::uint64_t number = 0;
    std::shared_ptr<Rows> rows = std::make_shared<Rows>(), state;
  };
  std::map<std::pair<std::uint64_t, ValueId>, Copy> copying_;  // by sender
  std::map<std::uint64_t, std::set<ValueId>> copiesFor_;       // values that an executor is to have too; sent again in a new session
  std::set<std::uint64_t> peers_;  // with a session
  std::uint64_t nextRequest_ = 1, nextParked_ = 1, copies_ = 0;
};

}  // namespace sluice::executor
