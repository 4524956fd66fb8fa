#include "master/barriers.h"

#include <algorithm>

#include "master/batches.h"
#include "master/jobs.h"
#include "master/scheduler.h"

namespace sluice::master {
namespace {

TimerName timerOf(const App& app) { return {kBarrierTimer, app.id.value, 0}; }

// Host and port as others reach it, as far as it listens to the network at all.
std::string addressOf(const Executor& executor) {
  auto colon = executor.address.rfind(':');
  if (colon == std::string::npos || executor.address.find_first_not_of("0123456789", colon + 1) != std::string::npos) return executor.host;
  return executor.host + executor.address.substr(colon);
}

// Tells the tasks that have come to the round; `to`: one of them, else all.
void tell(State& s, App& app, Run& run, std::uint32_t round, const std::vector<std::string>& texts, const std::string& error,
          std::uint32_t to = kNowhere) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> byExecutor;
  for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
    bool told = to == kNowhere ? run.gang->tasks[p].here : to == p;
    if (told && app.isUp(run.parts[p].at)) byExecutor[run.parts[p].at].push_back(p);
  }
  for (const auto& [at, partitions] : byExecutor) {
    s.send(app.executors[at]->peer(), messageOf(&proto::Message::mutable_barrier_open, [&](proto::BarrierOpen& open) {
             *open.mutable_instance() = run.gang->instance;
             open.set_template_hash(run.plan->hash()), open.set_stage(run.stage), open.set_when_ms(run.whenMs), open.set_round(round);
             for (std::uint32_t p : partitions) open.add_partition(p), open.add_attempt(run.parts[p].attempt);
             for (const auto& text : texts) open.add_texts(text);
             open.set_error(error);
           }));
  }
}

void stop(State& s, Peer executor, const proto::InstanceId& instance, std::uint64_t plan, std::uint32_t stage, std::int64_t whenMs,
          std::uint32_t partition, std::uint32_t attempt) {
  s.send(executor, messageOf(&proto::Message::mutable_stop_task, [&](proto::StopTask& stop) {
           *stop.mutable_instance() = instance;
           stop.set_template_hash(plan), stop.set_stage(stage), stop.set_when_ms(whenMs);
           stop.set_partition(partition), stop.set_attempt(attempt), stop.set_by("the barrier stage");
         }));
}

// Whether it is of a task that runs now.
bool isCurrent(const App& app, const proto::BarrierWait& wait) {
  if (!app.gang) return false;
  const Run& run = *app.gang;
  const auto& id = run.gang->instance;
  return id.when_ms() == wait.instance().when_ms() && id.stream() == wait.instance().stream() && id.run() == wait.instance().run() &&
         run.plan->hash() == wait.template_hash() && run.stage == wait.stage() && run.whenMs == wait.when_ms() &&
         wait.partition() < run.parts.size() && run.parts[wait.partition()].attempt == wait.attempt() &&
         run.parts[wait.partition()].state != PartState::kPlaced;  // its next attempt is still to begin
}

std::string listOf(const Run& run, bool (*belongs)(const Gang::One&)) {
  std::string list;
  for (std::uint32_t p = 0; p < run.gang->tasks.size(); ++p) {
    if (belongs(run.gang->tasks[p])) list += (list.empty() ? "" : ", ") + std::to_string(p);
  }
  return list;
}

// Those who wait fail, and with them the stage.
void refuse(State& s, App& app, Run& run, const std::string& why) {
  s.disarm(timerOf(app));
  run.gang->error = why;
  tell(s, app, run, run.gang->round, {}, why);
}

void open(State& s, App& app, Run& run) {
  Gang& gang = *run.gang;
  s.disarm(timerOf(app));
  gang.texts.clear();
  for (std::uint32_t p = 0; p < gang.tasks.size(); ++p) {
    gang.texts.push_back(gang.round == 0 ? addressOf(*app.executors[run.parts[p].at]) : std::move(gang.tasks[p].text));
  }
  tell(s, app, run, gang.round, gang.texts, "");
  ++gang.round;
  gang.here = 0;
  for (auto& task : gang.tasks) task.here = false, task.text.clear();
}

// Whether the run is one of those that the reader is made from.
bool isBelow(const Run& run, const Run& reader) {
  const PlanView& view = reader.plan->view;
  const Stage& shape = run.shape();
  const Stage* stage = shape.sink == Stage::Sink::kKeep ? view.keepStage(shape.root) : shape.sink == Stage::Sink::kExchange ? view.exchangeStage(shape.exchange) : nullptr;
  const auto& below = reader.traits().below;
  return stage && stage->index != reader.stage && std::binary_search(below.begin(), below.end(), stage->index);
}

Instance* instanceOfGang(const App& app) {
  for (const auto& [key, instance] : app.instances) {
    if (instance->serial == app.gangOf) return instance.get();
  }
  return nullptr;
}

void end(State& s, App& app) {
  s.disarm(timerOf(app));
  app.gang->gang = nullptr;
  app.gang = nullptr;
  app.unsettled = true;
}

