#include "master/jobs.h"

#include <algorithm>
#include <map>
#include <limits>
#include <set>

#include "common/barrier_stages.h"
#include "common/plan_check.h"
#include "master/app_events.h"
#include "master/pools.h"
#include "master/progress.h"
#include "master/publishing.h"
#include "master/scheduler.h"
#include "master/stages.h"

namespace sluice::master {
namespace {

constexpr std::size_t kAnswersKept = 8;
constexpr std::size_t kReleaseTogether = 8;
constexpr std::int64_t kReleaseAfterMs = 50;
constexpr std::size_t kReleasedRemembered = 256;
constexpr std::size_t kTemplatesKept = 512;
constexpr std::size_t kHeldJobs = 32;

void answer(State& s, App& app, std::uint64_t number, std::shared_ptr<Envelope> envelope, std::uint64_t after = 0) {
  sendEvents(s, app);  // what listeners hear of a job comes before whoever waits for it goes on
  app.answers.emplace_back(number, envelope);
  if (app.answers.size() > kAnswersKept) app.answers.pop_front();
  if (app.driver) s.send(*app.driver, std::move(envelope), after);
}

void answerFailed(State& s, App& app, std::uint64_t number, proto::Domain domain, const std::string& message, const std::string& site,
                  const std::vector<std::uint32_t>& stages = {}) {
  s.measures.jobsFailed.add();
  answer(s, app, number, messageOf(&proto::Message::mutable_job_failed, [&](proto::JobFailed& failed) {
           failed.set_number(number), failed.set_domain(domain), failed.set_message(message), failed.set_site(site);
           for (std::uint32_t stage : stages) failed.add_stages(stage);
         }));
}

void armRelease(State& s, App& app) {
  if (app.released.empty() && app.goneExchanges.empty()) s.arm({kReleaseTimer, app.id.value, 0}, s.now + Milliseconds(kReleaseAfterMs));
}

void release(State& s, App& app, const Instance& job) {
  armRelease(s, app);
  app.released.push_back(job.whenMs);
  for (const auto& [node, name] : job.exchanges) {  // a task of it may have left something since the name was let go
    if (!app.mapOutputs.knows(name)) app.goneExchanges.push_back(name);
  }
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
  retire(s, app, *job, true);
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
  for (std::uint32_t stage : stagesOf(app, *job)) done->add_stages(stage);
  envelope->attachments = std::move(job->attachments);
  bool held = std::any_of(done->results().begin(), done->results().end(), [](const auto& r) { return r.attachment() < 0 && r.rows() > 0; });
  tellJobOver(s, app, job->whenMs, job->id.stream(), "");
  answer(s, app, done->number(), std::move(envelope));
  if (!held) return release(s, app, *job);
  // The driver has them fetched and says so, or has gone on to many other jobs.
  app.held.push_back(job);
  if (app.held.size() <= kHeldJobs) return;
  release(s, app, *app.held.front());
  app.held.pop_front();
}

// Jobs of a batch's functions run as the batch itself does, before the batches that began meanwhile.
std::uint64_t orderOf(const App& app, const proto::RunJob& request, std::uint64_t own) {
  auto stream = app.streams.find(request.stream());
  if (request.batch_ms() == 0 || stream == app.streams.end()) return own;
  auto batch = stream->second->batches.find(request.batch_ms());
  return batch == stream->second->batches.end() || batch->second.order == 0 ? own : batch->second.order;
}

std::uint64_t killAfterMs(const App& app, const Instance& job) {
  if (propertyOf(job, "sluice.job.interruptOnCancel") != "true") return 0;
  return std::uint64_t(app.conf.get(conf::kReaperKillTimeout).milliseconds());
}

// The driver's nodes by the names that map outputs have: those of a driver that was started again are others.
std::uint64_t mapOutputsName(std::uint64_t jobNumber, std::uint32_t node) { return jobNumber >> 32 << 32 | node; }

void dropGone(State& s, App& app, const proto::RunJob& request) {
  std::vector<std::uint64_t> names;
  for (std::uint32_t node : request.gone()) {
    std::uint64_t name = mapOutputsName(request.number(), node);
    if (app.mapOutputs.knows(name)) names.push_back(name);
  }
  dropMapOutputs(s, app, names);
}

absl::Status nameExchanges(App& app, const proto::RunJob& request, Instance& job) {
  if (request.exchange_nodes_size() != request.exchange_ids_size()) return absl::InvalidArgumentError("names of map outputs without their nodes");
  for (int i = 0; i < request.exchange_nodes_size(); ++i) {
    const PlanView& view = job.plan->view;
    if (view.position(request.exchange_nodes(i)) < 0) return absl::InvalidArgumentError("map outputs are named for a node that is not of the plan");
    job.exchanges[request.exchange_nodes(i)] = mapOutputsName(request.number(), request.exchange_ids(i));
  }
  for (const auto& [node, name] : job.exchanges) app.mapOutputs.know(name);
  return absl::OkStatus();
}

// What a job that failed was given by earlier ones, or left itself, is not trusted.
void distrustExchanges(State& s, App& app, const Instance& job, proto::Domain domain) {
  if (domain == proto::DOMAIN_SYSTEM || domain == proto::DOMAIN_LOST) {
    for (const auto& run : job.own) {
      bool found = run && std::any_of(run->parts.begin(), run->parts.end(), [](const Part& part) { return part.found; });
      if (found) app.mapOutputs.lose(run->lasting);
    }
  }
  auto usedByAnother = [&](std::uint64_t name) {  // whose own end decides
    return std::any_of(app.instances.begin(), app.instances.end(), [&](const auto& entry) {
      const auto& names = entry.second->exchanges;
      return entry.second.get() != &job && std::any_of(names.begin(), names.end(), [&](const auto& other) { return other.second == name; });
    });
  };
  for (const auto& [node, name] : job.exchanges) {
    if (app.mapOutputs.anyOf(name) || usedByAnother(name)) continue;
    armRelease(s, app);
    app.goneExchanges.push_back(name);
  }
}

}  // namespace

void dropMapOutputs(State& s, App& app, const std::vector<std::uint64_t>& names) {
  if (names.empty()) return;
  armRelease(s, app);
  for (std::uint64_t name : names) app.mapOutputs.forget(name);
  app.goneExchanges.insert(app.goneExchanges.end(), names.begin(), names.end());
}

void cancelAtExecutors(State& s, App& app, const Instance& instance, std::uint64_t killAfterMs) {
  for (std::uint32_t i = 0; i < instance.participants.size(); ++i) {
    if (!instance.participants[i] || !app.isUp(i)) continue;
    s.send(app.executors[i]->peer(), messageOf(&proto::Message::mutable_cancel_instance, [&](proto::CancelInstance& cancel) {
             *cancel.mutable_instance() = instance.id;
             cancel.set_kill_after_ms(killAfterMs);
           }));
  }
}

void forgetTemplates(State& s, App& app) {
  if (app.templates.size() <= kTemplatesKept) return;
  std::map<std::uint32_t, std::vector<std::uint64_t>> held;  // by executor
  std::vector<std::pair<std::uint64_t, std::uint64_t>> byUse;
  for (const auto& [hash, plan] : app.templates) {
    if (plan.use_count() == 1) byUse.emplace_back(plan->usedBy, hash);
  }
  std::sort(byUse.begin(), byUse.end());
  byUse.resize(std::min(byUse.size(), app.templates.size() - kTemplatesKept / 2));
  for (const auto& [use, hash] : byUse) {
    auto gone = app.templates.extract(hash);
    const auto& sent = gone.mapped()->sent;
    for (std::uint32_t index = 0; index < sent.size(); ++index) {
      if (sent[index].plan) held[index].push_back(hash);
    }
  }
  for (const auto& [index, hashes] : held) {
    s.send(app.executors[index]->peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
             release.set_app(app.id.value);
             release.mutable_templates()->Add(hashes.begin(), hashes.end());
           }));
  }
}

