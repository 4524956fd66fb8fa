// What happens to an application, for those who want to know: Context::addListener (Spark's addSparkListener). Times are milliseconds since
// 1970 by the master's clock. What happens to streams is told to StreamingListeners (sluice/streaming_listener.h); each batch is a job here.
//
//   #include <sluice/listener.h>
//   struct Durations : sluice::SluiceListener {
//     void onStageCompleted(const sluice::SluiceListenerStageCompleted& e) override {
//       std::fprintf(stderr, "%s: %lld ms\n", e.stageInfo.name.c_str(), (long long)(*e.stageInfo.completionTime - e.stageInfo.submissionTime));
//     }
//   };
// and context.addListener(std::make_shared<Durations>()).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/detail/graph.h"
#include "sluice/stage_info.h"
#include "sluice/task_metrics.h"
#include "sluice/time.h"

namespace sluice {
inline namespace SLUICE_ABI {

// One try of a task.
struct TaskInfo {
  std::int64_t taskId = 0;  // TaskContext::taskAttemptId()
  int index = 0;            // partition
  int attemptNumber = 0;    // 0: the first try
  std::int64_t launchTime = 0;
  std::int64_t finishTime = 0;  // 0: it runs
  std::string executorId, host;
  bool failed = false, killed = false;
  bool finished() const { return finishTime != 0; }
  bool successful() const { return finished() && !failed && !killed; }
  std::int64_t duration() const { return finishTime - launchTime; }  // once it is finished
};

enum class TaskEndReason : std::uint8_t {
  Success,
  ExceptionFailure,     // its function threw, or it failed by itself
  FetchFailed,          // what it should read was gone; that is made again
  TaskKilled,           // somebody asked for it, or nobody needed it any more
  ExecutorLostFailure,  // its executor ended
};

enum class JobResult : std::uint8_t { JobSucceeded, JobFailed };

struct SluiceListenerApplicationStart {
  std::string appName, appId;
  std::int64_t time = 0;
};
struct SluiceListenerApplicationEnd {
  std::int64_t time = 0;
};
struct SluiceListenerJobStart {
  std::int64_t jobId = 0;  // 0: a batch
  std::int64_t time = 0;
  std::optional<Time> batchTime;      // of a batch
  std::string description;            // "count at main.cc:12"
  std::vector<StageInfo> stageInfos;  // of its whole plan; those whose results are there already are not submitted
  std::map<std::string, std::string> properties;  // Context::setLocalProperty of the thread that began it
  std::vector<int> stageIds() const {
    std::vector<int> ids;
    for (const auto& stage : stageInfos) ids.push_back(stage.stageId);
    return ids;
  }
};
struct SluiceListenerJobEnd {
  std::int64_t jobId = 0;
  std::int64_t time = 0;
  std::optional<Time> batchTime;
  JobResult jobResult = JobResult::JobSucceeded;
  std::string error;  // JobFailed: why
};
// The stages of a job are submitted together, since tasks wait for what they read where they run.
struct SluiceListenerStageSubmitted {
  StageInfo stageInfo;
};
struct SluiceListenerStageCompleted {
  StageInfo stageInfo;
};
struct SluiceListenerTaskStart {
  int stageId = 0, stageAttemptId = 0;
  TaskInfo taskInfo;
};
struct SluiceListenerTaskEnd {
  int stageId = 0, stageAttemptId = 0;
  TaskEndReason reason = TaskEndReason::Success;
  std::string error;  // what happened, if it did not end well
  TaskInfo taskInfo;
  TaskMetrics taskMetrics;  // all zero of a task of whose end its executor did not tell
};
struct SluiceListenerExecutorAdded {
  std::int64_t time = 0;
  std::string executorId, executorHost;
  int totalCores = 0;
};
struct SluiceListenerExecutorRemoved {
  std::int64_t time = 0;
  std::string executorId;
  std::string reason;
};
struct SluiceListenerUnpersistRDD {
  int rddId = 0;
};

// Called on one thread of the driver, one event after the other, in the order in which things happened; none is dropped, however slow a
// listener is, which delays the others but no job. A listener hears first of the application's start and of the executors that there are.
// What happens while the driver and the master have no connection is not told, but for the ends of jobs. A listener that throws is logged,
// and told of the next event all the same.
class SLUICE_EXPORT SluiceListener {
 public:
  virtual ~SluiceListener();
  virtual void onApplicationStart(const SluiceListenerApplicationStart&) {}
  virtual void onApplicationEnd(const SluiceListenerApplicationEnd&) {}
  virtual void onJobStart(const SluiceListenerJobStart&) {}
  virtual void onJobEnd(const SluiceListenerJobEnd&) {}
  virtual void onStageSubmitted(const SluiceListenerStageSubmitted&) {}
  virtual void onStageCompleted(const SluiceListenerStageCompleted&) {}
  virtual void onTaskStart(const SluiceListenerTaskStart&) {}
  virtual void onTaskEnd(const SluiceListenerTaskEnd&) {}
  virtual void onExecutorAdded(const SluiceListenerExecutorAdded&) {}
  virtual void onExecutorRemoved(const SluiceListenerExecutorRemoved&) {}
  virtual void onUnpersistRDD(const SluiceListenerUnpersistRDD&) {}
};

namespace detail {

SLUICE_EXPORT void listenTo(ContextCore& context, std::shared_ptr<SluiceListener> listener);
SLUICE_EXPORT void stopListening(ContextCore& context, const std::shared_ptr<SluiceListener>& listener);

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
