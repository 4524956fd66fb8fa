#include "master/scheduler.h"

#include <algorithm>

#include "common/fail_point.h"
#include "common/thrown.h"
#include "master/barriers.h"
#include "master/broadcasts.h"
#include "master/pass.h"
#include "master/progress.h"

namespace sluice::master {
namespace {

constexpr std::uint8_t kLostLimit = 64;  // times that inputs of one task are reported lost before its instance is given up
constexpr std::size_t kDroppedRemembered = 64;

// Where the Prepared or Failed of a Launch's task points to.
RunPtr runOf(App& app, Instance& in, std::uint32_t k, std::uint32_t stageIndex, std::int64_t whenMs) {
  const auto& plan = k < in.launches.size() ? in.launches[k].plan : in.plan;
  if (stageIndex >= plan->view.stages().size()) return nullptr;
  if (plan == in.plan && whenMs == in.whenMs && in.own[stageIndex]) return in.own[stageIndex];
  const Stage& stage = plan->view.stages()[stageIndex];
  if (stage.sink == Stage::Sink::kKeep) return app.values.keep(stage.root, whenMs);
  if (stage.sink == Stage::Sink::kExchange) return app.values.exchange(stage.exchange, whenMs);
  return nullptr;
}

Instance::Output* outputOf(Instance& in, const Run& run) {
  if (run.whenMs != in.whenMs || run.shape().sink != Stage::Sink::kOutput) return nullptr;
  for (auto& output : in.outputs) {
    if (output.stage == run.stage) return &output;
  }
  return nullptr;
}

bool isWanted(const Instance::Output& output, std::uint32_t partition) {
  return output.wanted.empty() || std::find(output.wanted.begin(), output.wanted.end(), partition) != output.wanted.end();
}

// How often tasks of the stage have failed.
std::uint32_t countFailure(Instance& in, const Run& run) {
  for (auto& [plan, stage, failed] : in.failedTasks) {
    if (plan == run.plan.get() && stage == run.stage) return ++failed;
  }
  in.failedTasks.emplace_back(run.plan.get(), run.stage, 1);
  return 1;
}

void addRetry(Instance& in, Run& run, std::uint32_t partition, std::uint32_t avoid, bool cautious) {
  for (auto& retry : in.retries) {
    if (retry.run != &run || retry.partition != partition) continue;
    retry.avoid = avoid, retry.cautious = cautious;
    return;
  }
  in.retries.push_back({&run, partition, avoid, cautious});
}

// The process of the executor was ended by user code, perhaps that of the instance's tasks there: they go on one record at a time, and not for ever.
void chargeCrash(const App& app, Instance& in, std::uint32_t executor, const std::string& crash) {
  bool ran = false, ofGang = false;
  for (const auto& run : in.used) {
    for (std::uint32_t p = 0; p < run->parts.size(); ++p) {
      const Part& part = run->parts[p];
      if (part.at != executor || part.state != PartState::kLaunched || part.found || part.owner != in.serial) continue;
      ran = true, ofGang |= run == app.gang;
      addRetry(in, *run, p, kNowhere, true);
    }
  }
  if (ofGang && countFailure(in, *app.gang) >= app.maxFailures) in.failure = crash, in.failedRun = app.gang;
  if (ran && ++in.crashes >= app.maxFailures) in.failure = crash;
}

// Of a barrier stage that has begun anew since.
bool isOfOldGang(const Instance& in, const proto::Result& result) {
  for (const auto& output : in.outputs) {
    const RunPtr& run = in.own[output.stage];
    if (output.position != result.output() || !run || !run->shape().barrier || result.partition() >= run->parts.size()) continue;
    return run->parts[result.partition()].attempt != result.attempt();
  }
  return false;
}

void takeResult(Instance& in, const proto::Result& result, const Envelope& envelope, std::uint64_t executor) {
  for (auto& output : in.outputs) {
    if (output.position != result.output() || result.partition() >= output.have.size()) continue;
    if (output.have[result.partition()]) return;
    output.have[result.partition()] = true;
    if (output.results.size() < output.have.size()) output.results.resize(output.have.size());
    proto::Result& kept = output.results[result.partition()];
    kept = result;
    kept.set_executor(executor);
    kept.set_attachment(-1);
    if (result.attachment() < 0 || std::size_t(result.attachment()) >= envelope.attachments.size()) return;
    in.attachments.push_back(envelope.attachments[std::size_t(result.attachment())]);
    kept.set_attachment(std::int32_t(in.attachments.size()) - 1);
    return;
  }
}

}  // namespace

void lose(Instance* in, Run& run, std::uint32_t partition) {
  Part& part = run.parts[partition];
  bool done = part.state == PartState::kDone;
  run.move(part, PartState::kAbsent);
  part.at = kNowhere, part.owner = 0, part.found = false;
  Instance::Output* output = in ? outputOf(*in, run) : nullptr;
  if (!output || !done) return;
  output->have[partition] = false;
  if (isWanted(*output, partition)) ++output->missing;
}

std::shared_ptr<Template> templateOf(App& app, std::shared_ptr<const proto::Plan> plan, std::shared_ptr<const proto::Captures> captures) {
  auto& found = app.templates[plan->template_hash()];
  if (!found) {
    found = std::make_shared<Template>(std::move(plan), std::move(captures));
  } else if (captures) {
    found->captures = std::move(captures);
  }
  return found;
}

std::shared_ptr<Placement> placementOf(State& s, App& app, std::uint32_t defaultPartitions) {
  auto& found = app.placements[defaultPartitions];
  if (found) return found;
  proto::Epoch epoch;
  epoch.set_epoch(s.journal.term() << 32 | ++s.epochsMade);
  epoch.set_default_partitions(defaultPartitions);
  for (std::uint32_t index : app.up) {
    const Executor& executor = *app.executors[index];
    auto* member = epoch.add_members();
    member->set_executor(executor.id.value), member->set_host(executor.host), member->set_address(executor.address);
    member->set_slots(executor.slots);
  }
  return found = std::make_shared<Placement>(std::move(epoch), app.up);
}

void prepareOutputs(State&, App&, Instance& in, const std::vector<std::uint32_t>& partitions) {
  const PlanView& view = in.plan->view;
  in.own.resize(view.stages().size());
  for (const Stage& stage : view.stages()) {
    if (stage.sink == Stage::Sink::kKeep && in.plan->shapes[stage.index].state) {
      if (view.tasks(stage, in.whenMs, *in.facts) > 0) in.stateStages.push_back(stage.index);
    }
    if (stage.sink != Stage::Sink::kOutput) continue;
    Instance::Output output;
    output.position = stage.output, output.stage = stage.index;
    std::uint32_t count = view.tasks(stage, in.whenMs, *in.facts);
    output.have.resize(count);
    if (stage.output == 0) {
      for (std::uint32_t p : partitions) {
        if (p < count) output.wanted.push_back(p);
      }
    }
    output.missing = partitions.empty() || stage.output != 0 ? count : std::uint32_t(output.wanted.size());
    if (output.missing == 0 && count != 0) output.wanted = {count};  // only partitions that do not exist were asked for
    in.outputs.push_back(std::move(output));
  }
}

void advance(State& s, App& app, Instance& instance) { Pass(s, app, instance).run(); }

void install(State& s, App& app, Executor& executor, Template& plan, const std::shared_ptr<const proto::Captures>& captures,
             const Placement& placement) {
  if (plan.sent.size() <= executor.index) plan.sent.resize(executor.index + 1);
  auto& sent = plan.sent[executor.index];
  std::uint64_t version = captures ? captures->version() : 0;
  if (sent.plan && sent.captures == version && sent.epoch == placement.number()) return;
  auto [envelope, install] = compose(&proto::Message::mutable_install);
  install->set_app(app.id.value), install->set_template_hash(plan.hash());
  if (!sent.plan) *install->mutable_plan() = *plan.plan;
  if (captures) {
    *install->mutable_captures() = *captures;
    for (std::uint64_t id : captures->broadcasts()) {
      if (!describeBroadcast(app, executor, id, *install->add_broadcasts())) install->mutable_broadcasts()->RemoveLast();
    }
  }
  *install->mutable_epoch() = placement.epoch();
  sent = {true, version, placement.number()};
  s.send(executor.peer(), std::move(envelope));
}

void installStream(State& s, App& app, Executor& executor, const Stream& stream) {
  install(s, app, executor, *stream.plan, stream.plan->captures, *placementOf(s, app, stream.record->defaultPartitions));
}

void forgetInstalled(State& s, App& app, Executor& executor) {
  s.send(executor.peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
           release.set_app(app.id.value), release.set_all_templates(true);
         }));
  for (auto& [hash, plan] : app.templates) {
    if (executor.index < plan->sent.size()) plan->sent[executor.index] = {};
  }
}