bool readsBatches(const proto::Plan& plan) {
  return std::any_of(plan.nodes().begin(), plan.nodes().end(), [](const auto& node) {
    return std::any_of(node.edges().begin(), node.edges().end(), [](const auto& edge) { return edge.as_of_ms() != 0; });
  });
}

// A batch whose data a job reads though it has been let go; 0: none. Without this nothing would be found, and the answer would be wrong.
std::int64_t releasedBatch(const Stream& stream, const PlanView& view) {
  std::vector<std::pair<std::uint32_t, std::int64_t>> open;
  std::set<std::pair<std::uint32_t, std::int64_t>> seen;
  for (const auto& node : view.plan().nodes()) {
    for (const auto& edge : node.edges()) {
      if (edge.as_of_ms() != 0) open.emplace_back(edge.parent(), edge.as_of_ms());
    }
  }
  while (!open.empty()) {
    auto [id, at] = open.back();
    open.pop_back();
    const auto& node = view.node(id);
    if (node.slide_ms() == 0 || at <= stream.facts->zeroMs || !seen.emplace(id, at).second) continue;
    if (auto mark = stream.marks.find(id); mark != stream.marks.end()) {
      if (at < mark->second) return at;
      continue;  // whatever it is made of is there as well
    }
    for (const auto& edge : node.edges()) {
      if (edge.parent() != id) open.emplace_back(edge.parent(), at - edge.first_shift_ms());
    }
  }
  return 0;
}

