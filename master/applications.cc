#include "master/applications.h"

#include <algorithm>
#include <cstdio>

#include "master/batches.h"
#include "master/broadcasts.h"
#include "master/executors.h"
#include "master/jobs.h"
#include "master/pools.h"
#include "master/progress.h"
#include "master/scheduler.h"
#include "master/streams.h"
#include "master/workers.h"

namespace sluice::master {
namespace {

constexpr const char* kListAll = "list";  // asked for in the place of an id
constexpr const char* kMetrics = "metrics";
constexpr std::int64_t kLongestDriverDelayMs = 60'000;
constexpr std::int64_t kDriverRanWellMs = 5'000;

// yyyyMMddHHmmss, UTC, without a calendar library: days to a civil date.
std::string stamp(std::int64_t ms) {
  std::int64_t days = ms / 86'400'000, rest = ms / 1000 % 86'400;
  std::int64_t z = days + 719'468, era = z / 146'097, doe = z - era * 146'097;
  std::int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  std::int64_t mp = (5 * doy + 2) / 153, day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
  char text[80];
  std::snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02d", int(yoe + era * 400 + (month <= 2)), int(month), int(day), int(rest / 3600),
                int(rest / 60 % 60), int(rest % 60));
  return text;
}

std::string numbered(std::uint64_t n) {
  char text[24];
  std::snprintf(text, sizeof text, "%04llu", static_cast<unsigned long long>(n));
  return text;
}

bool isLocal(const App& app) {
  auto master = app.conf.text("sluice.master").value_or("");
  return master.rfind("local", 0) == 0 && master.rfind("local-cluster", 0) != 0;
}

void readConf(const State& s, App& app, const proto::Submit& submit) {
  for (const auto& pair : submit.conf()) (void)app.conf.setPair(pair, ConfOrigin::kProgram);  // checked by who submitted it
  auto failures = app.conf.find(conf::kTaskMaxFailures);
  app.maxFailures = failures && *failures > 0 ? std::uint32_t(std::min<std::int64_t>(*failures, 255)) : 4;
  if (isLocal(app) && !app.conf.isSet("sluice.task.maxFailures")) {
    std::string master = app.conf.text("sluice.master").value_or("");
    auto comma = master.find(',');
    app.maxFailures = comma == std::string::npos ? 1 : std::max(1u, std::uint32_t(std::atoi(master.c_str() + comma + 1)));
  }
  app.fair = isFair(app.conf);
  app.rates = rateOptionsOf(app.conf);
  app.driverTimeoutMs = s.options.driverTimeoutMs;
  if (app.conf.isSet("sluice.driver.timeout")) app.driverTimeoutMs = app.conf.get(conf::kDriverTimeout).milliseconds();
}

void answerSubmitted(State& s, App& app, Peer to, std::uint64_t nonce, std::uint64_t after) {
  s.send(to, messageOf(&proto::Message::mutable_submitted, [&](proto::Submitted& submitted) {
           submitted.set_nonce(nonce), submitted.set_app(app.id.value), submitted.set_app_id(app.record->appId);
           submitted.set_driver(app.record->driver), submitted.set_driver_id(app.record->driverId);
           submitted.set_attempt(app.record->driverAttempt);
           std::uint32_t slots = 0;
           for (const auto& executor : app.executors) slots += executor->phase == Executor::Phase::kGone ? 0 : executor->slots;
           std::uint32_t frozen = app.defaultPartitions;  // also of a stream that an earlier master began
           for (const auto& [number, stream] : app.streams) frozen = std::max(frozen, stream->record ? stream->record->defaultPartitions : 0);
           submitted.set_default_parallelism(frozen ? frozen : slots);
         }), after);
}

// Executors that announced themselves, reported, or were lost before the application was there.
void takeEarly(State& s, App& app) {
  for (ExecutorId id : std::exchange(s.announced[app.id.value], {})) addExecutor(s, app, id);
  s.announced.erase(app.id.value);
  auto reports = std::exchange(s.early[app.id.value], {});
  s.early.erase(app.id.value);
  for (const auto& [from, envelope] : reports) {
    Executor* known = app.executor(from.id);
    if (envelope) takeReport(s, from, envelope);
    else if (known) executorSession(s, app, *known, false);
  }
}

void attach(State& s, App& app, Peer driver, const proto::Submit& submit) {
  if (!app.driver) {  // another one, in the place of the last: it has not said yet how many executors it wants, and has other nodes
    app.executorTarget.reset();
    dropMapOutputs(s, app, {app.mapOutputs.known().begin(), app.mapOutputs.known().end()});
  }
  if (!app.executorTarget && submit.has_executors()) app.executorTarget = submit.executors();
  app.driver = driver, app.driverUp = true, app.driverStarted = s.now;
  s.disarm({kDriverTimer, app.id.value, 0});
}

void wantExecutors(State& s, App& app) {
  if (isLocal(app)) return;
  app.wantsExecutors = true;
  shareOut(s);
  watchStarved(s, app);
}

// What the driver was asked and may not have heard.
void askDriverAgain(State& s, App& app) {
  for (auto& [number, stream] : app.streams) {
    if (!stream->record || stream->phase == Stream::Phase::kStopped) continue;
    stream->askedMs = 0;
    rerunFunction(s, app, *stream);
    pump(s, app, *stream);
  }
}

const char* stateOf(const AppRecord& record, const App* app) {
  if (record.ended) return record.killed ? "KILLED" : record.failed ? "FAILED" : "FINISHED";
  return app && app->ready ? "RUNNING" : "SUBMITTED";
}

std::string measured(State& s) {
  std::size_t up = 0;
  for (const auto& [id, app] : s.apps) up += app->up.size();
  s.measures.applications.set(std::int64_t(s.apps.size()));
  s.measures.executors.set(std::int64_t(up));
  s.measures.workers.set(std::count_if(s.workers.begin(), s.workers.end(), [](const auto& entry) { return !entry.second.lost; }));
  return s.measures.all.text();
}

const AppRecord* recordOf(const State& s, const std::string& id) {
  for (const auto& [number, record] : s.journal.apps()) {
    if (record.appId == id || (!record.driverId.empty() && record.driverId == id)) return &record;
  }
  return nullptr;
}

void answerStatus(State& s, Peer to, const std::string& id, const AppRecord* record) {
  s.send(to, messageOf(&proto::Message::mutable_status_reply, [&](proto::StatusReply& reply) {
           reply.set_id(id), reply.set_found(record != nullptr);
           if (!record) return;
           const App* app = s.app(record->app);
           reply.set_state(stateOf(*record, app));
           std::string detail = record->appId + " " + record->submit.name();
           if (app) detail += ", " + std::to_string(app->up.size()) + " executors";
           if (!record->why.empty()) detail += ": " + record->why;
           reply.set_detail(detail);
         }), s.journal.last());
}

}  // namespace