void takePrepared(State& s, App& app, Instance& in, const Envelope& envelope) {
  const proto::Prepared& prepared = envelope.message.prepared();
  Executor* executor = app.executor(prepared.executor());
  if (!executor || !app.isUp(executor->index)) return;
  const auto& tasks = prepared.tasks();
  std::vector<bool> counted;
  if (prepared.updates_size()) counted.resize(std::size_t(tasks.stage_size()));
  RunPtr run;
  Instance::Output* output = nullptr;
  for (int i = 0; i < tasks.stage_size(); ++i) {
    if (i == 0 || tasks.stage(i) != tasks.stage(i - 1) || tasks.when_ms(i) != tasks.when_ms(i - 1)) {
      run = runOf(app, in, prepared.k(), tasks.stage(i), tasks.when_ms(i));
      output = run ? outputOf(in, *run) : nullptr;
    }
    if (!run || tasks.partition(i) >= run->parts.size()) continue;
    Part& part = run->parts[tasks.partition(i)];
    if (run->shape().barrier && tasks.attempt(i) != part.attempt) continue;  // its stage has begun anew
    if (!counted.empty() && !part.counted && (run->whenMs <= 0 || run->whenMs == in.whenMs)) part.counted = counted[std::size_t(i)] = true;
    auto sink = run->shape().sink;
    if (sink == Stage::Sink::kExchange || part.state == PartState::kDone) continue;
    run->move(part, PartState::kDone);
    part.at = executor->index;
    if (output && isWanted(*output, tasks.partition(i))) --output->missing;
  }
  for (const auto& result : prepared.results()) {
    if (!isOfOldGang(in, result)) takeResult(in, result, envelope, executor->id.value);
  }
  for (const auto& kept : prepared.kept()) {
    RunPtr run = app.values.keep(kept.node(), kept.when_ms());
    if (!run || run->shape().barrier || kept.partition() >= run->parts.size() || run->parts[kept.partition()].state == PartState::kDone) continue;
    run->move(run->parts[kept.partition()], PartState::kDone);
    run->parts[kept.partition()].at = executor->index;
  }
  for (int i = 0; i < prepared.updates_size(); ++i) {
    bool ofTask = i < prepared.update_tasks_size() && prepared.update_tasks(i) < counted.size();
    if (ofTask && counted[prepared.update_tasks(i)]) in.updates.push_back(prepared.updates(i));
  }
  in.inputRecords += prepared.input_records(), in.inputBytes += prepared.input_bytes();
  for (const auto& read : prepared.reads()) {
    if (read.when_ms() != in.whenMs) continue;
    // Read by several stages, or in a second attempt: counted once, and as far as it was read.
    auto& known = in.reads[{read.node(), read.partition()}];
    known.records = std::max(known.records, read.records()), known.bytes = std::max(known.bytes, read.bytes());
  }
  progressed(s, app);
  if (!in.blocked.empty() || in.waitsForGang) advance(s, app, in);
}

