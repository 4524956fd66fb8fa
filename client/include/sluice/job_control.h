// What a thread says of the jobs that it runs, and how jobs are ended from outside: groups, descriptions, tags, local properties,
// cancellation. Methods of Context.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

SLUICE_EXPORT void setJobGroup(ContextCore& context, std::string_view id, std::string_view description, bool interruptOnCancel);
SLUICE_EXPORT void clearJobGroup(ContextCore& context);
SLUICE_EXPORT void setJobDescription(ContextCore& context, const std::string_view* description);
SLUICE_EXPORT void setLocalProperty(ContextCore& context, std::string_view key, const std::string_view* value);
SLUICE_EXPORT std::optional<std::string> getLocalProperty(ContextCore& context, std::string_view key);
SLUICE_EXPORT void addJobTag(ContextCore& context, std::string_view tag);
SLUICE_EXPORT void removeJobTag(ContextCore& context, std::string_view tag);
SLUICE_EXPORT std::vector<std::string> getJobTags(ContextCore& context);

enum class Cancelled : std::uint8_t { kGroup, kTag, kAll };
SLUICE_EXPORT void cancelJob(ContextCore& context, std::int64_t job, std::string_view reason, CallSite site);
SLUICE_EXPORT void cancelJobs(ContextCore& context, Cancelled which, std::string_view name, std::string_view reason, CallSite site);
SLUICE_EXPORT void cancelStage(ContextCore& context, int stage, std::string_view reason, CallSite site);
SLUICE_EXPORT bool killTaskAttempt(ContextCore& context, std::int64_t task, std::string_view reason, CallSite site);

}  // namespace detail

// Self has core(). What is set here holds for the jobs that the calling thread begins afterwards, in this Context; another thread, also one
// that this thread starts, begins with nothing set (Spark's would inherit). Asynchronous actions take the values of the thread that
// called them, and a stream those of the thread that called start(), but for the group.
template <class Self> class JobControl {
 public:
  // All jobs that this thread begins belong to the group until clearJobGroup. interruptOnCancel: when they are cancelled, an executor in
  // which a task goes on regardless for longer than sluice.task.reaper.killTimeout (20 s) is replaced. Without it such a task is waited for.
  void setJobGroup(std::string_view groupId, std::string_view description, bool interruptOnCancel = false) const {
    detail::setJobGroup(context(), groupId, description, interruptOnCancel);
  }
  // Also takes back the description.
  void clearJobGroup() const { detail::clearJobGroup(context()); }
  // Shown in the place of "count at main.cc:12".
  void setJobDescription(std::string_view description) const { detail::setJobDescription(context(), &description); }
  void setJobDescription(std::nullptr_t) const { detail::setJobDescription(context(), nullptr); }

  // Anything that tasks may want to know, by TaskContext::getLocalProperty. Keys that begin with "sluice." mean something to the engine:
  // sluice.scheduler.pool, sluice.jobGroup.id, sluice.job.description. nullptr: it is not set any more.
  void setLocalProperty(std::string_view key, std::string_view value) const { detail::setLocalProperty(context(), key, &value); }
  void setLocalProperty(std::string_view key, const char* value) const {
    if (value) setLocalProperty(key, std::string_view(value));
    else setLocalProperty(key, nullptr);
  }
  void setLocalProperty(std::string_view key, std::nullptr_t) const { detail::setLocalProperty(context(), key, nullptr); }
  std::optional<std::string> getLocalProperty(std::string_view key) const { return detail::getLocalProperty(context(), key); }

  // As groups, but a job may have several. A tag is not empty and holds no comma: Error(kInvalidArgument).
  void addJobTag(std::string_view tag) const { detail::addJobTag(context(), tag); }
  void removeJobTag(std::string_view tag) const { detail::removeJobTag(context(), tag); }
  std::vector<std::string> getJobTags() const { return detail::getJobTags(context()); }
  void clearJobTags() const { setLocalProperty("sluice.job.tags", nullptr); }

  // Ends jobs that run, of any thread; those that are over, or that nobody knows, are left alone. Returns at once. The action throws
  // Error(kCancelled), which says who cancelled it and where. Tasks notice it at the next chunk of records; user code that takes long over
  // one may ask TaskContext::isInterrupted().
  void cancelJob(std::int64_t jobId, std::string_view reason = {}, CallSite at = CallSite::here()) const { detail::cancelJob(context(), jobId, reason, at); }
  void cancelJobGroup(std::string_view groupId, std::string_view reason = {}, CallSite at = CallSite::here()) const {
    detail::cancelJobs(context(), detail::Cancelled::kGroup, groupId, reason, at);
  }
  void cancelJobsWithTag(std::string_view tag, std::string_view reason = {}, CallSite at = CallSite::here()) const {
    detail::cancelJobs(context(), detail::Cancelled::kTag, tag, reason, at);
  }
  // Ends the job that needs the stage (TaskContext::stageId, StatusTracker), or the outputs of the batch that do.
  void cancelStage(int stageId, std::string_view reason = {}, CallSite at = CallSite::here()) const { detail::cancelStage(context(), stageId, reason, at); }
  // Ends one try of a task (TaskContext::taskAttemptId), which is tried again; that does not count as a failure. False: there is no such
  // task now.
  bool killTaskAttempt(std::int64_t taskId, std::string_view reason = {}, CallSite at = CallSite::here()) const {
    return detail::killTaskAttempt(context(), taskId, reason, at);
  }
  void cancelAllJobs(CallSite at = CallSite::here()) const { detail::cancelJobs(context(), detail::Cancelled::kAll, {}, {}, at); }

 private:
  detail::ContextCore& context() const { return *static_cast<const Self&>(*this).core(); }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
