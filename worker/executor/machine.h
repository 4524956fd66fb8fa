// An executor's control: which tasks may start, what to push to whom, blocks and their copies, versions, staging. Pure: see
// common/machine.h. The data plane beside it (Runtime: store, shuffle, task body) runs on slot threads.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/machine.h"
#include "common/plan_view.h"
#include "common/resource_settings.h"
#include "worker/executor/installed.h"
#include "worker/executor/store.h"

namespace sluice::executor {

class Runtime;  // worker/executor/runtime.h
class Gate;     // worker/executor/gate.h

// What a task reads from outside its pipeline, all of it present when the task becomes ready.
struct TaskInputs {
  struct Shuffle {
    ExchangeId exchange;
    std::int64_t whenMs;  // of the consumer's value
    std::uint32_t reducer;
    std::vector<RowsPtr> maps;  // by map partition
  };
  struct Kept {
    ValueId id;
    RowsPtr rows;
  };
  struct Part {
    const proto::Input* input;
    RowsPtr block;  // of a BlockRef
  };
  struct Source {
    ValueId id;
    std::vector<Part> parts;
  };
  std::vector<Shuffle> shuffles;
  std::vector<Kept> kept;
  std::vector<Source> sources;
  std::vector<std::pair<std::uint64_t, Bytes>> broadcasts;  // named by the captures
  std::vector<std::shared_ptr<const void>> hold;  // messages that `parts` point into
};

// Everything a slot needs to run one task; made by the machine.
struct TaskSpec {
  proto::InstanceId instance;
  std::uint32_t k = 0;
  std::uint32_t stage = 0, partition = 0, attempt = 0;
  std::int64_t whenMs = 0;       // of what it makes: the reader's time of an exchange, the value's, the instance's
  std::uint64_t captures = 0;    // version
  std::uint64_t inputBytes = 0;  // known estimate: for waking helpers
  bool cautious = false;
  bool measured = false;  // somebody listens
  std::shared_ptr<const Installed> template_;  // plan, captures, epoch
  std::shared_ptr<const Facts> facts;
  std::shared_ptr<const std::atomic<bool>> cancelled;
  mutable std::atomic<bool> stopped{false};  // this task alone
  std::shared_ptr<Gate> gate;                // of a barrier stage's task
  std::shared_ptr<const proto::Launch> launch;  // the last one of its instance
  TaskInputs inputs;
};

struct TaskDone;  // what came of it; worker/executor/runtime.h

class Effects : public sluice::Effects {
 public:
  // Runs the task on a slot, then onTaskDone. The shell starts them in this order.
  virtual void run(std::shared_ptr<const TaskSpec> task) = 0;
  // By a task's thread, which is about to wait for other tasks: its slot stays taken, but whatever else that thread does is for others.
  virtual void aboutToWait() {}
  // Runs `work` on the thread for disk syncs and sends, then `done` on the machine's strand (publish, checkpoint files, fetches).
  virtual void background(std::function<void()> work, std::function<void(Moment)> done) = 0;
  // Starts a receiver or planner on a thread of its own; its sink calls post back through the shell.
  virtual void startThread(std::function<void()> body) = 0;
  // From any thread: runs the event on the machine's strand (a receiver has stored a block …).
  virtual void post(std::function<void(Moment)> event) = 0;
  // A task will not stop: the process has to end, and somebody else to take over what it does. One line says why.
  virtual void giveUp(const std::string& why) = 0;
  // Opens a session with a peer of the application (onSession tells); asked once for each pair, by the higher id.
  virtual void connect(Peer to, const std::string& address) = 0;
};

struct Options {
  AppId app;
  ExecutorId executor;
  std::uint32_t slots = 1;
  std::uint64_t memoryBytes = 512ull << 20;
  std::string host = "localhost";
  std::string address;  // where other executors reach it
  std::string spillDirectory;  // made by the shell, removed by it
  Duration blockInterval = Milliseconds(200);         // sluice.streaming.blockInterval
  ResourceMap resources;  // GPUs and the like
  double receiverMaxRate = 0;                          // sluice.streaming.receiver.maxRate; 0: no limit
  bool tasksWait = true;  // for each other; false where all run on one thread
  Duration receiverRestartDelay = Milliseconds(2000);  // sluice.streaming.receiverRestartDelay
};

class SLUICE_INTERNAL Machine : public sluice::Machine {
 public:
  Machine(Options options, Effects& effects, Runtime& runtime);
  ~Machine() override;

  void start(Moment now);  // reports to the master once there is a session
  void onMessage(Peer from, const EnvelopePtr& envelope, Moment now) override;
  void onSession(Peer with, bool up, Moment now) override;
  void onTimer(TimerName timer, Moment now) override;
  void onTaskDone(std::shared_ptr<const TaskSpec> task, TaskDone done, Moment now);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::executor
