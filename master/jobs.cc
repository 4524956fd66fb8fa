#include "master/jobs.h"

#include <algorithm>

#include "common/plan_check.h"
#include "master/publishing.h"
#include "master/scheduler.h"

namespace sluice::master {
namespace {

constexpr std::size_t kAnswersKept = 8;
constexpr std::size_t kReleaseTogether = 8;
constexpr std::int64_t kReleaseAfterMs = 50;
constexpr std::size_t kReleasedRemembered = 256;
constexpr std::size_t kTemplatesKept = 512;
constexpr std::size_t kHeldJobs = 32;

void answer(State& s, App& app, std::uint64_t number, std::shared_ptr<Envelope> envelope, std::uint64_t after = 0) {
  app.answers.emplace_back(number, envelope);
  if (app.answers.size() > kAnswersKept) app.answers.pop_front();
  if (app.driver) s.send(*app.driver, std::move(envelope), after);
}

void answerFailed(State& s, App& app, std::uint64_t number, proto::Domain domain, const std::string& message, const std::string& site) {
  s.measures.jobsFailed.add();
  answer(s, app, number, messageOf(&proto::Message::mutable_job_failed, [&](proto::JobFailed& failed) {
           failed.set_number(number), failed.set_domain(domain), failed.set_message(message), failed.set_site(site);
         }));
}

void release(State& s, App& app, const Instance& job) {
  if (app.released.empty()) s.effects.arm({kReleaseTimer, app.id.value, 0}, s.now + Milliseconds(kReleaseAfterMs));
  app.released.push_back(job.whenMs);
  if (app.releasedAt.size() < job.participants.size()) app.releasedAt.resize(job.participants.size());
  for (std::size_t i = 0; i < job.participants.size(); ++i) {
    if (job.participants[i]) app.releasedAt[i] = 1;
  }
  if (app.released.size() >= kReleaseTogether) flushReleased(s, app);
}

// Its files are decided: they may be published, and will be, whatever happens.
void decideFiles(State& s, App& app, const InstancePtr& job) {
  proto::JournalRecord record;
  auto& decided = *record.mutable_decided();
  decided.set_app(app.id.value), decided.set_stream(job->id.stream()), decided.set_when_ms(job->whenMs), decided.set_job(-job->whenMs);
  for (const auto& output : job->outputs) {
    auto* decision = decided.add_outputs();
    decision->set_output(output.position);
    for (std::size_t p = 0; p < output.results.size(); ++p) {
      if (output.have[p]) *decision->add_parts() = output.results[p];
    }
  }
  std::uint64_t sequence = s.commit(record);
  auto& files = app.jobFiles[job->whenMs] = publicationOf(app, *job->plan->plan, decided, job->id, sequence);
  app.decidedJobs[job->whenMs] = job;
  retire(app, *job, true);
  publish(s, app, files);
  settleJobFiles(s, app, job->whenMs);
}

void finish(State& s, App& app, const InstancePtr& job) {
  auto envelope = std::make_shared<Envelope>();
  auto* done = envelope->message.mutable_job_done();
  done->set_number(std::uint64_t(-job->whenMs));
  done->set_processing_us(s.now.us - job->started.us);
  s.measures.jobsDone.add(), s.measures.jobTime.observe(s.now.us - job->started.us);
  for (auto& output : job->outputs) {
    done->set_partitions(std::uint32_t(output.have.size()));
    for (std::size_t p = 0; p < output.results.size(); ++p) {
      if (output.have[p] && output.results[p].staged().empty()) *done->add_results() = std::move(output.results[p]);
    }
  }
  for (auto& update : job->updates) *done->add_updates() = std::move(update);
  envelope->attachments = std::move(job->attachments);
  bool held = std::any_of(done->results().begin(), done->results().end(), [](const auto& r) { return r.attachment() < 0 && r.rows() > 0; });
  answer(s, app, done->number(), std::move(envelope));
  if (!held) return release(s, app, *job);
  // The driver has them fetched and says so, or has gone on to many other jobs.
  app.held.push_back(job);
  if (app.held.size() <= kHeldJobs) return;
  release(s, app, *app.held.front());
  app.held.pop_front();
}

std::string_view propertyOf(const Instance& job, std::string_view key) {
  if (!job.properties) return {};
  for (const auto& property : *job.properties) {
    if (property.key() == key) return property.value();
  }
  return {};
}

std::uint64_t killAfterMs(const App& app, const Instance& job) {
  if (propertyOf(job, "sluice.job.interruptOnCancel") != "true") return 0;
  return std::uint64_t(app.conf.get(conf::kReaperKillTimeout).milliseconds());
}

}  // namespace

void cancelAtExecutors(State& s, App& app, const Instance& instance, std::uint64_t killAfterMs) {
  for (std::uint32_t i = 0; i < instance.participants.size(); ++i) {
    if (!instance.participants[i] || !app.isUp(i)) continue;
    s.send(app.executors[i]->peer(), messageOf(&proto::Message::mutable_cancel_instance, [&](proto::CancelInstance& cancel) {
             *cancel.mutable_instance() = instance.id;
             cancel.set_kill_after_ms(killAfterMs);
           }));
  }
}

void forgetTemplates(App& app) {
  if (app.templates.size() <= kTemplatesKept) return;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> byUse;
  for (const auto& [hash, plan] : app.templates) {
    if (plan.use_count() == 1) byUse.emplace_back(plan->usedBy, hash);
  }
  std::sort(byUse.begin(), byUse.end());
  byUse.resize(std::min(byUse.size(), app.templates.size() - kTemplatesKept / 2));
  for (const auto& [use, hash] : byUse) app.templates.erase(hash);
}

void runJob(State& s, App& app, const EnvelopePtr& envelope) {
  const auto& request = envelope->message.run_job();
  const std::uint64_t number = request.number();
  for (const auto& [answered, old] : app.answers) {
    if (answered == number && app.driver) return s.resend(*app.driver, old);
  }
  const std::int64_t whenMs = -std::int64_t(number);
  if (app.instances.contains({whenMs, request.stream()}) || app.decidedJobs.contains(whenMs)) return;
  if (!app.ready) {
    app.jobsToCome.push_back(envelope);
    return;
  }
  std::shared_ptr<Template> plan;
  if (auto found = app.templates.find(request.template_hash()); found != app.templates.end()) plan = found->second;
  std::shared_ptr<const proto::Captures> captures;
  if (request.has_captures()) captures = {envelope, &request.captures()};
  if (!plan) {
    if (!request.has_plan()) {
      if (app.driver) {
        s.send(*app.driver, messageOf(&proto::Message::mutable_need_plan, [&](proto::NeedPlan& need) { need.set_number(number); }));
      }
      return;
    }
    auto status = checkPlan(request.plan());
    if (status.ok() && request.captures().nodes_size() != request.plan().nodes_size()) status = absl::InvalidArgumentError("a plan without its captures");
    if (!status.ok()) return answerFailed(s, app, number, proto::DOMAIN_SYSTEM, std::string(status.message()), "");
    forgetTemplates(app);
    plan = templateOf(app, {envelope, &request.plan()}, captures);
  } else if (captures) {
    plan->captures = captures;
  }
  plan->usedBy = ++app.templateUses;
  auto job = std::make_shared<Instance>();
  job->whenMs = whenMs, job->job = true, job->serial = ++app.serials;
  job->id.set_app(app.id.value), job->id.set_when_ms(whenMs), job->id.set_stream(request.stream());
  job->id.set_run(std::uint32_t(s.journal.term()));
  job->plan = plan, job->captures = captures ? captures : plan->captures;
  job->facts = app.facts;
  bool readsStream = std::any_of(plan->plan->nodes().begin(), plan->plan->nodes().end(), [](const auto& n) { return n.as_of_ms() != 0; });
  if (auto stream = app.streams.find(request.stream()); readsStream && stream != app.streams.end() && stream->second->facts) {
    job->facts = stream->second->facts;
  }
  job->placement = placementOf(s, app, job->facts->defaultPartitions);
  if (request.properties_size() > 0) job->properties = {envelope, &request.properties()};
  job->started = s.now;
  prepareOutputs(s, app, *job, {request.partitions().begin(), request.partitions().end()});
  app.instances[{whenMs, request.stream()}] = job;
  advance(s, app, *job);
  settleJob(s, app, job);
}

void startJobsToCome(State& s, App& app) {
  auto jobs = std::exchange(app.jobsToCome, {});
  for (const auto& envelope : jobs) runJob(s, app, envelope);
}

void settleJob(State& s, App& app, const InstancePtr& job) {
  if (job->over) return;
  if (!job->failure.empty()) {
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_USER), failed.set_message(job->failure), failed.set_site(job->failureSite);
    return failJob(s, app, job, failed);
  }
  if (!complete(*job)) return;
  bool files = std::any_of(job->plan->plan->outputs().begin(), job->plan->plan->outputs().end(),
                           [](const auto& output) { return output.kind() == proto::OUTPUT_FILES; });
  if (files) return decideFiles(s, app, job);
  retire(app, *job, true);
  finish(s, app, job);
}

