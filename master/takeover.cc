#include "master/takeover.h"

#include <algorithm>

#include "master/applications.h"
#include "master/executors.h"
#include "master/workers.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kComeBackMs = 10'000;  // sessions and workers, after a restart of the master

void await(State& s, App& app, std::uint64_t id) {
  if (id != 0 && !app.executor(id)) addExecutor(s, app, ExecutorId{id}).awaited = true;
}

// One holder of the block is enough.
void awaitHolder(State& s, App& app, const proto::Input& input) {
  if (!input.has_block()) return;
  bool any = std::any_of(input.holders().begin(), input.holders().end(), [&](std::uint64_t id) { return app.executor(id) != nullptr; });
  for (std::uint64_t id : input.holders()) {
    if (!any) await(s, app, id);
  }
}

}  // namespace

void beginTakeover(State& s, App& app) {
  app.takenUp = s.now;
  app.recovering = true;
  for (const auto& [number, stream] : app.streams) {
    for (const auto& [node, source] : stream->record->sources) await(s, app, source.executor);
  }
  for (const auto& [number, stream] : app.streams) {
    for (const auto& [node, source] : stream->record->sources) {
      for (const auto& waiting : source.waiting) awaitHolder(s, app, waiting.input);
    }
    for (const auto& [whenMs, inputs] : stream->blocks) {
      for (const auto& input : inputs) awaitHolder(s, app, input);
    }
  }
  s.arm({kTakeoverTimer, app.id.value, 0}, s.now + Milliseconds(kComeBackMs));
  // A driver in client mode comes by itself, or not at all; the worker of another tells what became of it, if it is still there.
  if (app.record->driver == 0) s.arm({kDriverTimer, app.id.value, 0}, s.now + Milliseconds(app.driverTimeoutMs));
  else s.arm({kDriverAwaitTimer, app.id.value, 0}, s.now + Milliseconds(s.options.heartbeatTimeoutMs));
}

void takeUpExecutors(State& s, Worker& worker, const proto::Register& enrol) {
  for (int i = 0; i < std::min(enrol.executors_size(), enrol.held_size()); ++i) {
    const auto& held = enrol.held(i);
    App* app = s.app(held.app());
    if (!app) continue;
    await(s, *app, enrol.executors(i));
    Executor& executor = *app->executor(enrol.executors(i));
    executor.worker = worker.id, executor.memoryBytes = held.memory_bytes();
    if (executor.phase != Executor::Phase::kOrdered) continue;
    executor.host = worker.host, executor.slots = held.slots(), executor.resources = readResources(held.resources());
  }
}

void takeoverTimer(State& s, App& app) {
  app.recovering = false;
  if (app.ready) dropAwaited(s, app);  // it went on with others; else checkReady does
  shareOut(s);
  checkReady(s, app, !app.up.empty());
}

bool dropAwaited(State& s, App& app) {
  bool any = false;
  for (auto& executor : app.executors) {
    if (!executor->awaited || executor->phase != Executor::Phase::kOrdered) continue;
    executor->phase = Executor::Phase::kGone, any = true;
    s.warn(app, "executor " + std::to_string(executor->id.value) + " has not come back since the master was started again");
    stopExecutor(s, *executor);
    freeExecutor(s, *executor);
  }
  return any;
}

bool takeoverIsOver(const State& s, const App& app) { return s.now >= app.takenUp + Milliseconds(s.options.heartbeatTimeoutMs); }

}  // namespace sluice::master
