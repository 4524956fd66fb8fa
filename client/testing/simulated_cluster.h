// A cluster in virtual time: the master's machine, executors' machines and their data planes, and a network with faults, all stepped by
// the thread that waits. Everything random comes from one seed, so a run can be repeated to the letter.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "common/conf.h"
#include "common/link.h"
#include "master/machine.h"
#include "worker/executor/code.h"
#include "worker/executor/machine.h"
#include "worker/executor/runtime.h"

namespace sluice::testing {

struct SimulatedOptions {
  int executors = 3;
  int slots = 2;
  std::uint64_t memoryBytes = 256ull << 20;
  std::uint64_t seed = 1;
  Moment start{1'000'000'000'000'000};
  std::string spillRoot;
  executor::CodeResolver* code = nullptr;
  Settings settings;  // of the application
  // Faults, in virtual time. Sessions between the master and executors, and among executors, break at random moments with this mean
  // distance: what is under way is lost, both ends are told at moments of their own, and later they meet again. 0: never.
  std::int64_t meanBreakUs = 0;
  std::int64_t breaksUntilUs = 10'000'000;  // after start; then the network is quiet, and all that is waited for must come
  // Moments (after start) at which an executor is lost for good, with all it holds.
  std::vector<std::pair<std::int64_t, int>> losses;
  std::int64_t maxLatencyUs = 2'000;
  std::int64_t maxTaskUs = 5'000;
};

class SimulatedCluster {
 public:
  explicit SimulatedCluster(SimulatedOptions options);
  ~SimulatedCluster();

  Link& driver(LinkHandler* handler);
  // Steps the simulation until ready(). Throws Error(kIllegalState) when nothing is left that could make it ready, or a minute of
  // virtual time has passed: a lost wake-up or a deadlock.
  void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready);
  // Steps until the clock shows this moment.
  void runUntil(Moment at);
  Moment now() const { return now_; }
  void kill(int executor);
  // The master dies with all it had in memory and comes again from the durable part of its journal; executors and the driver live on.
  void restartMaster();
  int alive() const;
  // Hash over everything that was delivered, when and to whom: equal for equal seeds.
  std::uint64_t trace() const { return trace_; }
  std::string describe() const { return master_->describe(); }
  std::uint64_t seed() const { return options_.seed; }

 private:
  class MasterEffects;
  class ExecutorEffects;
  class DriverLink;
  struct Node;
  using Event = std::function<void()>;
  struct Session {
    bool up = false;
    std::uint64_t number = 0;               // of this session; messages of an older one are lost
    std::map<Peer, Moment> lastDelivery;  // by receiver: FIFO
  };

  void at(Moment when, Event event);
  void after(std::int64_t minUs, std::int64_t maxUs, Event event);
  std::int64_t random(std::int64_t low, std::int64_t high);
  bool step();
  void send(Peer from, Peer to, EnvelopePtr envelope);
  void receive(Peer from, Peer to, const EnvelopePtr& envelope);
  void tell(Peer whom, Peer with, bool up);
  Session& session(Peer a, Peer b) { return sessions_[a < b ? std::pair(a, b) : std::pair(b, a)]; }
  void open(Peer a, Peer b);
  void breakSession(Peer a, Peer b, bool again);
  void scheduleBreak();
  Node* node(std::uint64_t id);
  void note(std::string_view what, Peer a, Peer b);
  master::Options masterOptions() const;

  SimulatedOptions options_;
  std::mt19937_64 random_;
  Moment now_;
  std::uint64_t events_ = 0, trace_ = 0;
  std::map<std::pair<Moment, std::uint64_t>, Event> queue_;
  std::map<std::pair<Peer, Peer>, Session> sessions_;
  std::map<std::pair<Peer, TimerName>, std::uint64_t> timers_;  // armed: the number of the arming
  std::unique_ptr<MasterEffects> masterEffects_;
  std::vector<std::unique_ptr<MasterEffects>> formerEffects_;  // of masters that are gone: events in the queue may still name them
  std::unique_ptr<master::Machine> master_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<DriverLink> driverLink_;
  LinkHandler* driverHandler_ = nullptr;
  std::recursive_mutex mutex_;  // one stepper at a time; a driver function may wait inside a step
};

}  // namespace sluice::testing