void failJob(State& s, App& app, const InstancePtr& job, const proto::Failed& failed) {
  if (job->over) return;
  cancelAtExecutors(s, app, *job, failed.domain() == proto::DOMAIN_CANCELLED ? killAfterMs(app, *job) : 0);
  retire(app, *job, false);
  answerFailed(s, app, std::uint64_t(-job->whenMs), failed.domain(), failed.message(), failed.site());
  release(s, app, *job);
  // Another job may have waited for what this one was making.
  auto others = app.instances;
  for (auto& [key, other] : others) advance(s, app, *other);
}

void cancelJob(State& s, App& app, const proto::CancelJob& cancel) {
  const std::uint64_t number = cancel.number();
  std::string why = "job " + std::to_string(number) + " was cancelled by " + (cancel.by().empty() ? "its driver" : cancel.by());
  if (std::erase_if(app.jobsToCome, [&](const EnvelopePtr& e) { return e->message.run_job().number() == number; }) > 0) {
    return answerFailed(s, app, number, proto::DOMAIN_CANCELLED, why, "");
  }
  std::erase_if(app.held, [&](const InstancePtr& job) {
    if (job->whenMs != -std::int64_t(number)) return false;
    release(s, app, *job);
    return true;
  });
  for (auto& [key, instance] : app.instances) {
    if (!instance->job || instance->whenMs != -std::int64_t(number)) continue;
    proto::Failed cancelled;
    cancelled.set_domain(proto::DOMAIN_CANCELLED), cancelled.set_message(why);
    InstancePtr job = instance;
    return failJob(s, app, job, cancelled);
  }
}

