// A whole cluster inside the driver's process: the master's machine and one or more executors' machines on one strand, with links that
// pass envelopes by pointer. One executor is local[N]; several are the in-process cluster of tests. No ports, no processes.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/local/slot_pool.h"
#include "client/local/time_source.h"
#include "common/conf.h"
#include "common/link.h"
#include "common/strand.h"
#include "master/machine.h"
#include "worker/executor/code.h"
#include "worker/executor/machine.h"
#include "worker/executor/runtime.h"

namespace sluice::local {

struct DirectOptions {
  int executors = 1;
  int slots = 1;  // of each
  std::uint64_t memoryBytes = 0;  // of each
  ResourceMap resources;          // of each: they are hosts of their own
  std::string spillRoot;          // a folder of this process; each executor makes its own in it
  TimeSource* time = nullptr;     // outlives the cluster
  // One resolver per executor, or one for all (then this has one entry): they may load copies of the module of their own.
  std::vector<executor::CodeResolver*> code;
  Settings settings;  // of the application
};

class SLUICE_INTERNAL DirectCluster {
 public:
  explicit DirectCluster(DirectOptions options);
  ~DirectCluster();

  // The driver's end. The handler is called on the strand and must outlive the cluster or detach by driver(nullptr).
  Link& driver(LinkHandler* handler);
  // Waits until ready() (asked with the lock held); meanwhile this thread runs tasks.
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Lent lent, const std::function<bool()>& ready);
  // The executor is gone from one moment to the next, with all it held.
  void kill(int executor);
  // True when no message, task or background work is under way (timers aside): for manual clocks.
  void settle();
  std::string describe();

 private:
  class MasterEffects;
  class ExecutorEffects;
  class DriverLink;
  struct Node;

  void deliver(Peer from, Peer to, EnvelopePtr envelope);
  void deliverNow(Peer from, Peer to, const EnvelopePtr& envelope);
  Node* node(ExecutorId id);
  void background(std::function<void()> work, Work done);
  void backgroundLoop();
  void stop();
  void begin();  // something is under way …
  void end();    // … and is over

  DirectOptions options_;
  Strand strand_;
  std::unique_ptr<SlotPool> slots_;
  std::unique_ptr<MasterEffects> masterEffects_;
  std::unique_ptr<master::Machine> master_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<DriverLink> driverLink_;
  LinkHandler* driverHandler_ = nullptr;  // on the strand
  bool driverConnected_ = false;

  std::mutex backgroundMutex_;
  std::condition_variable backgroundWake_, quiet_;
  std::vector<std::pair<std::function<void()>, Work>> backgroundQueue_;
  int underWay_ = 0;
  bool stopped_ = false;
  std::thread backgroundThread_;
};

}  // namespace sluice::local
