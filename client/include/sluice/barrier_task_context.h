// Tasks that work together: the stage of rdd.barrier().mapPartitions(f) is a barrier stage. All its tasks run at the same time or none does, they
// can wait for each other and exchange texts, and if one fails all are tried again.
//
//   #include <sluice/barrier_task_context.h>
//   auto samples = context.parallelize(std::vector<double>{0.5, -1, 2}, 2);
//   auto positive = samples.barrier().mapPartitions([](auto& mine) {
//     auto task = sluice::BarrierTaskContext::get();
//     long count = 0, all = 0;
//     for (double x : mine) count += x > 0;
//     for (const auto& text : task.allGather(std::to_string(count))) all += std::stol(text);
//     task.barrier();
//     return std::vector<long>{all};
//   });
//
// Every task has to make the same calls in the same order. A stage that needs more slots than the application has, or is being given, fails at once.
// Within the stage nothing may change the partitions or take only some of them (union, coalesce, first, take …), nor may two barriers meet (zip);
// what is persisted, or comes from an exchange, begins a stage of its own. What a function gives must not depend on the attempt: when the stage is
// tried again, what tasks of the earlier attempt gave to an exchange, or persisted, may be read beside what the new ones give. So it may depend on
// the records, and on what the tasks tell each other of them, but not on attemptNumber, on getTaskInfos or on the time.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {

class BarrierHost;

// A task of this barrier stage.
struct BarrierTaskInfo {
  std::string address;  // of its executor: the host, or host:port where it listens to others
  friend bool operator==(const BarrierTaskInfo&, const BarrierTaskInfo&) = default;
};

// Used by the task's own thread, while the task runs.
class SLUICE_EXPORT BarrierTaskContext {
 public:
  // Throws Error(kIllegalState) outside tasks of barrier stages.
  static BarrierTaskContext get();

  // Waits until all tasks of the stage have come here, for sluice.barrier.sync.timeout at most. Ends by an exception, which the function should let
  // pass, if the stage is tried again, or a task ended without this call.
  void barrier() const;
  // Likewise; what each of the tasks gave, by partition.
  std::vector<std::string> allGather(std::string_view message) const;
  // Of all tasks, by partition.
  std::vector<BarrierTaskInfo> getTaskInfos() const;

  // As TaskContext's.
  TaskContext& task() const { return *task_; }
  int partitionId() const { return task_->partitionId(); }
  int attemptNumber() const { return task_->attemptNumber(); }
  int stageId() const { return task_->stageId(); }
  int numPartitions() const { return task_->numPartitions(); }
  std::int64_t taskAttemptId() const { return task_->taskAttemptId(); }
  bool isInterrupted() const { return task_->isInterrupted(); }

 private:
  BarrierTaskContext(TaskContext& task, BarrierHost& host) : task_(&task), host_(&host) {}
  TaskContext* task_;
  BarrierHost* host_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
