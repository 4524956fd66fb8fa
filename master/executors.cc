#include "master/executors.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/fail_point.h"
#include "master/applications.h"
#include "master/batches.h"
#include "master/checkpoints.h"
#include "master/jobs.h"
#include "master/marks.h"
#include "master/progress.h"
#include "master/publishing.h"
#include "master/scheduler.h"
#include "master/sources.h"
#include "master/storage.h"
#include "master/streams.h"
#include "master/takeover.h"
#include "master/workers.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kReadyWaitMs = 10'000;
constexpr std::uint32_t kFailedStarts = 10;

void membershipChanged(State& s, App& app) {
  app.up.clear();
  for (const auto& executor : app.executors) {
    if (executor->phase == Executor::Phase::kUp) app.up.push_back(executor->index);
  }
  std::sort(app.up.begin(), app.up.end(), [&](std::uint32_t a, std::uint32_t b) { return app.executors[a]->id < app.executors[b]->id; });
  app.placements.clear();
  watchStarved(s, app);
  if (!app.driver) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_members, [&](proto::Members& members) {
           members.set_app(app.id.value);
           for (std::uint32_t index : app.up) {
             const Executor& executor = *app.executors[index];
             auto* member = members.add_members();
             member->set_executor(executor.id.value), member->set_host(executor.host), member->set_address(executor.address);
             member->set_slots(executor.slots);
           }
         }));
}

// Goes on with everything that may have waited for an executor, or lost one.
void goOn(State& s, App& app) {
  for (auto& [number, stream] : app.streams) {
    if (stream->record && !stream->record->ended) openReceivers(s, app, *stream);
  }
  auto instances = app.instances;
  for (auto& [key, instance] : instances) {
    if (instance->over) continue;
    advance(s, app, *instance);
    if (instance->job) settleJob(s, app, instance);
  }
  for (auto& [whenMs, files] : app.jobFiles) publish(s, app, files);
  for (auto& [number, stream] : app.streams) {
    for (auto& [whenMs, batch] : stream->batches) {
      if (batch.filesBegun) publish(s, app, batch.files);
    }
    if (!app.over && stream->running) settleBatch(s, app, *stream);
    if (!app.over) pump(s, app, *stream);
  }
}

// Values that it reports count, those that it does not report are gone.
void compareKept(App& app, const Executor& executor, const proto::Report& report) {
  std::set<ValueId> held;
  for (const auto& kept : report.kept()) held.insert({kept.node(), kept.when_ms(), kept.partition()});
  app.values.eachKeep([&](std::uint32_t node, Run& run) {
    for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
      Part& part = run.parts[p];
      bool holds = held.contains({node, run.whenMs, p});
      if (part.state == PartState::kDone && part.at == executor.index && !holds) {
        run.move(part, PartState::kAbsent);
        part.at = kNowhere;
      } else if (part.state == PartState::kAbsent && holds && !run.shape().barrier) {  // those are made together or not at all
        run.move(part, PartState::kDone);
        part.at = executor.index;
      } else if (part.state == PartState::kDone && holds && part.at != executor.index) {
        app.values.addCopy({node, run.whenMs, p}, executor.index);
      }
    }
  });
}

void resendRest(State& s, App& app, Executor& executor) {
  if (!SLUICE_FAIL_POINT("master.launches_not_sent_again")) resendTo(s, app, executor.index);
  for (auto& [whenMs, files] : app.jobFiles) republish(s, app, files, executor.index);
  if (!app.releasedBefore.empty() || !app.droppedBefore.empty()) {
    s.send(executor.peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
             release.set_app(app.id.value);
             for (std::int64_t whenMs : app.releasedBefore) release.add_instances(whenMs);
             for (const auto& dropped : app.droppedBefore) *release.add_dropped() = dropped;
           }));
  }
  for (auto& [number, stream] : app.streams) {
    if (!stream->record || stream->record->ended) continue;
    s.send(executor.peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
             release.set_app(app.id.value);
             tellOver(*stream, release);
             if (app.repairs()) return;
             for (const auto& [node, below] : std::map<std::uint32_t, std::int64_t>(stream->marks.begin(), stream->marks.end())) {
               auto* mark = release.add_marks();
               mark->set_node(node), mark->set_below_ms(below);
             }
           }));
    resendReceivers(s, app, *stream, executor.index);
    for (auto& [at, envelope] : stream->restores) {
      if (at == executor.index) s.resend(executor.peer(), envelope);
    }
    for (auto& [at, envelope] : stream->checkpoint.sent) {
      if (at != executor.index) continue;
      installStream(s, app, executor, *stream);
      s.resend(executor.peer(), envelope, s.journal.last());
    }
    for (auto& [whenMs, batch] : stream->batches) {
      if (batch.filesBegun) republish(s, app, batch.files, executor.index);
    }
  }
}