void runJob(State& s, App& app, const EnvelopePtr& envelope) {
  const auto& request = envelope->message.run_job();
  const std::uint64_t number = request.number();
  if (number == 0 || number > std::uint64_t(std::numeric_limits<std::int64_t>::max())) {
    return answerFailed(s, app, number, proto::DOMAIN_SYSTEM, "jobs are numbered from 1 on", "");
  }
  dropGone(s, app, request);
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
    forgetTemplates(s, app);
    plan = templateOf(app, {envelope, &request.plan()}, captures);
  } else if (captures) {
    plan->captures = captures;
  }
  plan->usedBy = ++app.templateUses;
  if (hasBarriers(*plan->plan)) {
    bool whole = request.partitions_size() == 0 || request.partitions(0) == ~0u;
    if (auto status = checkBarriers(plan->view, whole); !status.ok()) {
      return answerFailed(s, app, number, proto::DOMAIN_SYSTEM, std::string(status.message()), "");
    }
  }
  auto job = std::make_shared<Instance>();
  job->whenMs = whenMs, job->job = true, job->serial = ++app.serials;
  job->id.set_app(app.id.value), job->id.set_when_ms(whenMs), job->id.set_stream(request.stream());
  job->id.set_run(std::uint32_t(s.journal.term()));
  job->plan = plan, job->captures = captures ? captures : plan->captures;
  job->facts = app.facts;
  if (auto stream = app.streams.find(request.stream()); readsBatches(*plan->plan) && stream != app.streams.end() && stream->second->facts) {
    job->facts = stream->second->facts;
    if (std::int64_t gone = releasedBatch(*stream->second, plan->view)) {
      return answerFailed(s, app, number, proto::DOMAIN_LOST,
                          "the data of batch " + std::to_string(gone) + " ms has been let go; let the StreamingContext remember longer (remember(duration))", "");
    }
  }
  if (auto status = nameExchanges(app, request, *job); !status.ok()) {
    return answerFailed(s, app, number, proto::DOMAIN_SYSTEM, std::string(status.message()), "");
  }
  job->placement = placementOf(s, app, job->facts->defaultPartitions);
  if (request.properties_size() > 0) job->properties = {envelope, &request.properties()};
  job->started = s.now;
  schedule(app, *job, orderOf(app, request, job->serial));
  prepareOutputs(s, app, *job, {request.partitions().begin(), request.partitions().end()});
  app.instances[{whenMs, request.stream()}] = job;
  const bool computes = request.partitions_size() == 0 || request.partitions(0) != ~0u;  // else it asks how many partitions there are
  if (computes) tellJobBegun(s, app, *job, request.description());
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
  retire(s, app, *job, true);
  finish(s, app, job);
}

void failJob(State& s, App& app, const InstancePtr& job, const proto::Failed& failed) {
  if (job->over) return;
  cancelAtExecutors(s, app, *job, failed.domain() == proto::DOMAIN_CANCELLED ? killAfterMs(app, *job) : 0);
  distrustExchanges(s, app, *job, failed.domain());
  retire(s, app, *job, false);
  tellJobOver(s, app, job->whenMs, job->id.stream(), failed.message().empty() ? "it failed" : failed.message());
  answerFailed(s, app, std::uint64_t(-job->whenMs), failed.domain(), failed.message(), failed.site(), stagesOf(app, *job));
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

void answerPart(State& s, App& app, const proto::AskPart& ask) {
  if (!app.driver) return;
  auto envelope = std::make_shared<Envelope>();
  auto& part = *envelope->message.mutable_job_part();
  part.set_request(ask.request());
  for (const auto& [key, job] : app.instances) {
    if (!job->job || job->whenMs != -std::int64_t(ask.number()) || job->outputs.empty()) continue;
    const auto& output = job->outputs.front();
    part.set_partitions(std::uint32_t(output.wanted.empty() ? output.have.size() : output.wanted.size()));
    for (std::size_t p = 0; p < output.results.size(); ++p) {
      if (!output.have[p] || !output.results[p].staged().empty()) continue;
      auto& result = *part.add_results() = output.results[p];
      if (result.attachment() < 0) continue;
      envelope->attachments.push_back(job->attachments[std::size_t(result.attachment())]);
      result.set_attachment(std::int32_t(envelope->attachments.size()) - 1);
    }
  }
  s.send(*app.driver, std::move(envelope));
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
      tellJobOver(s, app, whenMs, instance->id.stream(), files->second.error);
      answerFailed(s, app, std::uint64_t(-whenMs), proto::DOMAIN_SYSTEM, files->second.error, "");
      release(s, app, *instance);
    }
  }
  app.jobFiles.erase(files);
}

void flushReleased(State& s, App& app) {
  if (app.released.empty() && app.goneExchanges.empty()) return;
  auto envelope = messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
    release.set_app(app.id.value);
    for (std::int64_t whenMs : app.released) release.add_instances(whenMs);
    for (std::uint64_t name : app.goneExchanges) release.add_exchanges(name);
  });
  for (std::uint32_t index : app.up) {  // map outputs may have been left by any job
    bool took = index < app.releasedAt.size() && app.releasedAt[index];
    if (took || !app.goneExchanges.empty()) s.send(app.executors[index]->peer(), envelope);
  }
  for (std::int64_t whenMs : app.released) app.releasedBefore.push_back(whenMs);
  while (app.releasedBefore.size() > kReleasedRemembered) app.releasedBefore.pop_front();
  app.released.clear(), app.releasedAt.clear(), app.goneExchanges.clear();
  s.disarm({kReleaseTimer, app.id.value, 0});
}

}  // namespace sluice::master