App& openApp(State& s, AppRecord& record) {
  auto& app = s.apps[record.app];
  app = std::make_unique<App>();
  app->id = AppId{record.app};
  app->record = &record;
  readConf(s, *app, record.submit);
  return *app;
}

void takeSubmit(State& s, Peer from, const proto::Submit& submit) {
  for (auto& [id, app] : s.apps) {
    bool same = submit.driver() != 0 ? app->record->driver == submit.driver() : app->record->submit.nonce() == submit.nonce();
    if (!same) continue;
    App& found = *app;
    if (submit.driver() != 0) readConf(s, found, submit);
    bool attaches = submit.driver() != 0 || !submit.cluster_mode();
    if (attaches) attach(s, found, from, submit);
    answerSubmitted(s, found, from, submit.nonce(), s.journal.last());
    if (attaches) wantExecutors(s, found);
    return askDriverAgain(s, found);
  }
  if (submit.driver() != 0) {
    s.send(from, messageOf(&proto::Message::mutable_submitted, [&](proto::Submitted& submitted) {
             submitted.set_nonce(submit.nonce()), submitted.set_error("the application of driver " + std::to_string(submit.driver()) + " is over");
           }));
    return;
  }
  proto::JournalRecord record;
  auto& submitted = *record.mutable_app_submitted();
  std::uint64_t number = s.journal.nextApp();
  std::string suffix = stamp(s.now.time().milliseconds()) + "-" + numbered(number);
  submitted.set_app(number), submitted.set_at_ms(s.now.time().milliseconds());
  submitted.set_app_id("app-" + suffix);
  *submitted.mutable_submit() = submit;
  if (submit.cluster_mode()) submitted.set_driver(s.journal.nextDriver()), submitted.set_driver_id("driver-" + suffix);
  std::uint64_t sequence = s.commit(record);
  App& app = openApp(s, *s.journal.app(number));
  if (submit.cluster_mode()) {
    if (!startDriver(s, *app.record)) s.log(app, "waits for a worker to start its driver");
    return answerSubmitted(s, app, from, submit.nonce(), sequence);
  }
  attach(s, app, from, submit);
  wantExecutors(s, app);  // first, so that the answer tells how many slots there will be
  takeEarly(s, app);
  answerSubmitted(s, app, from, submit.nonce(), sequence);
}

