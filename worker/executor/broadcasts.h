// Broadcast values of this executor: fetched block by block from executors that have them, and given to those that ask, in part while the rest
// is still on its way.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "sluice/abi.h"
#include "worker/executor/control.h"

namespace sluice::executor {

class SLUICE_INTERNAL Broadcasts {
 public:
  explicit Broadcasts(Control& control) : control_(control) {}

  // What the master says of a value: all of it, or how to fetch it.
  void learn(const EnvelopePtr& envelope, const proto::BroadcastValue& value);
  // False: the task is woken when the value is here. True: it is, or nobody has it, and tasks that use it will say so.
  bool want(std::uint64_t id, const TaskPtr& task);
  // Whether it was here, and may be had again.
  bool fetchable(std::uint64_t id) const;

  void onGet(Peer from, const proto::Get& get);
  // False: that is no answer to a question of ours.
  bool onGot(Peer from, const EnvelopePtr& envelope);
  void onPeer(Peer with, bool up);
  // Blocks that were asked for long ago are asked for elsewhere; values that nobody had are tried once more.
  void onTimer();

  // It goes, and is fetched again where a task names it.
  void unpersist(std::uint64_t id);
  void forget(std::uint64_t id);
  void drop(const TaskPtr& task);

 private:
  struct Block {
    bool here = false;
    bool asked = false, stuck = false;  // stuck: nobody is left in this round
    std::uint32_t tries = 0;  // of this round
    Peer at;                  // asked last
    Moment since;
  };
  struct Value {
    std::uint64_t size = 0, blockBytes = 1;
    std::vector<std::uint64_t> checksums, holders;
    bool fetching = false, failed = false;
    // While it is fetched.
    std::shared_ptr<char[]> room;
    std::vector<Block> blocks;
    std::size_t missing = 0, open = 0, next = 0;  // next: the first that was not asked for, in this executor's own order
    std::uint32_t rounds = 0;
    std::vector<TaskPtr> waiters;
  };
  struct Request {
    std::uint64_t id;
    std::uint32_t block;
  };
  struct Parked {  // a question for a block that is on its way here
    Peer from;
    std::uint64_t request, id;
    std::uint32_t block;
  };

  void begin(std::uint64_t id, Value& value);
  void askMore(std::uint64_t id, Value& value);
  // Asks the next one that may have the block.
  void ask(std::uint64_t id, Value& value, std::uint32_t block);
  void send(Peer to, std::uint64_t id, std::uint32_t block);
  void arrived(std::uint64_t id, Value& value, std::uint32_t block, std::string_view bytes);
  void end(std::uint64_t id, Value& value, bool here);
  void answer(Peer to, std::uint64_t request, Bytes block);
  void answerParked(std::uint64_t id, std::uint32_t block, const Bytes& bytes);
  Bytes blockOf(const Value& value, std::uint32_t block) const;
  std::uint64_t bytesOf(const Value& value, std::uint32_t block) const;

  Control& control_;
  std::map<std::uint64_t, Value> values_;
  std::map<std::uint64_t, Request> requests_;
  std::vector<Parked> parked_;
  std::set<std::uint64_t> peers_;  // with a session
  bool timing_ = false;
  std::uint64_t nextRequest_ = 1;
};

}  // namespace sluice::executor