void takeCopy(App& app, const proto::KeptCopied& copied) {
  const auto& value = copied.value();
  Executor* executor = app.executor(value.executor());
  RunPtr run = app.values.keep(value.node(), value.when_ms());
  if (!executor || !app.isUp(executor->index) || !run || value.partition() >= run->parts.size()) return;
  // It may be told before the value itself is, whose message waits for others.
  if (run->parts[value.partition()].at != executor->index) app.values.addCopy({value.node(), value.when_ms(), value.partition()}, executor->index);
}

// A kept value is not where a task looked for it (0: it does not say).
static void notFound(App& app, const proto::KeptValue& missing) {
  RunPtr kept = app.values.keep(missing.node(), missing.when_ms());
  if (!kept || missing.partition() >= kept->parts.size()) return;
  Part& part = kept->parts[missing.partition()];
  if (part.state != PartState::kDone) return;
  ValueId id{missing.node(), missing.when_ms(), missing.partition()};
  if (missing.executor() != 0 && app.executors[part.at]->id.value != missing.executor()) {
    // It was told an old place, or had a copy of its own: the value is where we think, and the next try asks there.
    if (const Executor* asked = app.executor(missing.executor())) app.values.dropCopy(id, asked->index);
    return;
  }
  if (!app.values.moveToCopy(id, part)) lose(nullptr, *kept, missing.partition());
}

// An executor has what an earlier job left there no longer. All that was found there is made anew: it is likely to be gone as well.
static void notLeft(App& app, Instance& in, Run& run, std::uint32_t executor) {
  app.mapOutputs.lose(run.lasting, executor);
  for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
    const Part& part = run.parts[p];
    if (part.found && part.state == PartState::kLaunched && part.at == executor) lose(&in, run, p);
  }
}