// It may have missed that some are not wanted any more, or have them from the time of an earlier master.
void tellMapOutputs(State& s, const App& app, const Executor& executor) {
  s.send(executor.peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
           release.set_app(app.id.value), release.set_all_but(true);
           for (std::uint64_t name : app.mapOutputs.known()) release.add_exchanges(name);
         }));
}

}  // namespace

Executor& addExecutor(State& s, App& app, ExecutorId id) {
  if (Executor* known = app.executor(id.value)) return *known;
  auto executor = std::make_unique<Executor>();
  executor->id = id;
  executor->index = std::uint32_t(app.executors.size());
  app.indices[id.value] = executor->index;
  s.appOfExecutor[id.value] = app.id.value;
  app.executors.push_back(std::move(executor));
  return *app.executors.back();
}

void takeReport(State& s, Peer from, const EnvelopePtr& envelope) {
  const auto& report = envelope->message.report();
  App* app = s.app(report.app());
  const AppRecord* record = s.journal.app(report.app());
  if (!app && !record) {
    s.early[report.app()].emplace_back(from, envelope);
    return;
  }
  Executor* known = app ? app->executor(report.executor()) : nullptr;
  if (!app || (known && known->phase == Executor::Phase::kGone)) {
    s.send(from, messageOf(&proto::Message::mutable_refused, [&](proto::Refused& refused) {
             refused.set_why("unknown executor"), refused.set_term(s.journal.term());
           }));
    return;
  }
  Executor& executor = known ? *known : addExecutor(s, *app, ExecutorId{report.executor()});
  executor.session = executor.reported = true;
  executor.host = report.host(), executor.address = report.address(), executor.slots = report.slots();
  if (report.resources_size() != 0) executor.resources = readResources(report.resources());
  s.disarm({kExecutorGraceTimer, app->id.value, executor.id.value});
  if (!report.failed().empty()) return loseExecutor(s, *app, executor, report.failed(), "");
  compareKept(*app, executor, report);
  bool isNew = executor.phase != Executor::Phase::kUp, begins = isNew && known;
  executor.phase = Executor::Phase::kUp;
  app->failedStarts = 0;
  if (isNew) {
    if (app->takenUp.us != 0) forgetInstalled(s, *app, executor);  // an earlier master's
    membershipChanged(s, *app);
  } else {
    resendRest(s, *app, executor);
    resendStorage(s, *app, executor);
  }
  if (report.map_outputs() || (known && !isNew)) tellMapOutputs(s, *app, executor);
  if (isNew) tellExecutorAdded(s, *app, executor);
  if (!begins || app->watch.on || app->listening.on) askForCounts(s, *app, executor);  // or it goes on as it was told before
  for (const auto& stored : report.receivers()) {
    if (isNew) takeUpReceiver(s, *app, executor, stored);
    takeStored(s, *app, stored);
  }
  checkReady(s, *app, false);
  if (!app->over) goOn(s, *app);
}

void executorSession(State& s, App& app, Executor& executor, bool up) {
  executor.session = up;
  executor.reported = false;
  TimerName grace{kExecutorGraceTimer, app.id.value, executor.id.value};
  if (up) return s.disarm(grace);
  if (executor.phase == Executor::Phase::kGone) return;
  if (s.options.executorGraceMs <= 0) return loseExecutor(s, app, executor, "its session ended", "");
  s.arm(grace, s.now + Milliseconds(s.options.executorGraceMs));
}

void earlySessionDown(State& s, Peer executor) {
  std::set<std::uint64_t> apps;
  for (const auto& [app, ids] : s.announced) {
    if (std::find(ids.begin(), ids.end(), ExecutorId{executor.id}) != ids.end()) apps.insert(app);
  }
  for (const auto& [app, reports] : s.early) {
    if (std::any_of(reports.begin(), reports.end(), [&](const auto& entry) { return entry.first == executor; })) apps.insert(app);
  }
  for (std::uint64_t app : apps) s.early[app].emplace_back(executor, nullptr);
}

