// What the parts of the executor's machine share. Used on the machine's strand alone.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "worker/executor/lanes.h"
#include "worker/executor/machine.h"
#include "worker/executor/runtime.h"

namespace sluice::executor {

struct Instance;

// The time of the batch or job (minus its number) that asked for something: when it is over, what it asked for may go.
using Scope = std::int64_t;

// A task that this executor was told to run.
struct Task {
  enum class Status : std::uint8_t { kWaiting, kReady, kRunning, kDone, kFailed, kDropped };
  Instance* instance = nullptr;  // null once dropped
  Scope scope = 0;
  std::uint32_t stage = 0, partition = 0, attempt = 0;
  std::int64_t whenMs = 0;
  Status status = Status::kWaiting;
  bool cautious = false;
  bool found = false;  // what it makes was here already
  std::uint32_t waiting = 0;  // inputs that are not here yet
  std::int64_t startedMs = 0;  // 0: not yet
  // Of the Launch that asked for it (last): a repair may bring tasks of another template into an instance.
  std::shared_ptr<const Installed> installed;
  std::uint32_t k = 0;
  std::uint64_t captures = 0;
  std::shared_ptr<const proto::Launch> launch;
  std::shared_ptr<const TaskSpec> spec;  // while it runs
  const PlanView& view() const { return installed->plan->view; }
  TaskReads reads;
};
using TaskPtr = std::shared_ptr<Task>;

enum TimerKind : std::uint32_t { kReportTimer = 1, kReceiverTimer, kRestartTimer, kFetchTimer, kReapTimer, kCountTimer, kIdleTimer, kBroadcastTimer };

struct Control {
  const Options options;
  Effects& effects;
  Runtime& runtime;
  Moment now;
  std::uint64_t highestTerm = 0, highestDurable = 0;  // heard from any peer
  std::string cluster;

  // Tasks whose last missing input came, or cannot come; the machine looks at them when the event has been handled.
  std::vector<TaskPtr> woken;
  struct Lost {
    TaskPtr task;
    ValueId id;
    std::uint64_t asked = 0;  // the executor that should have had it
  };
  std::vector<Lost> lost;

  Lanes lanes{*this};

  Store& store() { return runtime.store(); }
  void send(Peer to, std::shared_ptr<Envelope> envelope) {
    envelope->message.set_term(highestTerm);
    envelope->message.set_durable(highestDurable);
    if (!cluster.empty()) envelope->message.set_cluster(cluster);
    effects.send(to, std::move(envelope));
  }
  void log(const std::string& line) { effects.log(line); }
  // On the disk's thread, then on the strand as an event of the machine.
  void background(std::function<void()> work, std::function<void()> done) {
    effects.background(std::move(work), [this, done = std::move(done)](Moment at) {
      now = at;
      done();
      afterEvent();
    });
  }
  std::function<void()> afterEvent;  // what every event ends with
  void arrived(const TaskPtr& task) {
    if (task->waiting > 0 && --task->waiting == 0) woken.push_back(task);
  }
};

}  // namespace sluice::executor