Verdict takeFailed(State& s, App& app, Instance& in, const proto::Failed& failed) {
  RunPtr run = runOf(app, in, failed.k(), failed.stage(), failed.when_ms());
  if (!run || failed.partition() >= run->parts.size()) return Verdict::kStale;
  Part& part = run->parts[failed.partition()];
  Executor* executor = app.executor(failed.executor());
  bool mine = executor && part.state == PartState::kLaunched && part.at == executor->index && part.attempt == failed.attempt();
  if (!mine) return Verdict::kStale;
  if (failed.domain() == proto::DOMAIN_LOST && part.found) {
    notLeft(app, in, *run, executor->index);
    return Verdict::kAgain;
  }
  if (failed.domain() == proto::DOMAIN_LOST) {
    for (const auto& missing : failed.missing()) notFound(app, missing);
    if (++part.lost > kLostLimit) return Verdict::kFailed;
  } else if (failed.domain() != proto::DOMAIN_CANCELLED) {  // killed on request: that is nobody's fault
    s.warn(app, "task failed (" + failed.site() + ", partition " + std::to_string(failed.partition()) + ", attempt " +
                   std::to_string(failed.attempt()) + ", executor " + std::to_string(failed.executor()) + "): " + std::string(withoutSite(failed.message(), failed.site())));
    // All tasks of a barrier stage begin anew with one, so its tries are theirs together.
    std::uint32_t ofStage = countFailure(in, *run);
    if ((run->shape().barrier ? ofStage : ++part.failures) >= app.maxFailures) return Verdict::kFailed;
    addRetry(in, *run, failed.partition(), executor->index, failed.domain() == proto::DOMAIN_USER);
  }
  if (run->shape().barrier) breakGang(s, app, &in, *run);
  else lose(&in, *run, failed.partition());
  return Verdict::kAgain;
}

bool complete(const Instance& in) {
  for (const auto& output : in.outputs) {
    if (output.missing != 0 && output.abandoned.empty()) return false;
  }
  for (const auto& pane : in.panes) {
    if (!pane.run || pane.run->absent != 0 || pane.run->unfinished != 0) return false;
  }
  for (std::uint32_t stage : in.stateStages) {
    if (!in.own[stage] || in.own[stage]->absent != 0 || in.own[stage]->unfinished != 0) return false;
  }
  return true;
}

bool abandonBelow(Instance& in, std::uint32_t stage, const std::string& why) {
  auto needs = [&](std::uint32_t reader) {
    const auto& below = in.plan->shapes[reader].below;
    return std::binary_search(below.begin(), below.end(), stage);
  };
  for (std::uint32_t state : in.stateStages) {
    if (needs(state)) return false;
  }
  for (auto& output : in.outputs) {
    if (needs(output.stage) && output.missing != 0 && output.abandoned.empty()) output.abandoned = why;
  }
  return true;
}

void dropAbandoned(State& s, App& app, Instance& in) {
  auto isNeeded = [&](const Run& run) {
    const bool own = run.plan == in.plan && run.whenMs == in.whenMs;  // else nobody knows who reads it
    auto needs = [&](std::uint32_t reader) {
      const auto& below = in.plan->shapes[reader].below;
      return !own || std::binary_search(below.begin(), below.end(), run.stage);
    };
    auto isNeededPane = [&](const auto& pane) {
      const Stage* stage = in.plan->view.keepStage(pane.node);
      return pane.whenMs != in.whenMs || !stage || needs(stage->index);  // an earlier one may need anything
    };
    return std::any_of(in.stateStages.begin(), in.stateStages.end(), needs) || std::any_of(in.panes.begin(), in.panes.end(), isNeededPane) ||
           std::any_of(in.outputs.begin(), in.outputs.end(),
                       [&](const auto& output) { return output.missing != 0 && output.abandoned.empty() && needs(output.stage); });
  };
  std::erase_if(in.blocked, [&](const auto& entry) {
    auto [run, p] = entry;
    if (isNeeded(*run)) return false;
    if (run->parts[p].state == PartState::kPlaced && run->parts[p].owner == in.serial) lose(&in, *run, p);
    return true;
  });
  if (app.gang && app.gangOf == in.serial && !isNeeded(*app.gang)) breakGang(s, app, &in, *RunPtr(app.gang));
}

