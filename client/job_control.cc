#include "sluice/job_control.h"

#include <algorithm>

#include "client/context_core.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

void set(ContextCore& context, const char* key, std::optional<std::string_view> value) { LocalProperties::set(context.serial(), key, value); }

void checkTag(std::string_view tag) {
  if (tag.empty()) throwError(ErrorKind::kInvalidArgument, "a job tag cannot be empty");
  if (tag.find(',') != std::string_view::npos) {
    throwError(ErrorKind::kInvalidArgument, "the job tag '" + std::string(tag) + "' holds a comma; add several tags one by one");
  }
}

std::string by(std::string what, std::string_view reason, CallSite site) {
  what += " at " + siteText(site);
  return reason.empty() ? what : what + ": " + std::string(reason);
}

}  // namespace

void setJobGroup(ContextCore& context, std::string_view id, std::string_view description, bool interruptOnCancel) {
  set(context, LocalProperties::kGroup, id);
  set(context, LocalProperties::kDescription, description);
  set(context, LocalProperties::kInterrupt, interruptOnCancel ? "true" : "false");
}

void clearJobGroup(ContextCore& context) {
  for (const char* key : {LocalProperties::kGroup, LocalProperties::kDescription, LocalProperties::kInterrupt}) set(context, key, std::nullopt);
}

void setJobDescription(ContextCore& context, const std::string_view* description) {
  set(context, LocalProperties::kDescription, description ? std::optional(*description) : std::nullopt);
}

void setLocalProperty(ContextCore& context, std::string_view key, const std::string_view* value) {
  if (key.empty()) throwError(ErrorKind::kInvalidArgument, "setLocalProperty: the key is empty");
  LocalProperties::set(context.serial(), key, value ? std::optional(*value) : std::nullopt);
}

std::optional<std::string> getLocalProperty(ContextCore& context, std::string_view key) { return LocalProperties::get(context.serial(), key); }

std::vector<std::string> getJobTags(ContextCore& context) {
  std::vector<std::string> tags;
  std::string all = LocalProperties::get(context.serial(), LocalProperties::kTags).value_or("");
  for (std::string_view rest = all; !rest.empty();) {
    auto comma = rest.find(',');
    tags.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return tags;
}

namespace {

void setTags(ContextCore& context, const std::vector<std::string>& tags) {
  std::string all;
  for (const auto& tag : tags) all += (all.empty() ? "" : ",") + tag;
  set(context, LocalProperties::kTags, all.empty() ? std::nullopt : std::optional<std::string_view>(all));
}

}  // namespace

void addJobTag(ContextCore& context, std::string_view tag) {
  checkTag(tag);
  auto tags = getJobTags(context);
  if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.emplace_back(tag);
  setTags(context, tags);
}

void removeJobTag(ContextCore& context, std::string_view tag) {
  checkTag(tag);
  auto tags = getJobTags(context);
  std::erase(tags, tag);
  setTags(context, tags);
}

void cancelJob(ContextCore& context, std::int64_t job, std::string_view reason, CallSite site) {
  context.checkActive();
  context.driver().cancelJobs([&](std::uint64_t number, const Driver::Job&) { return std::int64_t(number) == job; }, by("cancelJob", reason, site));
}

void cancelJobs(ContextCore& context, Cancelled which, std::string_view name, std::string_view reason, CallSite site) {
  context.checkActive();
  std::string quoted = "(\"" + std::string(name) + "\")";
  switch (which) {
    case Cancelled::kGroup:
      return context.driver().cancelJobs(
          [&](std::uint64_t, const Driver::Job& job) {
            return job.properties && job.properties->contains(LocalProperties::kGroup) && propertyOf(job.properties, LocalProperties::kGroup) == name;
          },
          by("cancelJobGroup" + quoted, reason, site));
    case Cancelled::kTag:
      checkTag(name);
      return context.driver().cancelJobs([&](std::uint64_t, const Driver::Job& job) { return hasTag(job.properties, name); },
                                         by("cancelJobsWithTag" + quoted, reason, site));
    case Cancelled::kAll: return context.driver().cancelJobs([](std::uint64_t, const Driver::Job&) { return true; }, by("cancelAllJobs", reason, site));
  }
}

void cancelStage(ContextCore& context, int stage, std::string_view reason, CallSite site) {
  context.checkActive();
  if (stage >= 0) context.driver().cancelStage(std::uint32_t(stage), by("cancelStage", reason, site));
}

bool killTaskAttempt(ContextCore& context, std::int64_t task, std::string_view reason, CallSite site) {
  context.checkActive();
  return task >= 0 && context.driver().killTask(std::uint64_t(task), by("killTaskAttempt", reason, site));
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