void look(State& s, App& app, Run& run) {
  Gang& gang = *run.gang;
  if (gang.left == gang.tasks.size()) return end(s, app);
  if (!gang.error.empty() || gang.here == 0 || gang.here + gang.left < gang.tasks.size()) return;
  const std::string& call = std::find_if(gang.tasks.begin(), gang.tasks.end(), [](const auto& task) { return task.here; })->call;
  auto other = std::find_if(gang.tasks.begin(), gang.tasks.end(), [&](const auto& task) { return task.here && task.call != call; });
  if (gang.left > 0) {
    refuse(s, app, run, "the other tasks wait in " + call + ", but those of partitions " + listOf(run, [](const Gang::One& task) { return task.left; }) +
                            " have ended without it; all tasks of a barrier stage must make the same calls");
  } else if (other != gang.tasks.end()) {
    refuse(s, app, run, "some tasks wait in " + call + " and others in " + other->call + "; all tasks of a barrier stage must make the same calls");
  } else {
    open(s, app, run);
  }
}

}  // namespace

void beginGang(App& app, Instance& instance, const RunPtr& run) {
  app.gang = run, app.gangOf = instance.serial;
  run->gang = std::make_unique<Gang>();
  run->gang->instance = instance.id;
  run->gang->tasks.resize(run->parts.size());
}

bool makeWay(State& s, App& app, const Run& wanted) {
  if (!app.gang) return true;
  RunPtr run = app.gang;
  if (run->gang->round > 0 || !isBelow(wanted, *run)) return false;
  Instance* instance = instanceOfGang(app);
  breakGang(s, app, instance, *run);
  if (instance) instance->waitsForGang = true;
  return true;
}

void takeWait(State& s, App& app, Peer from, const proto::BarrierWait& wait) {
  if (!isCurrent(app, wait)) {
    if (!wait.left()) stop(s, from, wait.instance(), wait.template_hash(), wait.stage(), wait.when_ms(), wait.partition(), wait.attempt());
    return;
  }
  Run& run = *app.gang;
  Gang& gang = *run.gang;
  Gang::One& task = gang.tasks[wait.partition()];
  if (wait.left()) {
    if (task.left) return;
    task.left = true, ++gang.left;
  } else if (wait.round() + 1 == gang.round) {  // the answer was lost
    return tell(s, app, run, wait.round(), gang.texts, "", wait.partition());
  } else if (wait.round() != gang.round) {
    return;
  } else if (!gang.error.empty()) {
    return tell(s, app, run, gang.round, {}, gang.error, wait.partition());
  } else if (task.here) {
    return;
  } else {
    task.here = true, task.call = wait.call(), task.text = wait.text();
    if (++gang.here == 1 && gang.round > 0) s.arm(timerOf(app), s.now + app.conf.get(conf::kBarrierSyncTimeout));
  }
  look(s, app, run);
}

void barrierTimedOut(State& s, App& app) {
  if (!app.gang || app.gang->gang->here == 0 || !app.gang->gang->error.empty()) return;
  Run& run = *app.gang;
  Gang& gang = *run.gang;
  const std::string& call = std::find_if(gang.tasks.begin(), gang.tasks.end(), [](const auto& task) { return task.here; })->call;
  refuse(s, app, run, std::to_string(gang.here) + " of " + std::to_string(gang.tasks.size()) + " tasks came to " + call + " within " +
                          std::to_string(app.conf.get(conf::kBarrierSyncTimeout).milliseconds()) +
                          " ms (sluice.barrier.sync.timeout), but not those of partitions " +
                          listOf(run, [](const Gang::One& one) { return !one.here && !one.left; }));
}

void breakGang(State& s, App& app, Instance* instance, Run& run) {
  for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
    Part& part = run.parts[p];
    if (part.state == PartState::kAbsent) continue;
    if (run.gang && part.state == PartState::kLaunched && app.isUp(part.at)) {
      stop(s, app.executors[part.at]->peer(), run.gang->instance, run.plan->hash(), run.stage, run.whenMs, p, part.attempt);
    }
    lose(instance, run, p);
  }
  for (auto& [key, in] : app.instances) std::erase_if(in->blocked, [&](const auto& entry) { return entry.first == &run; });
  if (app.gang.get() == &run) end(s, app);
}

void breakGangAt(State& s, App& app, std::uint32_t executor) {
  if (!app.gang) return;
  RunPtr run = app.gang;
  bool there = std::any_of(run->parts.begin(), run->parts.end(), [&](const Part& part) { return part.at == executor; });
  if (there || run->gang->round == 0) breakGang(s, app, instanceOfGang(app), *run);
}

void leaveGang(State& s, App& app, const Instance& instance) {
  if (app.gang && app.gangOf == instance.serial) end(s, app);
}

void settleGangs(State& s, App& app) {
  while (std::exchange(app.unsettled, false) && !app.over) {
    auto instances = app.instances;
    for (auto& [key, instance] : instances) {
      if (instance->over) continue;
      if (instance->waitsForGang || !instance->blocked.empty()) advance(s, app, *instance);
      if (instance->failure.empty()) continue;
      auto stream = app.streams.find(instance->id.stream());
      if (instance->job) settleJob(s, app, instance);
      else if (stream != app.streams.end()) settleBatch(s, app, *stream->second);
    }
  }
}

}  // namespace sluice::master
