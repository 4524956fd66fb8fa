#include "master/progress.h"

#include <algorithm>
#include <tuple>

#include "master/stages.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kTellEveryMs = 100;
constexpr std::size_t kEndedTold = 1000;  // jobs and batches that ended between two messages

std::string nameOf(const Template& plan, const Stage& stage) {
  const auto& node = plan.view.node(stage.root);
  return node.site().empty() ? node.name() : node.name() + " at " + node.site();
}

// What executors said last of a stage of an instance.
std::pair<std::uint32_t, std::uint32_t> countsOf(const App& app, const Instance& in, const Run& run) {
  std::uint32_t running = 0, done = 0;
  for (const auto& [executor, counts] : app.watch.counts) {
    auto it = counts.find({in.whenMs, in.id.stream(), run.plan->hash(), run.stage, run.whenMs});
    if (it == counts.end()) continue;
    running += it->second.running(), done += it->second.done();
  }
  return {running, done};
}

proto::Progress::Job describe(Moment now, const App& app, const Instance& in) {
  proto::Progress::Job job;
  if (in.job) job.set_number(std::uint64_t(-in.whenMs));
  job.set_when_ms(in.whenMs);
  for (const RunPtr& run : in.used) {
    auto first = std::find_if(in.firstStages.begin(), in.firstStages.end(), [&](const auto& entry) { return entry.first == run->plan.get(); });
    if (first == in.firstStages.end()) continue;  // it launched nothing of that plan
    std::uint32_t tasks = 0, present = 0;
    for (const Part& part : run->parts) {
      if (part.owner != in.serial || part.state == PartState::kAbsent || part.found) continue;
      ++tasks, present += part.state == PartState::kDone;
    }
    if (tasks == 0) continue;  // its results were there
    auto [running, done] = countsOf(app, in, *run);
    auto& stage = *job.add_stages();
    stage.set_id(first->second + run->stage), stage.set_name(nameOf(*run->plan, run->shape()));
    stage.set_tasks(tasks), stage.set_running(std::min(running, tasks - std::min(std::max(done, present), tasks)));
    stage.set_done(std::min(std::max(done, present), tasks));
    stage.set_submitted_ms(in.started.time().milliseconds()), stage.set_age_ms((now.us - in.started.us) / 1000);
    for (const auto& [plan, index, failed] : in.failedTasks) {
      if (plan == run->plan.get() && index == run->stage) stage.set_failed(failed);
    }
  }
  std::sort(job.mutable_stages()->begin(), job.mutable_stages()->end(), [](const auto& a, const auto& b) { return a.id() < b.id(); });
  return job;
}

void tell(State& s, App& app) {
  app.watch.dirty = false;
  if (!app.driver || !app.driverUp) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_progress, [&](proto::Progress& progress) {
           progress.set_app(app.id.value), progress.set_first(std::exchange(app.watch.first, false));
           for (auto& job : app.watch.ended) *progress.add_jobs() = std::move(job);
           for (auto& [key, instance] : app.instances) *progress.add_jobs() = describe(s.now, app, *instance);
           for (std::uint32_t index : app.up) {
             const Executor& executor = *app.executors[index];
             auto* to = progress.add_executors();
             to->set_executor(executor.id.value), to->set_host(executor.host), to->set_address(executor.address), to->set_slots(executor.slots);
             auto counts = app.watch.counts.find(index);
             if (counts != app.watch.counts.end()) {
               std::uint32_t running = 0;
               for (const auto& [stage, count] : counts->second) running += count.running();
               to->set_running(running);
             }
             if (auto memory = app.watch.memory.find(index); memory != app.watch.memory.end()) {
               to->set_stored_bytes(memory->second.first), to->set_memory_bytes(memory->second.second);
             }
           }
         }));
  app.watch.ended.clear();
}

}  // namespace

void askForCounts(State& s, App& app, Executor& executor) {
  s.send(executor.peer(), messageOf(&proto::Message::mutable_watch_tasks, [&](proto::WatchTasks& watch) {
           watch.set_app(app.id.value), watch.set_on(app.watch.on), watch.set_listens(app.listening.on);
         }));
}

void watch(State& s, App& app, const proto::Watch& watch) {
  if (!watch.on()) {
    if (!std::exchange(app.watch.on, false)) return;
    for (std::uint32_t index : app.up) askForCounts(s, app, *app.executors[index]);
    s.disarm({kProgressTimer, app.id.value, 0});
    app.watch = {};
    return;
  }
  bool began = !std::exchange(app.watch.on, true);
  app.watch.first = true;
  if (began) {
    for (std::uint32_t index : app.up) askForCounts(s, app, *app.executors[index]);
  }
  tell(s, app);
}

void takeTaskCounts(State& s, App& app, const proto::TaskCounts& message) {
  Executor* executor = app.executor(message.executor());
  if (!app.watch.on || !executor || !app.isUp(executor->index)) return;
  auto& counts = app.watch.counts[executor->index];
  for (const auto& stage : message.stages()) {
    auto instance = app.instances.find({stage.instance().when_ms(), stage.instance().stream()});
    if (instance == app.instances.end()) continue;
    counts[{stage.instance().when_ms(), stage.instance().stream(), stage.template_hash(), stage.stage(), stage.when_ms()}] = stage;
  }
  app.watch.memory[executor->index] = {message.stored_bytes(), message.memory_bytes()};
  progressed(s, app);
}

void progressed(State& s, App& app) {
  if (!app.watch.on) return;
  app.watch.dirty = true;
  if (app.watch.armed) return;
  tell(s, app);
  app.watch.armed = true;
  s.arm({kProgressTimer, app.id.value, 0}, s.now + Milliseconds(kTellEveryMs));
}

void progressTimer(State& s, App& app) {
  app.watch.armed = false;
  if (app.watch.dirty) progressed(s, app);
}

void noteEnd(State& s, App& app, const Instance& in, bool done) {
  if (!app.watch.on) return;
  proto::Progress::Job job = describe(s.now, app, in);
  job.set_ended(true);
  for (auto& stage : *job.mutable_stages()) {
    stage.set_running(0);
    if (done) stage.set_done(stage.tasks());
  }
  for (auto& [executor, counts] : app.watch.counts) {
    std::erase_if(counts, [&](const auto& entry) { return std::get<0>(entry.first) == in.whenMs && std::get<1>(entry.first) == in.id.stream(); });
  }
  if (app.watch.ended.size() < kEndedTold) app.watch.ended.push_back(std::move(job));
}

}  // namespace sluice::master
