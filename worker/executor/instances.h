// Batches and jobs that run: which of their tasks may start, which have ended, and what the master is told.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "worker/executor/broadcasts.h"
#include "worker/executor/control.h"
#include "worker/executor/meetings.h"
#include "worker/executor/ready_queue.h"
#include "worker/executor/shuffle.h"
#include "worker/executor/values.h"

namespace sluice::executor {

struct TaskKey {
  std::uint64_t plan = 0;  // template hash
  std::uint32_t stage = 0;
  std::int64_t whenMs = 0;
  std::uint32_t partition = 0;
  friend constexpr auto operator<=>(TaskKey, TaskKey) = default;
};

// A batch or job as this executor sees it, from its first Launch to its release.
struct Instance {
  proto::InstanceId id;
  std::uint32_t k = 0;
  std::uint64_t captures = 0;                  // of the last Launch,
  std::shared_ptr<const Installed> installed;  // likewise
  std::shared_ptr<const Facts> facts;
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<const proto::Launch> launch;  // the last one
  std::uint32_t running = 0;                    // tasks
  std::map<TaskKey, TaskPtr> tasks;
  std::size_t unfinished = 0;
  struct SourceAt {
    const proto::SourcePartition* source;
    std::shared_ptr<const void> hold;
  };
  std::map<ValueId, SourceAt> sources;
  std::map<ValueId, std::uint64_t> keptAt;
  std::vector<BlockId> fetchedBlocks;
  std::vector<std::string> staged;  // part files that may never be published
  std::shared_ptr<Envelope> report;                   // Prepared that is being filled
  bool timing = false;                                // its timer is armed
  std::vector<std::shared_ptr<Envelope>> told;        // to be told again in a new session
  bool over = false;                                  // goes when no task of it is left
};

class Instances {
 public:
  Instances(Control& control, Shuffle& shuffle, Values& values, Broadcasts& broadcasts, Meetings& meetings)
      : control_(control), shuffle_(shuffle), values_(values), broadcastValues_(broadcasts), meetings_(meetings), ready_(control.options.slots) {}

  void onLaunch(const EnvelopePtr& envelope, std::shared_ptr<const Installed> installed);
  // A Launch whose template is not here: all its tasks fail.
  void refuse(const proto::Launch& launch, const std::string& why);
  void onTaskDone(const TaskSpec& spec, TaskDone& done);
  void onReportTimer(Scope when);
  // killAfterMs: how long tasks of it may go on; 0: as long as they like.
  void cancel(const proto::InstanceId& id, std::uint64_t killAfterMs = 0);
  // Ends one task that runs here; the master is told that it failed, though by nobody's fault.
  void stopTask(const proto::StopTask& stop);
  void onReapTimer(Scope when);
  // A job is over.
  void release(Scope when);
  // Batches are over. What they still make may be read by later ones, and is made to its end.
  void releaseBelow(std::uint32_t stream, std::int64_t belowMs);
  // Tells the master again what it may have missed.
  void tellAgain();
  // While somebody watches, the master is told every 100 ms how many tasks of each stage run and are done, if that has changed. It begins
  // with all there is.
  void watch(bool on);
  void onCountTimer();
  // While somebody listens, the master is told of the start of each task, and of its end with the message that tells of what it made.
  void listen(bool on);

  bool released(Scope when) const;
  // Looks at tasks whose inputs came or cannot come, and starts what is ready.
  void pump();

 private:
  void addFacts(Instance& instance, const proto::Launch& launch, const EnvelopePtr& envelope);
  void moveReducers(Instance& instance, const proto::Launch& launch);
  TaskPtr enter(Instance& instance, TaskKey key, std::uint32_t attempt, bool cautious);
  bool stillThere(Instance& instance, const Task& task);
  void await(Instance& instance, const TaskPtr& task);
  bool awaitSource(Instance& instance, const TaskPtr& task, ValueId id, std::vector<ValueId>& lost);
  std::vector<const proto::Input*> sourceInputs(const Instance& instance, const Task& task, ValueId id) const;
  void start(const TaskPtr& task);
  // Nobody has to wake it any more.
  void forgetWaiting(const TaskPtr& task);
  // False: something was let go since the task became ready; which kept values.
  bool fillInputs(const Task& task, TaskSpec& spec, std::vector<ValueId>& missing) const;
  static bool broadcasts(const PlanView& view, ExchangeId exchange);
  // By which name what a map task makes is found by later jobs; without a node: it is not.
  static MapOutputId outputIdOf(const Task& task);
  void takeFound(Instance& instance, Task& task);

  void finish(Instance& instance, Task& task, TaskDone& done);
  void keepOutput(Instance& instance, Task& task, TaskDone& done, proto::Prepared& report);
  void addResult(Instance& instance, const Task& task, TaskDone& done, Envelope& envelope, proto::Prepared& report);
  // `asked`: the executor that should have had what is missing; 0: this one.
  void fail(Instance& instance, Task& task, proto::Domain domain, std::string message, std::string site, const std::vector<ValueId>& missing,
            std::uint64_t asked = 0, const TaskMetrics* metrics = nullptr);
  void ended(Instance& instance, Task& task);
  void left(const TaskSpec& spec);
  void tellCounts();
  proto::TasksStarted& startsOf(const Instance& instance, std::uint32_t k);
  void noteStart(const Instance& instance, Task& task);
  void tellLast(Instance& instance);
  void tellStarts();
  void addRecord(const Task& task, const TaskMetrics& metrics, proto::TaskRecord& record) const;
  Envelope& reportOf(Instance& instance, std::uint32_t k);
  void sendReport(Instance& instance);
  void dropTask(Task& task, const TaskPtr& held);

  Control& control_;
  Shuffle& shuffle_;
  Values& values_;
  Broadcasts& broadcastValues_;
  Meetings& meetings_;
  std::map<Scope, std::unique_ptr<Instance>> instances_;
  ReadyQueue ready_;
  std::uint32_t running_ = 0;
  struct Leaving {
    std::shared_ptr<const std::atomic<bool>> token;  // of the cancelled tasks that still run
    std::uint32_t running = 0;
    std::uint64_t killAfterMs = 0;
  };
  std::map<Scope, Leaving> leaving_;
  bool watched_ = false, listens_ = false;
  std::vector<std::shared_ptr<Envelope>> starts_;  // TasksStarted that are being filled
  // Running and done, as told last: by instance, template, stage and time.
  std::map<std::tuple<Scope, std::uint64_t, std::uint32_t, std::int64_t>, std::pair<std::uint32_t, std::uint32_t>> counted_;
  std::int64_t storedTold_ = -1;
  void forget(Instance& instance);
  void dropOver();

  std::set<Scope> released_;  // jobs, of late
  bool someAreOver_ = false;
};

}  // namespace sluice::executor
