#include "master/stages.h"

#include "master/batches.h"
#include "master/jobs.h"

namespace sluice::master {
namespace {

struct Found {
  InstancePtr instance;
  const Template* plan = nullptr;
  std::uint32_t stage = 0;
};

Found find(const App& app, std::uint32_t id) {
  for (const auto& [key, instance] : app.instances) {
    for (const auto& [plan, first] : instance->firstStages) {
      if (id >= first && id - first < plan->view.stages().size()) return {instance, plan, id - first};
    }
  }
  return {};
}

}  // namespace

std::uint32_t firstStage(App& app, Instance& instance, const Template& plan) {
  for (const auto& [of, first] : instance.firstStages) {
    if (of == &plan) return first;
  }
  std::uint32_t first = app.stagesMade;
  app.stagesMade += std::uint32_t(plan.view.stages().size());
  instance.firstStages.emplace_back(&plan, first);
  return first;
}

std::vector<std::uint32_t> stagesOf(App& app, Instance& in) {
  std::uint32_t first = firstStage(app, in, *in.plan);
  std::vector<std::uint32_t> stages;
  for (std::uint32_t i = 0; i < in.plan->view.stages().size(); ++i) stages.push_back(first + i);
  return stages;
}

void cancelStage(State& s, App& app, const proto::CancelStage& cancel) {
  Found found = find(app, cancel.stage());
  if (!found.instance) return;
  std::string why = "stage " + std::to_string(cancel.stage()) + " was cancelled by " + cancel.by();
  proto::Failed failed;
  failed.set_domain(proto::DOMAIN_CANCELLED), failed.set_message(why);
  if (found.instance->job) return failJob(s, app, found.instance, failed);
  auto stream = app.streams.find(found.instance->id.stream());
  if (stream == app.streams.end() || found.plan != found.instance->plan.get()) return;
  failed.set_stage(found.stage), failed.set_when_ms(found.instance->whenMs);
  failBatch(s, app, *stream->second, failed);
}

void killTask(State& s, App& app, const proto::KillTask& kill) {
  // As TaskContext::taskAttemptId makes it.
  auto stage = std::uint32_t(kill.task() >> 32), partition = std::uint32_t(kill.task() >> 12 & 0xfffff), attempt = std::uint32_t(kill.task() & 0xfff);
  Found found = find(app, stage);
  bool told = false;
  for (const RunPtr& run : found.instance ? found.instance->used : std::vector<RunPtr>()) {
    if (run->plan.get() != found.plan || run->stage != found.stage || partition >= run->parts.size()) continue;
    const Part& part = run->parts[partition];
    if (part.state != PartState::kLaunched || part.found || part.owner != found.instance->serial || (part.attempt & 0xfffu) != attempt || !app.isUp(part.at)) continue;
    told = true;
    s.send(app.executors[part.at]->peer(), messageOf(&proto::Message::mutable_stop_task, [&](proto::StopTask& stop) {
             *stop.mutable_instance() = found.instance->id;
             stop.set_template_hash(found.plan->hash()), stop.set_stage(found.stage), stop.set_when_ms(run->whenMs);
             stop.set_partition(partition), stop.set_attempt(part.attempt), stop.set_by(kill.by());
           }));
    s.log(app, "task " + std::to_string(kill.task()) + " (partition " + std::to_string(partition) + " of stage " + std::to_string(stage) +
                   ") is killed by " + kill.by());
  }
  if (!app.driver) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_task_killed, [&](proto::TaskKilled& killed) {
           killed.set_request(kill.request()), killed.set_found(told);
         }));
}

}  // namespace sluice::master
