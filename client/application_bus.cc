#include "client/application_bus.h"

#include <set>
#include <utility>

namespace sluice {
inline namespace SLUICE_ABI {
SluiceListener::~SluiceListener() = default;
}
namespace {

StageInfo stageOf(const proto::AppEvent::Stage& stage) {
  StageInfo info;
  info.stageId = int(stage.id()), info.currentAttemptId = int(stage.attempt()), info.name = stage.name(), info.numTasks = int(stage.tasks());
  info.submissionTime = stage.submitted_ms();
  if (stage.completed_ms() != 0) info.completionTime = stage.completed_ms();
  if (!stage.failure().empty()) info.failureReason = stage.failure();
  return info;
}

TaskInfo taskOf(const proto::AppEvent::Task& task) {
  TaskInfo info;
  info.taskId = std::int64_t(task.id()), info.index = int(task.partition()), info.attemptNumber = int(task.attempt()) - 1;
  info.launchTime = task.launched_ms(), info.finishTime = task.finished_ms();
  info.executorId = std::to_string(task.executor()), info.host = task.host();
  info.killed = task.end() == proto::AppEvent::KILLED, info.failed = task.end() != proto::AppEvent::WELL && !info.killed;
  return info;
}

TaskEndReason reasonOf(proto::AppEvent::TaskEnd end) {
  switch (end) {
    case proto::AppEvent::WELL: return TaskEndReason::Success;
    case proto::AppEvent::INPUT_LOST: return TaskEndReason::FetchFailed;
    case proto::AppEvent::KILLED: return TaskEndReason::TaskKilled;
    case proto::AppEvent::EXECUTOR_LOST: return TaskEndReason::ExecutorLostFailure;
    default: return TaskEndReason::ExceptionFailure;
  }
}

TaskMetrics metricsOf(const proto::TaskMetrics& told) {
  TaskMetrics metrics;
  metrics.executorRunTime = std::int64_t(told.run_us() / 1000), metrics.resultSize = std::int64_t(told.result_bytes());
  metrics.memoryBytesSpilled = std::int64_t(told.memory_spilled()), metrics.diskBytesSpilled = std::int64_t(told.disk_spilled());
  metrics.peakExecutionMemory = std::int64_t(told.peak_memory());
  metrics.inputMetrics = {std::int64_t(told.input_bytes()), std::int64_t(told.input_records())};
  metrics.outputMetrics = {std::int64_t(told.output_bytes()), std::int64_t(told.output_records())};
  metrics.shuffleReadMetrics = {std::int64_t(told.shuffle_read_bytes()), std::int64_t(told.shuffle_read_records())};
  metrics.shuffleWriteMetrics = {std::int64_t(told.shuffle_written_bytes()), std::int64_t(told.shuffle_written_records())};
  return metrics;
}

SluiceListenerJobStart startOf(const proto::AppEvent& event) {
  const auto& job = event.job();
  SluiceListenerJobStart start;
  start.jobId = std::int64_t(job.number()), start.time = event.at_ms(), start.description = job.description();
  if (job.batch_ms() != 0) start.batchTime = Time(job.batch_ms());
  for (const auto& stage : job.stages()) start.stageInfos.push_back(stageOf(stage));
  for (const auto& property : job.properties()) start.properties.emplace(property.key(), property.value());
  return start;
}

SluiceListenerJobEnd endOf(std::int64_t atMs, std::uint64_t number, std::int64_t batchMs, const std::string& failure) {
  SluiceListenerJobEnd end;
  end.jobId = std::int64_t(number), end.time = atMs, end.error = failure;
  if (batchMs != 0) end.batchTime = Time(batchMs);
  end.jobResult = failure.empty() ? JobResult::JobSucceeded : JobResult::JobFailed;
  return end;
}

}  // namespace

template <class Event> void ApplicationBus::post(void (SluiceListener::*method)(const Event&), Event event, const SluiceListener* only) {
  queue_.post([method, event = std::move(event)](void* listener) { (static_cast<SluiceListener*>(listener)->*method)(event); }, only);
}

bool ApplicationBus::add(std::shared_ptr<SluiceListener> listener, const SluiceListenerApplicationStart& start) {
  std::lock_guard lock(mutex_);
  const SluiceListener* told = listener.get();
  if (!queue_.add(std::move(listener))) return false;
  post(&SluiceListener::onApplicationStart, start, told);
  for (const auto& [id, executor] : executors_) post(&SluiceListener::onExecutorAdded, executor, told);
  return true;
}

void ApplicationBus::forget() {
  std::lock_guard lock(mutex_);
  executors_.clear(), jobs_.clear();
  begun_ = false;
}

void ApplicationBus::take(const proto::AppEvents& events) {
  std::lock_guard lock(mutex_);
  if (events.first()) begin(events);
  if (!begun_) return;
  for (const auto& event : events.events()) take(event);
}

// Executors that it does not name went while nobody was there to tell of it.
void ApplicationBus::begin(const proto::AppEvents& events) {
  begun_ = true;
  std::set<std::uint64_t> there;
  for (const auto& event : events.events()) there.insert(event.executor().executor()), lastMs_ = event.at_ms();
  for (auto it = executors_.begin(); it != executors_.end();) {
    auto executor = it++;
    if (there.contains(executor->first)) continue;
    post(&SluiceListener::onExecutorRemoved, SluiceListenerExecutorRemoved{lastMs_, executor->second.executorId, "it went while the master could not be heard"});
    executors_.erase(executor);
  }
  for (auto it = jobs_.begin(); it != jobs_.end();) {
    auto job = it++;
    job->second.torn = true;
    if (job->second.answered) endJob(job, std::string(job->second.failure));
  }
}

void ApplicationBus::take(const proto::AppEvent& event) {
  lastMs_ = event.at_ms();
  const auto& stage = event.stage();
  switch (event.kind()) {
    case proto::AppEvent::EXECUTOR_ADDED: {
      const auto& executor = event.executor();
      SluiceListenerExecutorAdded added{event.at_ms(), std::to_string(executor.executor()), executor.host(), int(executor.slots())};
      if (executors_.emplace(executor.executor(), added).second) post(&SluiceListener::onExecutorAdded, std::move(added));
      return;
    }
    case proto::AppEvent::EXECUTOR_REMOVED:
      executors_.erase(event.executor().executor());
      return post(&SluiceListener::onExecutorRemoved, SluiceListenerExecutorRemoved{event.at_ms(), std::to_string(event.executor().executor()), event.executor().why()});
    case proto::AppEvent::JOB_STARTED: {
      auto [job, isNew] = jobs_.try_emplace({event.job().number(), event.job().batch_ms()});
      job->second.torn = false;  // a new master runs it again, and tells of it
      return isNew ? post(&SluiceListener::onJobStart, startOf(event)) : void();
    }
    case proto::AppEvent::JOB_ENDED: {
      auto job = jobs_.find({event.job().number(), event.job().batch_ms()});
      return job != jobs_.end() ? endJob(job, event.job().failure()) : void();
    }
    case proto::AppEvent::STAGE_SUBMITTED: return post(&SluiceListener::onStageSubmitted, SluiceListenerStageSubmitted{stageOf(stage)});
    case proto::AppEvent::STAGE_COMPLETED: return post(&SluiceListener::onStageCompleted, SluiceListenerStageCompleted{stageOf(stage)});
    case proto::AppEvent::TASK_STARTED:
      return post(&SluiceListener::onTaskStart, SluiceListenerTaskStart{int(stage.id()), int(stage.attempt()), taskOf(event.task())});
    case proto::AppEvent::TASK_ENDED:
      return post(&SluiceListener::onTaskEnd, SluiceListenerTaskEnd{int(stage.id()), int(stage.attempt()), reasonOf(event.task().end()),
                                                                    event.task().why(), taskOf(event.task()), metricsOf(event.task().metrics())});
    default: return;  // of a newer master
  }
}

void ApplicationBus::unpersisted(std::uint32_t rdd) {
  if (!queue_.empty()) post(&SluiceListener::onUnpersistRDD, SluiceListenerUnpersistRDD{int(rdd)});
}

void ApplicationBus::answered(std::uint64_t job, const std::string& failure) {
  std::lock_guard lock(mutex_);
  if (auto it = jobs_.find({job, 0}); it != jobs_.end()) answered(it, failure);
}

void ApplicationBus::batchDone(std::int64_t whenMs, const std::string& error) {
  std::lock_guard lock(mutex_);
  for (auto it = jobs_.lower_bound({0, 0}); it != jobs_.end() && it->first.first == 0 && it->first.second <= whenMs;) {
    auto batch = it++;
    answered(batch, batch->first.second == whenMs ? error : std::string(batch->second.failure));
  }
}

void ApplicationBus::answered(std::map<JobKey, Job>::iterator job, const std::string& failure) {
  job->second.answered = true, job->second.failure = failure;
  if (job->second.torn) endJob(job, failure);
}

void ApplicationBus::endJob(std::map<JobKey, Job>::iterator job, const std::string& failure) {
  auto end = endOf(lastMs_, job->first.first, job->first.second, failure);
  jobs_.erase(job);
  post(&SluiceListener::onJobEnd, std::move(end));
}

void ApplicationBus::end(std::int64_t timeMs) {
  std::lock_guard lock(mutex_);
  while (!jobs_.empty()) {  // the master is not there any more
    const Job& job = jobs_.begin()->second;
    endJob(jobs_.begin(), job.answered ? std::string(job.failure) : "the application ended");
  }
  post(&SluiceListener::onApplicationEnd, SluiceListenerApplicationEnd{timeMs});
}

}  // namespace sluice
