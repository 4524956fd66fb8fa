// How jobs and stages get on, for monitoring and progress reports: Context::statusTracker().
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/graph.h"
#include "sluice/stage_info.h"

namespace sluice {
inline namespace SLUICE_ABI {

enum class JobExecutionStatus : std::uint8_t { RUNNING, SUCCEEDED, FAILED, UNKNOWN };

struct JobInfo {
  std::int64_t jobId = 0;
  std::vector<int> stageIds;  // all of its plan, also those whose results were there already; known once it has ended, or while it is watched
  JobExecutionStatus status = JobExecutionStatus::UNKNOWN;
};

struct ExecutorInfo {
  std::string host;
  int port = 0;  // 0: it is in this process, or listens on none
  std::int64_t cacheSize = 0;           // bytes of cached data, blocks and shuffles
  std::int64_t totalStorageMemory = 0;  // its budget, in bytes
  int numRunningTasks = 0;
};

namespace detail {
SLUICE_EXPORT void watchJobs(ContextCore& context);
SLUICE_EXPORT std::vector<std::int64_t> jobsOfGroup(ContextCore& context, const std::string_view* group);
SLUICE_EXPORT std::vector<std::int64_t> activeJobs(ContextCore& context);
SLUICE_EXPORT std::vector<int> activeStages(ContextCore& context);
SLUICE_EXPORT std::optional<JobInfo> jobInfo(ContextCore& context, std::int64_t job);
SLUICE_EXPORT std::optional<StageInfo> stageInfo(ContextCore& context, int stage);
SLUICE_EXPORT std::vector<ExecutorInfo> executorInfos(ContextCore& context);
}  // namespace detail

// From the first one on, the master tells this driver of changes, at most ten times a second; what is asked here is what it told last. Of
// stages that ended before then nothing is known; of jobs the last 1,000 are. Any thread may use it.
class StatusTracker {
 public:
  // Waits for the master's first word.
  explicit StatusTracker(detail::ContextRef context) : context_(std::move(context)) { detail::watchJobs(*context_); }

  // Jobs of the group, whether they run, have failed or are done; of no group without one.
  std::vector<std::int64_t> getJobIdsForGroup(std::string_view group) const { return detail::jobsOfGroup(*context_, &group); }
  std::vector<std::int64_t> getJobIdsForGroup() const { return detail::jobsOfGroup(*context_, nullptr); }
  std::vector<std::int64_t> getActiveJobIds() const { return detail::activeJobs(*context_); }
  // Stages of jobs and batches of which some tasks run, or have ended, and not all.
  std::vector<int> getActiveStageIds() const { return detail::activeStages(*context_); }
  std::optional<JobInfo> getJobInfo(std::int64_t jobId) const { return detail::jobInfo(*context_, jobId); }
  std::optional<StageInfo> getStageInfo(int stageId) const { return detail::stageInfo(*context_, stageId); }
  std::vector<ExecutorInfo> getExecutorInfos() const { return detail::executorInfos(*context_); }

 private:
  detail::ContextRef context_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