void settleJobFiles(State& s, App& app, std::int64_t whenMs) {
  auto files = app.jobFiles.find(whenMs);
  if (files == app.jobFiles.end() || !files->second.done()) return;
  auto job = app.decidedJobs.find(whenMs);
  if (job != app.decidedJobs.end()) {
    InstancePtr instance = job->second;
    app.decidedJobs.erase(job);
    if (files->second.error.empty()) {
      finish(s, app, instance);
    } else {
      answerFailed(s, app, std::uint64_t(-whenMs), proto::DOMAIN_SYSTEM, files->second.error, "");
      release(s, app, *instance);
    }
  }
  app.jobFiles.erase(files);
}

void flushReleased(State& s, App& app) {
  if (app.released.empty()) return;
  auto envelope = messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
    release.set_app(app.id.value);
    for (std::int64_t whenMs : app.released) release.add_instances(whenMs);
  });
  for (std::uint32_t i = 0; i < app.releasedAt.size(); ++i) {
    if (app.releasedAt[i] && app.isUp(i)) s.send(app.executors[i]->peer(), envelope);
  }
  for (std::int64_t whenMs : app.released) app.releasedBefore.push_back(whenMs);
  while (app.releasedBefore.size() > kReleasedRemembered) app.releasedBefore.pop_front();
  app.released.clear(), app.releasedAt.clear();
  s.effects.disarm({kReleaseTimer, app.id.value, 0});
}

}  // namespace sluice::master