void takeExecutorDown(State& s, const proto::ExecutorDown& down) {
  auto owner = s.appOfExecutor.find(down.executor());
  App* app = owner == s.appOfExecutor.end() ? nullptr : s.app(owner->second);
  Executor* executor = app ? app->executor(down.executor()) : nullptr;
  if (!executor) return;
  std::string crash = !down.user_code() ? "" : down.crash().empty() ? down.how() : down.crash() + " (" + down.how() + ")";
  loseExecutor(s, *app, *executor, down.crash().empty() ? down.how() : down.how() + ": " + down.crash(), crash);
}

void loseExecutor(State& s, App& app, Executor& executor, const std::string& how, const std::string& crash) {
  if (executor.phase == Executor::Phase::kGone) return;
  bool began = executor.phase == Executor::Phase::kOrdered && !executor.awaited;
  executor.phase = Executor::Phase::kGone;
  s.disarm({kExecutorGraceTimer, app.id.value, executor.id.value});
  s.warn(app, "executor " + std::to_string(executor.id.value) + " is gone: " + how);
  s.measures.executorsLost.add();
  freeExecutor(s, executor);
  membershipChanged(s, app);
  forgetExecutor(s, app, executor.index, crash);
  app.watch.counts.erase(executor.index), app.watch.memory.erase(executor.index);
  if (!began) tellExecutorRemoved(s, app, executor, how);
  forgetStorage(s, app, executor);
  for (auto& [number, stream] : app.streams) {
    std::erase_if(stream->restores, [&](const auto& sent) { return sent.first == executor.index; });
    loseCheckpoint(s, app, *stream, executor.index);
    loseReceivers(s, app, *stream, executor.index);
  }
  for (auto& [whenMs, files] : app.jobFiles) republish(s, app, files, executor.index);
  for (auto& [number, stream] : app.streams) {
    for (auto& [whenMs, batch] : stream->batches) {
      if (batch.filesBegun) republish(s, app, batch.files, executor.index);
    }
  }
  if (began && ++app.failedStarts >= kFailedStarts) {
    return endApp(s, app, true, "executors cannot start: " + how, false);
  }
  bool any = std::any_of(app.executors.begin(), app.executors.end(), [](const auto& e) { return e->phase != Executor::Phase::kGone; });
  if (!any && began && s.workers.empty()) return endApp(s, app, true, "no executor could start: " + how, false);
  shareOut(s);
  checkReady(s, app, false);
  if (!app.over) goOn(s, app);
}

void checkReady(State& s, App& app, bool waitIsOver) {
  if (app.ready || app.over) return;
  if (waitIsOver) app.readyArmed = false;
  bool ordered = std::any_of(app.executors.begin(), app.executors.end(), [](const auto& e) { return e->phase == Executor::Phase::kOrdered; });
  // Without any other, those of an earlier master are worth waiting for longer.
  bool givesUp = waitIsOver && (!app.up.empty() || takeoverIsOver(s, app));
  bool dropped = givesUp && dropAwaited(s, app);
  if (ordered && (!waitIsOver || app.up.empty())) {
    if (!app.readyArmed) s.arm({kReadyTimer, app.id.value, 0}, s.now + Milliseconds(kReadyWaitMs));
    app.readyArmed = true;
    if (dropped) shareOut(s);
    return;
  }
  if (app.up.empty()) return;
  if (app.readyArmed) s.disarm({kReadyTimer, app.id.value, 0});
  app.ready = true;
  std::uint32_t slots = 0;
  for (const auto& executor : app.executors) {
    if (executor->phase != Executor::Phase::kGone) slots += executor->slots;
  }
  // Frozen: cached datasets of the application keep their number of partitions whoever joins.
  auto named = app.conf.find(conf::kDefaultParallelism);
  app.defaultPartitions = named && *named > 0 ? std::uint32_t(*named) : std::max(slots, 1u);
  app.facts = std::make_shared<Facts>();
  app.facts->defaultPartitions = app.defaultPartitions;
  startJobsToCome(s, app);
  if (!app.over) beginWaitingStreams(s, app);
  if (dropped) shareOut(s);
}

}  // namespace sluice::master
