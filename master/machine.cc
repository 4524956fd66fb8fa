#include "master/machine.h"

#include "master/applications.h"
#include "master/barriers.h"
#include "master/batches.h"
#include "master/broadcasts.h"
#include "master/checkpoints.h"
#include "master/executors.h"
#include "master/jobs.h"
#include "master/marks.h"
#include "master/progress.h"
#include "master/publishing.h"
#include "master/scheduler.h"
#include "master/sources.h"
#include "master/scaling.h"
#include "master/stages.h"
#include "master/state.h"
#include "master/storage.h"
#include "master/streams.h"
#include "master/takeover.h"
#include "master/workers.h"

namespace sluice::master {
namespace {

Stream* streamOf(App& app, std::uint32_t number) {
  auto it = app.streams.find(number);
  return it == app.streams.end() ? nullptr : it->second.get();
}

InstancePtr instanceOf(State& s, const proto::InstanceId& id) {
  App* app = s.app(id.app());
  if (!app) return nullptr;
  auto it = app->instances.find({id.when_ms(), id.stream()});
  return it == app->instances.end() || it->second->id.run() != id.run() ? nullptr : it->second;
}

void takePrepared(State& s, const EnvelopePtr& envelope) {
  if (App* app = s.app(envelope->message.prepared().instance().app())) tellTasksEnded(s, *app, envelope->message.prepared());
  InstancePtr instance = instanceOf(s, envelope->message.prepared().instance());
  if (!instance) return;  // over: it was told, or will be, by Release
  App& app = *s.app(instance->id.app());
  takePrepared(s, app, *instance, *envelope);
  bool keeps = envelope->message.prepared().kept_size() > 0;
  if (instance->job) {
    settleJob(s, app, instance);
  } else if (Stream* stream = streamOf(app, instance->id.stream())) {
    settleBatch(s, app, *stream);
  }
  if (!keeps || app.instances.size() < 2) return;
  auto others = app.instances;  // one of them may have waited for such a value
  for (auto& [key, other] : others) {
    if (other != instance && !other->over && (!other->blocked.empty() || other->waitsForGang)) advance(s, app, *other);
  }
}

void takeFailed(State& s, const proto::Failed& failed) {
  if (App* app = s.app(failed.instance().app())) tellTaskFailed(s, *app, failed);
  InstancePtr instance = instanceOf(s, failed.instance());
  if (!instance) return;
  App& app = *s.app(instance->id.app());
  switch (takeFailed(s, app, *instance, failed)) {
    case Verdict::kStale: return;
    case Verdict::kAgain: return advance(s, app, *instance);
    case Verdict::kFailed: break;
  }
  if (instance->job) return failJob(s, app, instance, failed);
  if (Stream* stream = streamOf(app, instance->id.stream())) failBatch(s, app, *stream, failed);
}

void takePublished(State& s, const proto::Published& published) {
  App* app = s.app(published.instance().app());
  if (!app) return;
  std::int64_t whenMs = published.instance().when_ms();
  if (whenMs < 0) {
    if (auto files = app->jobFiles.find(whenMs); files != app->jobFiles.end()) {
      takePublished(s, *app, files->second, published);
      settleJobFiles(s, *app, whenMs);
    }
    return;
  }
  Stream* stream = streamOf(*app, published.instance().stream());
  if (!stream) return;
  auto batch = stream->batches.find(whenMs);
  if (batch == stream->batches.end()) return;
  takePublished(s, *app, batch->second.files, published);
  pump(s, *app, *stream);
}

// Messages of a driver about its application.
void fromDriver(State& s, Peer from, const EnvelopePtr& envelope) {
  const auto& m = envelope->message;
  auto withApp = [&](std::uint64_t id, auto f) {
    if (App* app = s.app(id)) f(*app);
  };
  switch (m.body_case()) {
    case proto::Message::kRunJob: return withApp(m.run_job().app(), [&](App& app) { runJob(s, app, envelope); });
    case proto::Message::kCancelJob: return withApp(m.cancel_job().app(), [&](App& app) { cancelJob(s, app, m.cancel_job()); });
    case proto::Message::kCancelStage: return withApp(m.cancel_stage().app(), [&](App& app) { cancelStage(s, app, m.cancel_stage()); });
    case proto::Message::kKillTask: return withApp(m.kill_task().app(), [&](App& app) { killTask(s, app, m.kill_task()); });
    case proto::Message::kWatch: return withApp(m.watch().app(), [&](App& app) { watch(s, app, m.watch()); });
    case proto::Message::kAskStorage: return withApp(m.ask_storage().app(), [&](App& app) { askStorage(s, app, m.ask_storage()); });
    case proto::Message::kScaleExecutors: return withApp(m.scale_executors().app(), [&](App& app) { scaleExecutors(s, app, m.scale_executors()); });
    case proto::Message::kListen: return withApp(m.listen().app(), [&](App& app) { listen(s, app, m.listen()); });
    case proto::Message::kAskPart: return withApp(m.ask_part().app(), [&](App& app) { answerPart(s, app, m.ask_part()); });
    case proto::Message::kUnpersist: return withApp(m.unpersist().app(), [&](App& app) { unpersist(s, app, m.unpersist()); });
    case proto::Message::kShare: return withApp(m.share().app(), [&](App& app) { takeShare(s, app, *envelope); });
    case proto::Message::kStartStream: return withApp(m.start_stream().app(), [&](App& app) { startStream(s, app, envelope); });
    case proto::Message::kPlanned: return withApp(m.planned().app(), [&](App& app) { takePlanned(s, app, envelope); });
    case proto::Message::kOutputDone:
      return withApp(m.output_done().app(), [&](App& app) {
        if (Stream* stream = streamOf(app, m.output_done().stream())) takeOutputDone(s, app, *stream, m.output_done());
      });
    case proto::Message::kDrain:
      return withApp(m.drain().app(), [&](App& app) {
        if (Stream* stream = streamOf(app, m.drain().stream())) drain(s, app, *stream, m.drain().now());
      });
    case proto::Message::kWatchStream:
      return withApp(m.watch_stream().app(), [&](App& app) {
        if (Stream* stream = streamOf(app, m.watch_stream().stream())) watchStream(*stream, m.watch_stream().on());
      });
    case proto::Message::kEndApp: return withApp(m.end_app().app(), [&](App& app) { takeEndApp(s, app, m.end_app()); });
    case proto::Message::kSubscribe:
      return withApp(m.subscribe().app(), [&](App& app) { subscribe(s, app, from, m.subscribe().from()); });
    default: return;
  }
}

void dispatch(State& s, Peer from, const EnvelopePtr& envelope) {
  const auto& m = envelope->message;
  switch (m.body_case()) {
    case proto::Message::kPrepared: return takePrepared(s, envelope);
    case proto::Message::kFailed: return takeFailed(s, m.failed());
    case proto::Message::kBarrierWait:
      if (App* app = s.app(m.barrier_wait().instance().app())) takeWait(s, *app, from, m.barrier_wait());
      return;
    case proto::Message::kStored:
      if (App* app = s.app(m.stored().app())) takeStored(s, *app, m.stored());
      return;
    case proto::Message::kKeptCopied:
      if (App* app = s.app(m.kept_copied().app())) takeCopy(*app, m.kept_copied());
      return;
    case proto::Message::kGet:
      if (App* app = s.app(m.get().app())) answerGet(s, *app, from, m.get());
      return;
    case proto::Message::kDropped:
      if (App* app = s.app(m.dropped().app())) takeDropped(s, *app, from, m.dropped().request());
      return;
    case proto::Message::kReport: return takeReport(s, from, envelope);
    case proto::Message::kTaskCounts:
      if (App* app = s.app(m.task_counts().app())) takeTaskCounts(s, *app, m.task_counts());
      return;
    case proto::Message::kStorage:
      if (App* app = s.app(m.storage().app())) takeStorage(s, *app, m.storage());
      return;
    case proto::Message::kTasksStarted:
      if (App* app = s.app(m.tasks_started().instance().app())) takeTasksStarted(s, *app, m.tasks_started());
      return;
    case proto::Message::kPublished: return takePublished(s, m.published());
    case proto::Message::kCheckpointWritten:
      if (App* app = s.app(m.checkpoint_written().app())) takeWritten(s, *app, m.checkpoint_written());
      return;
    case proto::Message::kRestored:
      if (App* app = s.app(m.restored().app())) takeRestored(s, *app, m.restored());
      return;
    case proto::Message::kSubmit: return takeSubmit(s, from, m.submit());
    case proto::Message::kStatus: return takeStatus(s, from, m.status());
    case proto::Message::kKill: return takeKill(s, from, m.kill().id());
    case proto::Message::kEnrol: return takeRegister(s, from, m.enrol());
    case proto::Message::kHeartbeat: return takeHeartbeat(s, m.heartbeat());
    case proto::Message::kExecutorDown: return takeExecutorDown(s, m.executor_down());
    case proto::Message::kDriverDown: return takeDriverDown(s, m.driver_down());
    default: return fromDriver(s, from, envelope);
  }
}

void timer(State& s, TimerName name) {
  if (name.kind == kWorkerTimer) return checkWorker(s, name.a);
  App* app = s.app(name.a);
  if (!app) return;
  switch (name.kind) {
    case kTickTimer:
      if (Stream* stream = streamOf(*app, std::uint32_t(name.b))) tick(s, *app, *stream);
      return;
    case kSealTimer:
      if (Stream* stream = streamOf(*app, std::uint32_t(name.b))) pump(s, *app, *stream);
      return;
    case kExecutorGraceTimer:
      if (Executor* executor = app->executor(name.b); executor && !executor->session) {
        if (executor->worker != 0) stopExecutor(s, *executor);  // if it lives, it is not to use what others get
        loseExecutor(s, *app, *executor, "its session ended", "");
      }
      return;
    case kDriverTimer: return driverTimedOut(s, *app);
    case kReadyTimer: return checkReady(s, *app, true);
    case kDriverRestartTimer:
      if (!startDriver(s, *app->record)) s.arm(name, s.now + Milliseconds(app->driverDelayMs));
      return;
    case kReleaseTimer: return flushReleased(s, *app);
    case kProgressTimer: return progressTimer(s, *app);
    case kBarrierTimer: return barrierTimedOut(s, *app);
    case kEventTimer: return eventTimer(s, *app);
    case kStarvedTimer: return warnStarved(s, *app);
    case kTakeoverTimer: return takeoverTimer(s, *app);
    case kDriverAwaitTimer: return driverNotBack(s, *app);
    default: return;
  }
}

}  // namespace

Machine::Machine(Options options, Effects& effects) : state_(std::make_unique<State>(std::move(options), effects)) {}
Machine::~Machine() = default;

template <class Event> void Machine::handle(Moment now, Event event) {
  state_->now = now;
  watchClock(*state_);
  event(*state_);
  for (auto& [id, app] : state_->apps) {
    if (app->unsettled) settleGangs(*state_, *app);
    sendEvents(*state_, *app);
  }
  state_->reap();
}

absl::Status Machine::replay(std::uint64_t sequence, const proto::JournalRecord& record) {
  state_->synced = sequence;
  return state_->journal.apply(sequence, record);
}

absl::Status Machine::restore(std::uint64_t sequence, const proto::JournalSnapshot& snapshot) {
  state_->synced = sequence;
  return state_->journal.restore(sequence, snapshot);
}

void Machine::start(Moment now) {
  handle(now, [](State& s) {
    proto::JournalRecord record;
    record.mutable_term_started()->set_term(s.journal.term() + 1);
    s.termSequence = s.commit(record);
    for (const auto& [number, found] : s.journal.apps()) {
      if (found.ended) continue;
      AppRecord& kept = *s.journal.app(number);
      App& app = openApp(s, kept);
      app.wantsExecutors = false;  // those that live will report; more are ordered when its driver attaches
      for (auto& [streamNumber, streamRecord] : kept.streams) {
        if (streamRecord.ended) continue;
        auto& stream = app.streams[streamNumber] = std::make_unique<Stream>();
        stream->number = streamNumber;
        stream->record = &streamRecord;
        resumeStream(s, app, *stream);
      }
      beginTakeover(s, app);
      s.log(app, "taken up again");
    }
  });
}

void Machine::onMessage(Peer from, const EnvelopePtr& envelope, Moment now) {
  handle(now, [&](State& s) { dispatch(s, from, envelope); });
}

void Machine::onSession(Peer with, bool up, Moment now) {
  handle(now, [&](State& s) {
    if (with.role == Role::kExecutor) {
      auto owner = s.appOfExecutor.find(with.id);
      App* app = owner == s.appOfExecutor.end() ? nullptr : s.app(owner->second);
      Executor* executor = app ? app->executor(with.id) : nullptr;
      if (executor) executorSession(s, *app, *executor, up);
      else if (!up) earlySessionDown(s, with);
    } else if (with.role == Role::kWorker) {
      workerSession(s, with.id, up);
    } else {
      driverSession(s, with, up);
    }
  });
}

void Machine::onTimer(TimerName name, Moment now) {
  handle(now, [&](State& s) {
    s.timers.erase(name);
    timer(s, name);
  });
}

void Machine::onSynced(std::uint64_t sequence, Moment now) {
  handle(now, [&](State& s) {
    s.synced = std::max(s.synced, sequence);
    for (auto& [id, app] : s.apps) {
      for (auto& [number, stream] : app->streams) {
        if (stream->record && !stream->marksToCome.empty()) raiseMarks(s, *app, *stream);
      }
    }
  });
}

void Machine::onManifestWritten(AppId app, std::uint32_t stream, std::int64_t whenMs, const std::string& error, Moment now) {
  handle(now, [&](State& s) {
    App* found = s.app(app.value);
    if (Stream* of = found ? streamOf(*found, stream) : nullptr) takeManifestWritten(s, *found, *of, whenMs, error);
  });
}

void Machine::onManifestRead(AppId app, std::uint32_t stream, const proto::Manifest* manifest, const std::string& error,
                             const std::string& warning, Moment now) {
  handle(now, [&](State& s) {
    App* found = s.app(app.value);
    if (Stream* of = found ? streamOf(*found, stream) : nullptr) takeManifest(s, *found, *of, manifest, error, warning);
  });
}

void Machine::addExecutor(AppId app, ExecutorId executor) {
  if (App* found = state_->app(app.value)) {
    master::addExecutor(*state_, *found, executor);
  } else {
    state_->announced[app.value].push_back(executor);
  }
}

std::string Machine::describe() const { return describeApps(*state_); }
proto::JournalSnapshot Machine::journalSnapshot() const { return state_->journal.snapshot(); }

}  // namespace sluice::master
