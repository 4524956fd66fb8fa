#include "sluice/status_tracker.h"

#include <cstdlib>
#include <limits>

#include "client/context_core.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

// "10.0.0.1:45123", or "unix:/path,10.0.0.1:45123".
int portOf(const std::string& address) {
  auto colon = address.rfind(':');
  return colon == std::string::npos ? 0 : std::atoi(address.c_str() + colon + 1);
}

}  // namespace

void watchJobs(ContextCore& context) {
  context.checkActive();
  context.driver().watch();
}

std::vector<std::int64_t> jobsOfGroup(ContextCore& context, const std::string_view* group) { return context.driver().board().ofGroup(group); }
std::vector<std::int64_t> activeJobs(ContextCore& context) { return context.driver().board().active(); }

std::vector<int> activeStages(ContextCore& context) {
  std::vector<int> ids;
  for (const auto& stage : context.driver().board().activeStages(0, std::numeric_limits<std::int64_t>::min())) ids.push_back(int(stage.id()));
  return ids;
}

std::optional<JobInfo> jobInfo(ContextCore& context, std::int64_t number) {
  auto job = context.driver().board().job(number);
  if (!job) return std::nullopt;
  JobInfo info;
  info.jobId = number;
  info.stageIds.assign(job->stages.begin(), job->stages.end());
  switch (job->end) {
    case JobBoard::End::kNotYet: info.status = JobExecutionStatus::RUNNING; break;
    case JobBoard::End::kWell: info.status = JobExecutionStatus::SUCCEEDED; break;
    case JobBoard::End::kFailed: info.status = JobExecutionStatus::FAILED; break;
  }
  return info;
}

std::optional<StageInfo> stageInfo(ContextCore& context, int id) {
  auto stage = id < 0 ? std::nullopt : context.driver().board().stage(std::uint32_t(id));
  if (!stage) return std::nullopt;
  StageInfo info;
  info.stageId = id, info.currentAttemptId = int(stage->attempt());
  info.submissionTime = stage->submitted_ms(), info.name = stage->name();
  info.numTasks = int(stage->tasks()), info.numActiveTasks = int(stage->running());
  info.numCompletedTasks = int(stage->done()), info.numFailedTasks = int(stage->failed());
  return info;
}

std::vector<ExecutorInfo> executorInfos(ContextCore& context) {
  std::vector<ExecutorInfo> infos;
  for (const auto& executor : context.driver().board().executors()) {
    ExecutorInfo& info = infos.emplace_back();
    info.host = executor.host(), info.port = portOf(executor.address());
    info.cacheSize = std::int64_t(executor.stored_bytes()), info.totalStorageMemory = std::int64_t(executor.memory_bytes());
    info.numRunningTasks = int(executor.running());
  }
  return infos;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
