#include "master/app_events.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "master/progress.h"
#include "master/stages.h"

namespace sluice::master {
namespace {

using Event = proto::AppEvent;

constexpr std::int64_t kLastWordsMs = 1000;  // executors tell of tasks of a job that is over within this time, or not at all

proto::AppEvent& add(State& s, App& app, Event::Kind kind) {
  Event& event = app.listening.events.emplace_back();
  event.set_kind(kind), event.set_at_ms(s.now.time().milliseconds());
  return event;
}

std::string nameOf(const Template& plan, std::uint32_t stage) {
  const auto& node = plan.view.node(plan.view.stages()[stage].root);
  return node.site().empty() ? node.name() : node.name() + " at " + node.site();
}

ToldInstance* find(App& app, const proto::InstanceId& id) {
  auto it = app.listening.instances.find({id.when_ms(), id.stream()});
  return it == app.listening.instances.end() || it->second.id.run() != id.run() ? nullptr : &it->second;
}

ToldInstance::Stage* stageOf(ToldInstance& told, std::uint32_t k, std::uint32_t stage, std::int64_t whenMs) {
  if (k >= told.plans.size() || !told.plans[k]) return nullptr;
  auto it = told.stages.find({told.plans[k]->hash(), stage, whenMs});
  return it == told.stages.end() ? nullptr : &it->second;
}

// As TaskContext::taskAttemptId makes it.
std::uint64_t taskId(const ToldInstance::Stage& stage, ToldInstance::TaskKey task) {
  return std::uint64_t(stage.info.id()) << 32 | std::uint64_t(task.first & 0xfffff) << 12 | (task.second & 0xfff);
}

void describe(const App& app, const ToldInstance::Stage& stage, ToldInstance::TaskKey key, const ToldInstance::Open& open, Event& event) {
  *event.mutable_stage() = stage.info;
  auto& task = *event.mutable_task();
  task.set_id(taskId(stage, key)), task.set_partition(key.first), task.set_attempt(key.second);
  task.set_launched_ms(open.launchedMs);
  if (open.executor >= app.executors.size()) return;
  task.set_executor(app.executors[open.executor]->id.value), task.set_host(app.executors[open.executor]->host);
}

void begin(State& s, App& app, const ToldInstance::Stage& stage, ToldInstance::TaskKey key, ToldInstance::Open& open, std::int64_t atMs) {
  if (std::exchange(open.started, true)) return;
  if (atMs != 0) open.launchedMs = atMs;
  describe(app, stage, key, open, add(s, app, Event::TASK_STARTED));
}

using OpenTask = std::map<ToldInstance::TaskKey, ToldInstance::Open>::iterator;

// Its entry goes. Of one that was to wait at its executor, and never ran, nothing is told.
void end(State& s, App& app, ToldInstance::Stage& stage, OpenTask task, Event::TaskEnd how, const std::string& why, const proto::TaskRecord* record) {
  bool ran = task->second.started || (record && record->started_ms() != 0);
  if (!ran && (how == Event::KILLED || how == Event::EXECUTOR_LOST)) return void(stage.open.erase(task));
  begin(s, app, stage, task->first, task->second, record ? record->started_ms() : 0);
  Event& event = add(s, app, Event::TASK_ENDED);
  describe(app, stage, task->first, task->second, event);
  auto& told = *event.mutable_task();
  told.set_end(how), told.set_why(why);
  told.set_finished_ms(record && record->ended_ms() != 0 ? record->ended_ms() : s.now.time().milliseconds());
  if (record) *told.mutable_metrics() = record->metrics();
  if (how == Event::WELL) stage.missing.erase(task->first.first);
  stage.open.erase(task);
}

void complete(State& s, App& app, ToldInstance::Stage& stage, const std::string& failure) {
  stage.completed = true;
  stage.info.set_completed_ms(s.now.time().milliseconds()), stage.info.set_failure(failure);
  *add(s, app, Event::STAGE_COMPLETED).mutable_stage() = stage.info;
}

// Stages that have all they are to have, those that others read first: of their ends the master may hear in another order.
void completeStages(State& s, App& app, ToldInstance& told) {
  auto waits = [&](const ToldInstance::Stage& stage) {
    const auto& below = stage.plan->shapes[stage.index].below;
    return std::any_of(told.stages.begin(), told.stages.end(), [&](const auto& entry) {
      const auto& other = entry.second;
      return &other != &stage && !other.completed && other.plan == stage.plan && other.index != stage.index &&
             std::binary_search(below.begin(), below.end(), other.index);
    });
  };
  for (bool more = true; more;) {
    more = false;
    for (auto& [key, stage] : told.stages) {
      if (stage.completed || !stage.missing.empty() || !stage.open.empty() || waits(stage)) continue;
      complete(s, app, stage, "");
      more = true;
    }
  }
}

// Of a task of whose end nobody tells: a job that ended well had what it made, but for what another try had made already.
void endUntold(State& s, App& app, const ToldInstance& told, ToldInstance::Stage& stage, OpenTask task) {
  bool well = told.failure.empty() && stage.missing.contains(task->first.first);
  end(s, app, stage, task, well ? Event::WELL : Event::KILLED, well ? "" : told.failure.empty() ? "its job was over" : told.failure, nullptr);
}

void endAll(State& s, App& app, ToldInstance& told) {
  for (auto& [key, stage] : told.stages) {
    while (!stage.open.empty()) endUntold(s, app, told, stage, stage.open.begin());
  }
  completeStages(s, app, told);
  for (auto& [key, stage] : told.stages) {
    if (!stage.completed) complete(s, app, stage, told.failure);
  }
  Event& event = add(s, app, Event::JOB_ENDED);
  *event.mutable_job() = told.job;
  event.mutable_job()->set_failure(told.failure);
}

// A job that is over, and of whose tasks all have been told.
void settle(State& s, App& app, const proto::InstanceId& id) {
  ToldInstance* told = find(app, id);
  if (!told) return;
  completeStages(s, app, *told);
  bool open = std::any_of(told->stages.begin(), told->stages.end(), [](const auto& entry) { return !entry.second.open.empty(); });
  if (!told->over || open) return;
  endAll(s, app, *told);
  app.listening.instances.erase({id.when_ms(), id.stream()});
}

// The executor has nothing more of an instance that is over.
void takeLastWord(State& s, App& app, ToldInstance& told, std::uint64_t id) {
  const Executor* executor = app.executor(id);
  if (!executor || !told.over) return;
  for (auto& [key, stage] : told.stages) {
    for (auto task = stage.open.begin(); task != stage.open.end();) {
      auto next = std::next(task);
      if (task->second.executor == executor->index) endUntold(s, app, told, stage, task);
      task = next;
    }
  }
  settle(s, app, proto::InstanceId(told.id));
}

}  // namespace

void listen(State& s, App& app, const proto::Listen& listen) {
  if (!listen.on()) return stopListening(s, app);
  s.disarm({kEventTimer, app.id.value, 0});
  app.listening = {};  // of a session that is gone
  app.listening.on = app.listening.first = true;
  for (std::uint32_t index : app.up) askForCounts(s, app, *app.executors[index]);
  for (std::uint32_t index : app.up) tellExecutorAdded(s, app, *app.executors[index]);
}

void stopListening(State& s, App& app) {
  if (!app.listening.on) return;
  s.disarm({kEventTimer, app.id.value, 0});
  app.listening = {};
  for (std::uint32_t index : app.up) askForCounts(s, app, *app.executors[index]);
}

void tellExecutorAdded(State& s, App& app, const Executor& executor) {
  if (!app.listening.on) return;
  auto& told = *add(s, app, Event::EXECUTOR_ADDED).mutable_executor();
  told.set_executor(executor.id.value), told.set_host(executor.host), told.set_slots(executor.slots);
}

void tellExecutorRemoved(State& s, App& app, const Executor& executor, const std::string& why) {
  if (!app.listening.on) return;
  auto& removed = *add(s, app, Event::EXECUTOR_REMOVED).mutable_executor();
  removed.set_executor(executor.id.value), removed.set_host(executor.host), removed.set_slots(executor.slots), removed.set_why(why);
  std::vector<proto::InstanceId> changed;
  for (auto& [key, told] : app.listening.instances) {
    for (auto& [stageKey, stage] : told.stages) {
      for (auto task = stage.open.begin(); task != stage.open.end();) {
        auto next = std::next(task);
        if (task->second.executor == executor.index) end(s, app, stage, task, Event::EXECUTOR_LOST, "its executor is gone: " + why, nullptr);
        task = next;
      }
    }
    if (told.over) changed.push_back(told.id);
  }
  for (const auto& id : changed) settle(s, app, id);
}

void tellJobBegun(State& s, App& app, Instance& in, const std::string& description) {
  if (!app.listening.on) return;
  auto key = std::pair(in.whenMs, in.id.stream());
  if (auto before = app.listening.instances.find(key); before != app.listening.instances.end()) {
    if (!before->second.over) before->second.failure = "it begins again";
    endAll(s, app, before->second);
    app.listening.instances.erase(before);
  }
  ToldInstance& told = app.listening.instances[key];
  told.id = in.id;
  (in.job ? told.job.set_number(std::uint64_t(-in.whenMs)) : told.job.set_batch_ms(in.whenMs));
  told.job.set_description(description);
  if (in.properties) *told.job.mutable_properties() = *in.properties;
  std::uint32_t first = firstStage(app, in, *in.plan);
  for (const auto& stage : in.plan->view.stages()) {
    auto& info = *told.job.add_stages();
    info.set_id(first + stage.index), info.set_name(nameOf(*in.plan, stage.index));
    info.set_tasks(in.plan->view.tasks(stage, in.whenMs, *in.facts));
  }
  *add(s, app, Event::JOB_STARTED).mutable_job() = told.job;
}

void tellLaunched(State& s, App& app, Instance& in, const std::shared_ptr<Template>& plan,
                  const std::vector<std::pair<std::uint32_t, const proto::Tasks*>>& tasks) {
  ToldInstance* told = app.listening.on ? find(app, in.id) : nullptr;
  if (!told) return;  // it began before anybody listened
  if (told->plans.size() <= in.k) told->plans.resize(in.k + 1);
  told->plans[in.k] = plan;
  std::map<ToldInstance::StageKey, std::uint32_t> counts;
  for (const auto& [executor, list] : tasks) {
    for (int i = 0; i < list->stage_size(); ++i) ++counts[{plan->hash(), list->stage(i), list->when_ms(i)}];
  }
  for (const auto& [key, count] : counts) {
    auto [it, isNew] = told->stages.try_emplace(key);
    ToldInstance::Stage& stage = it->second;
    if (!isNew && !stage.completed) continue;
    stage.plan = plan.get(), stage.index = std::get<1>(key), stage.completed = false;
    std::uint32_t id = firstStage(app, in, *plan) + stage.index;
    stage.info.Clear();
    stage.info.set_id(id), stage.info.set_attempt(told->attempts[id]++), stage.info.set_name(nameOf(*plan, stage.index));
    stage.info.set_tasks(count), stage.info.set_submitted_ms(s.now.time().milliseconds());
    *add(s, app, Event::STAGE_SUBMITTED).mutable_stage() = stage.info;
  }
  for (const auto& [executor, list] : tasks) {
    for (int i = 0; i < list->stage_size(); ++i) {
      ToldInstance::Stage& stage = told->stages[{plan->hash(), list->stage(i), list->when_ms(i)}];
      std::uint32_t partition = list->partition(i);
      stage.missing.insert(partition);
      for (auto open = stage.open.lower_bound({partition, 0}); open != stage.open.end() && open->first.first == partition; open = stage.open.lower_bound({partition, 0})) {
        end(s, app, stage, open, Event::KILLED, "it begins again elsewhere", nullptr);
      }
      stage.open[{partition, list->attempt(i)}] = {executor, s.now.time().milliseconds(), false};
    }
  }
}

void takeTasksStarted(State& s, App& app, const proto::TasksStarted& started) {
  ToldInstance* told = app.listening.on ? find(app, started.instance()) : nullptr;
  if (!told) return;
  for (const auto& record : started.tasks()) {
    auto* stage = stageOf(*told, started.k(), record.stage(), record.when_ms());
    auto open = stage ? stage->open.find({record.partition(), record.attempt()}) : std::map<ToldInstance::TaskKey, ToldInstance::Open>::iterator();
    if (stage && open != stage->open.end()) begin(s, app, *stage, open->first, open->second, record.started_ms());
  }
  if (started.last()) takeLastWord(s, app, *told, started.executor());
}

void tellTasksEnded(State& s, App& app, const proto::Prepared& prepared) {
  ToldInstance* told = app.listening.on && prepared.ended_size() > 0 ? find(app, prepared.instance()) : nullptr;
  if (!told) return;
  for (const auto& record : prepared.ended()) {
    auto* stage = stageOf(*told, prepared.k(), record.stage(), record.when_ms());
    if (!stage) continue;
    auto open = stage->open.find({record.partition(), record.attempt()});
    if (open != stage->open.end()) end(s, app, *stage, open, Event::WELL, "", &record);  // else it was told before
  }
  settle(s, app, proto::InstanceId(told->id));
}

void tellTaskFailed(State& s, App& app, const proto::Failed& failed) {
  ToldInstance* told = app.listening.on ? find(app, failed.instance()) : nullptr;
  auto* stage = told ? stageOf(*told, failed.k(), failed.stage(), failed.when_ms()) : nullptr;
  if (!stage) return;
  auto open = stage->open.find({failed.partition(), failed.attempt()});
  if (open == stage->open.end()) return;
  Event::TaskEnd how = failed.domain() == proto::DOMAIN_CANCELLED ? Event::KILLED : failed.domain() == proto::DOMAIN_LOST ? Event::INPUT_LOST : Event::FAILED;
  end(s, app, *stage, open, how, failed.message(), failed.has_record() ? &failed.record() : nullptr);
}

void tellJobOver(State& s, App& app, std::int64_t whenMs, std::uint32_t stream, const std::string& failure) {
  auto it = app.listening.instances.find({whenMs, stream});
  if (it == app.listening.instances.end() || it->second.over) return;
  Moment until = s.now + Milliseconds(kLastWordsMs);
  it->second.over = true, it->second.failure = failure, it->second.until = until;
  settle(s, app, proto::InstanceId(it->second.id));
  if (app.listening.instances.contains({whenMs, stream}) && !std::exchange(app.listening.armed, true)) {
    s.arm({kEventTimer, app.id.value, 0}, until);
  }
}

void eventTimer(State& s, App& app) {
  std::optional<Moment> next;
  for (auto it = app.listening.instances.begin(); it != app.listening.instances.end();) {
    ToldInstance& told = it->second;
    bool late = told.over && told.until <= s.now;
    if (late) endAll(s, app, told);
    else if (told.over) next = next ? std::min(*next, told.until) : told.until;
    it = late ? app.listening.instances.erase(it) : std::next(it);
  }
  app.listening.armed = next.has_value();
  if (next) s.arm({kEventTimer, app.id.value, 0}, *next);
}

void tellAllOver(State& s, App& app, const std::string& failure) {
  if (!app.listening.on) return;
  for (auto& [key, told] : app.listening.instances) {
    if (!told.over) told.failure = failure;
    endAll(s, app, told);
  }
  app.listening.instances.clear();
  s.disarm({kEventTimer, app.id.value, 0});
  sendEvents(s, app);
}

void sendEvents(State& s, App& app) {
  bool first = std::exchange(app.listening.first, false);
  if (app.listening.events.empty() && !first) return;
  auto events = std::exchange(app.listening.events, {});
  if (!app.driver || !app.driverUp) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_app_events, [&](proto::AppEvents& told) {
           told.set_app(app.id.value), told.set_first(first);
           for (auto& event : events) *told.add_events() = std::move(event);
         }));
}

}  // namespace sluice::master
