#include "client/job_board.h"

#include <algorithm>

namespace sluice {

JobBoard::Job* JobBoard::find(std::uint64_t number) {
  if (jobs_.empty() || number < jobs_.front().number || number > jobs_.back().number) return nullptr;
  return &jobs_[number - jobs_.front().number];
}

void JobBoard::began(std::uint64_t number, const LocalProperties::Ref& properties) {
  std::lock_guard lock(mutex_);
  jobs_.push_back({number, properties, {}, End::kNotYet});
  if (jobs_.size() > kJobs) jobs_.pop_front();
}

void JobBoard::ended(std::uint64_t number, bool well, const google::protobuf::RepeatedField<std::uint32_t>& stages) {
  std::lock_guard lock(mutex_);
  Job* job = find(number);
  if (!job) return;
  job->end = well ? End::kWell : End::kFailed;
  if (!stages.empty()) job->stages.assign(stages.begin(), stages.end());
}

void JobBoard::take(const proto::Progress& progress, std::int64_t nowMs) {
  std::lock_guard lock(mutex_);
  told_ = true, toldMs_ = nowMs;
  running_.clear();
  for (const auto& told : progress.jobs()) {
    if (Job* job = told.number() != 0 ? find(told.number()) : nullptr; job && job->stages.empty()) {
      for (const auto& stage : told.stages()) job->stages.push_back(stage.id());
    }
    for (const auto& stage : told.stages()) {
      stages_[stage.id()] = stage;
      if (!told.ended()) running_[stage.id()] = stage;
    }
  }
  while (stages_.size() > kStages) stages_.erase(stages_.begin());
  executors_.assign(progress.executors().begin(), progress.executors().end());
}

bool JobBoard::told() const {
  std::lock_guard lock(mutex_);
  return told_;
}

std::vector<std::int64_t> JobBoard::ofGroup(const std::string_view* group) const {
  std::lock_guard lock(mutex_);
  std::vector<std::int64_t> found;
  for (const Job& job : jobs_) {
    bool grouped = job.properties && job.properties->contains(LocalProperties::kGroup);
    if (group ? grouped && propertyOf(job.properties, LocalProperties::kGroup) == *group : !grouped) found.push_back(std::int64_t(job.number));
  }
  return found;
}

std::vector<std::int64_t> JobBoard::active() const {
  std::lock_guard lock(mutex_);
  std::vector<std::int64_t> found;
  for (const Job& job : jobs_) {
    if (job.end == End::kNotYet) found.push_back(std::int64_t(job.number));
  }
  return found;
}

std::optional<JobBoard::Job> JobBoard::job(std::int64_t number) const {
  std::lock_guard lock(mutex_);
  Job* found = number > 0 ? const_cast<JobBoard*>(this)->find(std::uint64_t(number)) : nullptr;
  return found ? std::optional(*found) : std::nullopt;
}

std::optional<proto::Progress::Stage> JobBoard::stage(std::uint32_t id) const {
  std::lock_guard lock(mutex_);
  auto found = stages_.find(id);
  return found == stages_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<proto::Progress::Stage> JobBoard::activeStages(std::int64_t nowMs, std::int64_t atLeastMs) const {
  std::lock_guard lock(mutex_);
  std::vector<proto::Progress::Stage> active;
  for (const auto& [id, stage] : running_) {
    if (stage.age_ms() + nowMs - toldMs_ < atLeastMs) continue;
    if (stage.done() < stage.tasks() && (stage.running() > 0 || stage.done() > 0)) active.push_back(stage);
  }
  return active;
}

std::vector<proto::Progress::Executor> JobBoard::executors() const {
  std::lock_guard lock(mutex_);
  return executors_;
}

}  // namespace sluice