void driverSession(State& s, Peer driver, bool up) {
  for (auto& [id, app] : s.apps) {
    app->subscribers.erase(driver);
    std::erase_if(app->waiters, [&](const auto& waiter) { return waiter.first == driver; });
    if (app->driver != driver) continue;
    app->driverUp = up;
    if (!up) watch(s, *app, {}), stopListening(s, *app);
    TimerName gone{kDriverTimer, app->id.value, 0};
    if (up) {
      s.disarm(gone);
    } else if (app->record->driver == 0) {  // in cluster mode its worker tells what became of it
      s.arm(gone, s.now + Milliseconds(app->driverTimeoutMs));
    }
  }
}

void driverTimedOut(State& s, App& app) {
  if (!app.driverUp) endApp(s, app, true, "its driver has been gone for " + std::to_string(app.driverTimeoutMs) + " ms", false);
}

// Its worker tells of a driver that is gone, unless it is gone, too.
void driverNotBack(State& s, App& app) {
  auto worker = s.workers.find(app.record->driverWorker);
  bool watched = worker != s.workers.end() && !worker->second.lost;
  if (!app.driverUp && !watched && app.record->driverAttempt != 0) driverGone(s, app, -1, "it has not come back since the master was started again");
}

void takeDriverDown(State& s, const proto::DriverDown& down) {
  for (auto& [id, app] : s.apps) {
    if (app->record->driver == down.driver()) return driverGone(s, *app, down.exit(), down.how());
  }
}

// A stream without code in the driver goes on; a supervised driver is started again, and attaches.
void driverGone(State& s, App& app, int exit, const std::string& how) {
  app.driver.reset(), app.driverUp = false;
  watch(s, app, {}), stopListening(s, app);
  if (exit == 0) return endApp(s, app, false, "", false);
  s.log(app, "driver ended (" + how + ")");
  if (app.record->submit.supervise()) {
    if (s.now.us - app.driverStarted.us > kDriverRanWellMs * 1000) app.driverDelayMs = 1000;
    s.arm({kDriverRestartTimer, app.id.value, 0}, s.now + Milliseconds(app.driverDelayMs));
    app.driverDelayMs = std::min(app.driverDelayMs * 2, kLongestDriverDelayMs);
    return;
  }
  bool goesOn = std::any_of(app.streams.begin(), app.streams.end(), [](const auto& entry) {
    const Stream& stream = *entry.second;
    if (!stream.record || stream.record->ended || stream.record->plan->driver_planned()) return false;
    const auto& outputs = stream.record->plan->outputs();
    return std::none_of(outputs.begin(), outputs.end(), [](const auto& output) { return output.kind() == proto::OUTPUT_DRIVER; });
  });
  if (!goesOn) endApp(s, app, true, "driver ended (" + how + ")", false);
}

void takeEndApp(State& s, App& app, const proto::EndApp& end) { endApp(s, app, end.failed(), end.why(), false); }