void retire(State& s, App& app, Instance& in, bool done) {
  in.over = true;
  noteEnd(s, app, in, done);
  leaveGang(s, app, in);
  for (const auto& run : in.used) {
    if (run->unfinished == 0) continue;
    bool exchange = run->shape().sink == Stage::Sink::kExchange;
    for (std::uint32_t p = 0; p < run->parts.size(); ++p) {
      Part& part = run->parts[p];
      if (part.owner != in.serial || !Run::isUnfinished(part.state)) continue;
      if (done && exchange && part.state == PartState::kLaunched) {
        run->move(part, PartState::kDone);
      } else {
        lose(nullptr, *run, p);
        part.failures = part.lost = 0;  // who makes it next has tries of its own
      }
    }
  }
  for (const auto& run : in.own) {
    if (done && run && run->lasting.node != 0 && run->absent == 0 && run->unfinished == 0) app.mapOutputs.note(run->lasting, *run);
  }
  in.blocked.clear(), in.retries.clear(), in.sent.clear();
  app.instances.erase({in.whenMs, in.id.stream()});
  dropExchanges(s, app);
  progressed(s, app);
}

void dropExchanges(State& s, App& app) {
  if (app.dropping.empty()) return;
  auto isUsed = [&](const RunPtr& run) {
    return std::any_of(app.instances.begin(), app.instances.end(), [&](const auto& entry) {
      const auto& used = entry.second->used;
      return std::find(used.begin(), used.end(), run) != used.end();
    });
  };
  auto envelope = messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
    release.set_app(app.id.value);
    std::erase_if(app.dropping, [&](ExchangeId exchange) {
      RunPtr run = app.values.exchange(exchange, 0);
      if (!run) return true;
      if (isUsed(run)) return false;
      auto* dropped = release.add_dropped();
      dropped->set_node(exchange.node), dropped->set_edge(exchange.edge);
      dropped->mutable_instances()->Add(run->users.begin(), run->users.end());
      app.droppedBefore.push_back(*dropped);
      if (app.droppedBefore.size() > kDroppedRemembered) app.droppedBefore.pop_front();
      app.values.dropExchange(exchange);
      return true;
    });
  });
  if (envelope->message.release().dropped_size() == 0) return;
  for (std::uint32_t index : app.up) s.send(app.executors[index]->peer(), envelope);
}

void forgetExecutor(State& s, App& app, std::uint32_t index, const std::string& crash) {
  forgetDropping(s, app, *app.executors[index]);
  for (auto& [key, in] : app.instances) {
    if (!crash.empty()) chargeCrash(app, *in, index, crash);
  }
  breakGangAt(s, app, index);
  app.values.moveToCopies(index);
  app.mapOutputs.loseAll(index);
  for (auto& [key, in] : app.instances) {
    for (const auto& run : in->used) {
      for (std::uint32_t p = 0; p < run->parts.size(); ++p) {
        Part& part = run->parts[p];
        if (part.at != index || part.state == PartState::kAbsent) continue;
        Instance::Output* output = outputOf(*in, *run);
        if (output && part.state == PartState::kDone) {
          // What it staged lies in files, and small results came with the message; only rows that stayed there are gone.
          bool held = output->have[p] && p < output->results.size() && output->results[p].attachment() < 0 &&
                      output->results[p].staged().empty() && output->results[p].rows() > 0 && output->results[p].lines_size() == 0;
          if (!held) continue;
        }
        lose(in.get(), *run, p);
      }
    }
  }
  if (SLUICE_FAIL_POINT("master.values_of_the_lost_kept")) return;
  app.values.each([&](Run& run) {
    for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
      if (run.parts[p].at == index && run.parts[p].state != PartState::kAbsent) lose(nullptr, run, p);
    }
    std::erase_if(run.also, [&](const auto& entry) { return entry.second == index; });
  });
  for (auto& [hash, plan] : app.templates) {
    if (index < plan->sent.size()) plan->sent[index] = {};
  }
}

void resendTo(State& s, App& app, std::uint32_t index) {
  Executor& executor = *app.executors[index];
  executor.broadcasts.clear();
  resendDropping(s, app, executor);
  forgetInstalled(s, app, executor);  // it may have missed which plans were
  for (auto& [key, in] : app.instances) {
    for (std::size_t i = 0; i < in->sent.size(); ++i) {
      auto [at, envelope] = in->sent[i];
      if (at != index) continue;
      const auto& [plan, captures, placement] = in->launches[envelope->message.launch().k()];
      install(s, app, executor, *plan, captures, *placement);
      s.resend(executor.peer(), envelope);
    }
  }
}

}  // namespace sluice::master