void endApp(State& s, App& app, bool failed, const std::string& why, bool killed) {
  if (app.over) return;
  proto::JournalRecord record;
  auto& finished = *record.mutable_app_finished();
  finished.set_app(app.id.value), finished.set_failed(failed), finished.set_why(why), finished.set_killed(killed);
  for (auto& [number, stream] : app.streams) {
    stream->phase = Stream::Phase::kStopped;
    stream->record = nullptr;
    for (std::uint32_t kind : {kTickTimer, kSealTimer}) s.disarm({kind, app.id.value, number});
  }
  std::uint64_t sequence = s.commit(record);
  app.over = true;
  for (std::uint32_t kind : {kDriverTimer, kReadyTimer, kDriverRestartTimer, kReleaseTimer, kProgressTimer, kBarrierTimer, kStarvedTimer, kTakeoverTimer, kDriverAwaitTimer, kEventTimer}) s.disarm({kind, app.id.value, 0});
  for (auto& executor : app.executors) {
    s.appOfExecutor.erase(executor->id.value);
    if (executor->phase == Executor::Phase::kGone) continue;
    stopExecutor(s, *executor);
    freeExecutor(s, *executor);
    executor->phase = Executor::Phase::kGone;
    s.disarm({kExecutorGraceTimer, app.id.value, executor->id.value});
  }
  app.instances.clear();
  tellAllOver(s, app, why.empty() ? "the application ended" : why);
  if (app.driver) {
    s.send(*app.driver, messageOf(&proto::Message::mutable_app_ended, [&](proto::AppEnded& ended) {
             ended.set_app(app.id.value), ended.set_failed(failed), ended.set_why(why);
           }), sequence);
  }
  auto worker = s.workers.find(app.record->driverWorker);
  if (killed && app.record->driver != 0 && worker != s.workers.end()) {
    s.send(worker->second.peer(), messageOf(&proto::Message::mutable_stop_driver, [&](proto::StopDriver& stop) { stop.set_driver(app.record->driver); }));
  }
  for (const auto& [peer, id] : app.waiters) answerStatus(s, peer, id, app.record);
  if (failed || killed) s.log(app, killed ? "killed" : "failed: " + why);
  shareOut(s);  // to who waits
}

void takeStatus(State& s, Peer from, const proto::Status& status) {
  const std::string& id = status.id();
  if (id != kListAll && id != kMetrics) {
    const AppRecord* record = recordOf(s, id);
    App* app = record && !record->ended ? s.app(record->app) : nullptr;
    if (status.when_over() && app) return void(app->waiters.emplace(from, id));
    return answerStatus(s, from, id, record);
  }
  s.send(from, messageOf(&proto::Message::mutable_status_reply, [&](proto::StatusReply& reply) {
           reply.set_id(id), reply.set_found(true);
           reply.set_detail(id == kMetrics ? measured(s) : describeApps(s));
         }));
}

void takeKill(State& s, Peer from, const std::string& id) {
  const AppRecord* record = recordOf(s, id);
  if (App* app = record ? s.app(record->app) : nullptr) endApp(s, *app, true, "killed by " + from.toString(), true);
  answerStatus(s, from, id, record);
}

void subscribe(State& s, App& app, Peer from, std::uint64_t position) {
  app.subscribers[from] = position;
  s.effects.sendLog(from, app.id, position);
}

void unpersist(State& s, App& app, const proto::Unpersist& unpersist) {
  dropBroadcasts(s, app, unpersist);
  if (unpersist.nodes().empty()) return;
  for (std::uint32_t node : unpersist.nodes()) {
    for (ExchangeId exchange : app.values.forget(node)) app.dropping.insert(exchange);
  }
  for (std::uint32_t index : app.up) {
    s.send(app.executors[index]->peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
             release.set_app(app.id.value);
             for (std::uint32_t node : unpersist.nodes()) release.add_unpersisted(node);
           }));
  }
  dropExchanges(s, app);
}

std::string describeApps(const State& s) {
  std::string text;
  for (const auto& [number, record] : s.journal.apps()) {
    const App* app = s.app(number);
    text += record.appId + " " + stateOf(record, app) + " " + record.submit.name();
    if (!record.driverId.empty()) text += " " + record.driverId;
    if (app) {
      text += ", " + std::to_string(app->up.size()) + " executors, " + std::to_string(app->instances.size()) + " running";
      for (const auto& [n, stream] : app->streams) {
        if (!stream->record) continue;
        text += ", stream " + std::to_string(n) + " decided " + std::to_string(stream->record->decidedMs) + " published " +
                std::to_string(stream->record->publishedMs);
      }
    }
    if (!record.why.empty()) text += ": " + record.why;
    text += "\n";
  }
  for (const auto& [id, worker] : s.workers) {
    text += "worker " + std::to_string(id) + " " + worker.host + (worker.lost ? " LOST " : " ALIVE ") + std::to_string(worker.slots - worker.freeSlots) +
            "/" + std::to_string(worker.slots) + " slots, " + std::to_string((worker.memoryBytes - worker.freeMemoryBytes) >> 20) + "/" +
            std::to_string(worker.memoryBytes >> 20) + " MB\n";
  }
  return text;
}

}  // namespace sluice::master
