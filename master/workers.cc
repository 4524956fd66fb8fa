#include "master/workers.h"

#include <algorithm>
#include <set>

#include "master/applications.h"
#include "master/executors.h"
#include "master/scaling.h"
#include "master/takeover.h"

namespace sluice::master {
namespace {

constexpr std::uint64_t kLeastMemory = 16ull << 20;  // an executor below this cannot work
constexpr std::int64_t kStarvedMs = 15'000;

void armHeartbeat(State& s, const Worker& worker) {
  s.arm({kWorkerTimer, worker.id, 0}, s.now + Milliseconds(s.options.heartbeatTimeoutMs));
}

void loseWorker(State& s, Worker& worker, const std::string& how) {
  if (worker.lost) return;
  worker.lost = true;
  s.effects.log("worker " + std::to_string(worker.id) + " at " + worker.host + " is lost: " + how);
  std::vector<std::pair<App*, Executor*>> gone;
  for (auto& [id, app] : s.apps) {
    for (auto& executor : app->executors) {
      if (executor->worker == worker.id && executor->phase != Executor::Phase::kGone) gone.emplace_back(app.get(), executor.get());
    }
  }
  for (auto [app, executor] : gone) {
    if (!app->over) loseExecutor(s, *app, *executor, "its worker is lost", "");
  }
  std::vector<App*> drivers;
  for (auto& [id, app] : s.apps) {
    if (app->record->driver != 0 && app->record->driverWorker == worker.id && !app->over) drivers.push_back(app.get());
  }
  for (App* app : drivers) driverGone(s, *app, -1, "its worker is lost");
}

struct Offer {
  Worker* worker = nullptr;
  std::uint32_t slots = 0;  // given
  std::uint64_t memoryBytes = 0;
  ResourceMap resources;
};

// What no executor of any application has of the worker's.
ResourceMap freeResources(const State& s, const Worker& worker) {
  ResourceMap free = worker.resources;
  for (const auto& [id, app] : s.apps) {
    for (const auto& executor : app->executors) {
      if (executor->worker != worker.id || executor->phase == Executor::Phase::kGone) continue;
      for (const auto& [name, taken] : executor->resources) {
        auto has = free.find(name);
        if (has == free.end()) continue;
        std::erase_if(has->second.addresses, [&](const auto& address) {
          return std::find(taken.addresses.begin(), taken.addresses.end(), address) != taken.addresses.end();
        });
      }
    }
  }
  return free;
}

// What an executor would get; false: that is not there.
bool pickResources(const State& s, const Worker& worker, const ResourceAmounts& wanted, ResourceMap& picked) {
  if (wanted.empty()) return true;
  ResourceMap free = freeResources(s, worker);
  for (const auto& [name, amount] : wanted) {
    auto has = free.find(name);
    if (has == free.end() || double(has->second.addresses.size()) < amount) return false;
    has->second.addresses.resize(std::size_t(amount));
    picked[name] = std::move(has->second);
  }
  return true;
}

// Workers that can hold an executor of the application, most free slots first.
std::vector<Offer> offersFor(State& s, const App& app) {
  std::uint64_t wanted = 0;
  if (auto memory = app.conf.find(conf::kExecutorMemory)) wanted = memory->bytes;
  std::set<std::uint64_t> taken;  // one executor on each, unless the application has said how many it wants
  for (const auto& executor : app.executors) {
    if (executor->phase != Executor::Phase::kGone && !app.executorTarget) taken.insert(executor->worker);
  }
  std::vector<Offer> offers;
  const ResourceAmounts resources = resourceAmounts(app.conf, "executor");
  for (auto& [id, worker] : s.workers) {
    if (worker.lost || !worker.session || worker.freeSlots == 0 || taken.contains(id)) continue;
    std::uint64_t memory = wanted ? wanted : worker.freeMemoryBytes;
    if (memory > worker.freeMemoryBytes || memory < kLeastMemory) continue;
    Offer offer{&worker, 0, memory, {}};
    if (pickResources(s, worker, resources, offer.resources)) offers.push_back(std::move(offer));
  }
  std::stable_sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) { return a.worker->freeSlots > b.worker->freeSlots; });
  return offers;
}

void startExecutor(State& s, App& app, const Offer& offer) {
  Executor& executor = addExecutor(s, app, ExecutorId{s.journal.term() << 32 | ++s.executorsMade});
  executor.worker = offer.worker->id, executor.host = offer.worker->host;
  executor.slots = offer.slots, executor.memoryBytes = offer.memoryBytes, executor.resources = offer.resources;
  offer.worker->freeSlots -= offer.slots, offer.worker->freeMemoryBytes -= offer.memoryBytes;
  s.send(offer.worker->peer(), messageOf(&proto::Message::mutable_start_executor, [&](proto::StartExecutor& start) {
           start.set_app(app.id.value), start.set_executor(executor.id.value), start.set_app_id(app.record->appId);
           *start.mutable_package() = app.record->submit.package();
           start.set_slots(offer.slots), start.set_memory_bytes(offer.memoryBytes);
           writeResources(offer.resources, *start.mutable_resources());
           for (const auto& [key, value] : app.conf.all()) start.add_conf(key + "=" + value);
         }));
}

// Starts at most one on each worker; whether it started any.
bool startSome(State& s, App& app) {
  std::uint64_t limit = ~0ull;
  if (auto cores = app.conf.find(conf::kCoresMax); cores && *cores > 0) limit = std::uint64_t(*cores);
  std::uint32_t perExecutor = ~0u;
  if (auto cores = app.conf.find(conf::kExecutorCores); cores && *cores > 0) perExecutor = std::uint32_t(*cores);
  perExecutor = slotsWith(app.conf, perExecutor);
  for (const auto& executor : app.executors) {
    if (executor->phase != Executor::Phase::kGone) limit -= std::min<std::uint64_t>(limit, executor->slots);
  }
  auto offers = offersFor(s, app);
  if (offers.size() > executorsToCome(app)) offers.resize(executorsToCome(app));
  for (bool given = true; given && limit > 0;) {
    given = false;
    for (auto& offer : offers) {
      if (limit == 0 || offer.slots >= std::min(offer.worker->freeSlots, perExecutor)) continue;
      ++offer.slots, --limit, given = true;
    }
  }
  bool any = false;
  for (const auto& offer : offers) {
    if (offer.slots > 0) startExecutor(s, app, offer), any = true;
  }
  return any;
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

// Why the application has no executor, and what to do.
std::string whyStarved(const State& s, const App& app) {
  auto starting = std::count_if(app.executors.begin(), app.executors.end(), [](const auto& e) { return e->phase == Executor::Phase::kOrdered; });
  if (starting > 0) return std::to_string(starting) + (starting == 1 ? " is starting" : " are starting");
  std::uint64_t wanted = kLeastMemory, workers = 0, slots = 0, largest = 0;
  if (auto memory = app.conf.find(conf::kExecutorMemory)) wanted = memory->bytes;
  for (const auto& [id, worker] : s.workers) {
    if (worker.lost || !worker.session) continue;
    ++workers, slots += worker.freeSlots;
    if (worker.freeSlots != 0) largest = std::max(largest, worker.freeMemoryBytes);
  }
  if (workers == 0) return "no worker is registered at the master; start some (sluice-worker)";
  std::string of = "the " + std::to_string(workers) + " workers of this cluster";
  if (slots == 0) return "all slots of " + of + " are taken by other applications; wait for them, limit them (sluice.cores.max), or start more workers";
  if (largest < wanted) {
    return "none of " + of + " has " + mebibytes(wanted) + " of memory free beside a free slot, but " + mebibytes(largest) +
           " at most; ask for less (sluice.executor.memory), or start workers with more (--memory)";
  }
  for (const auto& [name, amount] : resourceAmounts(app.conf, "executor")) {
    bool any = std::any_of(s.workers.begin(), s.workers.end(), [&, &name = name, &amount = amount](const auto& entry) {
      ResourceMap picked;
      return !entry.second.lost && entry.second.freeSlots != 0 && pickResources(s, entry.second, {{name, amount}}, picked);
    });
    if (any) continue;
    return "none of " + of + " has " + std::to_string(std::int64_t(amount)) + " of '" + name + "' free beside a free slot; start workers that offer it (sluice.worker.resource." +
           name + ".amount)";
  }
  return std::to_string(slots) + " slots are free on " + of + ", and executors are tried again";
}

void shareOutTo(State& s, App& app) {
  while (startSome(s, app) && app.executorTarget) {
  }
  checkReady(s, app, false);
}

}  // namespace

void takeRegister(State& s, Peer from, const proto::Register& enrol) {
  auto& worker = s.workers[enrol.worker()];
  bool restarted = worker.id != 0 && worker.start != enrol.start();
  if (restarted) loseWorker(s, worker, "it was started again");
  bool known = worker.id != 0 && !restarted && !worker.lost;
  worker.id = enrol.worker(), worker.start = enrol.start(), worker.host = enrol.host(), worker.webui = enrol.webui();
  worker.slots = enrol.slots(), worker.memoryBytes = enrol.memory_bytes(), worker.resources = readResources(enrol.resources());
  worker.session = true, worker.lost = false, worker.heard = s.now;
  std::set<std::uint64_t> alive(enrol.executors().begin(), enrol.executors().end());
  s.send(from, messageOf(&proto::Message::mutable_registered, [&](proto::Registered& registered) {
           registered.set_worker(worker.id), registered.set_term(s.journal.term());
         }));
  armHeartbeat(s, worker);
  if (!known) s.effects.log("worker " + std::to_string(worker.id) + " at " + worker.host + ": " + std::to_string(worker.slots) + " slots");
  takeUpExecutors(s, worker, enrol);
  // What it runs decides: those of ours that it does not have are gone, those that nobody knows are stopped.
  std::vector<std::pair<App*, Executor*>> gone;
  worker.freeSlots = worker.slots, worker.freeMemoryBytes = worker.memoryBytes;
  for (auto& [id, app] : s.apps) {
    for (auto& executor : app->executors) {
      if (alive.contains(executor->id.value)) executor->worker = worker.id;
      if (executor->worker != worker.id || executor->phase == Executor::Phase::kGone) continue;
      bool here = alive.contains(executor->id.value);
      if (!here) gone.emplace_back(app.get(), executor.get());
      worker.freeSlots -= std::min(worker.freeSlots, executor->slots);
      worker.freeMemoryBytes -= std::min(worker.freeMemoryBytes, executor->memoryBytes);
    }
  }
  for (auto [app, executor] : gone) {
    if (!app->over) loseExecutor(s, *app, *executor, "its worker does not have it any more", "");
  }
  for (std::uint64_t id : alive) {
    auto owner = s.appOfExecutor.find(id);
    App* app = owner != s.appOfExecutor.end() ? s.app(owner->second) : nullptr;
    if (app && app->executor(id)->phase != Executor::Phase::kGone) continue;
    s.send(worker.peer(), messageOf(&proto::Message::mutable_stop_executor, [&](proto::StopExecutor& stop) { stop.set_executor(id); }));
  }
  std::set<std::uint64_t> drivers(enrol.drivers().begin(), enrol.drivers().end());
  std::vector<App*> waiting, driverless;
  for (auto& [id, app] : s.apps) {
    const AppRecord& record = *app->record;
    if (record.driver == 0 || app->over) continue;
    if (record.driverAttempt == 0) waiting.push_back(app.get());
    else if (record.driverWorker == worker.id && (restarted || !known) && !drivers.contains(record.driver)) driverless.push_back(app.get());
  }
  for (App* app : waiting) startDriver(s, *app->record);
  for (App* app : driverless) driverGone(s, *app, -1, restarted ? "its worker was started again" : "its worker does not have it any more");
  shareOut(s);
}

void takeHeartbeat(State& s, const proto::Heartbeat& heartbeat) {
  auto it = s.workers.find(heartbeat.worker());
  if (it == s.workers.end() || it->second.lost) {
    Peer worker{Role::kWorker, heartbeat.worker()};
    s.send(worker, messageOf(&proto::Message::mutable_refused, [&](proto::Refused& refused) {
             refused.set_why("unknown worker: register again"), refused.set_term(s.journal.term());
           }));
    return;
  }
  it->second.heard = s.now;
}

void workerSession(State& s, std::uint64_t id, bool up) {
  auto it = s.workers.find(id);
  if (it != s.workers.end()) it->second.session = up;  // lost only when it stays silent: it registers again
}

void checkWorker(State& s, std::uint64_t id) {
  auto it = s.workers.find(id);
  if (it == s.workers.end() || it->second.lost) return;
  Worker& worker = it->second;
  Moment deadline = worker.heard + Milliseconds(s.options.heartbeatTimeoutMs);
  if (s.now < deadline) return s.arm({kWorkerTimer, id, 0}, deadline);
  loseWorker(s, worker, "it has not been heard of for " + std::to_string(s.options.heartbeatTimeoutMs) + " ms");
}

void shareOut(State& s) {
  std::vector<App*> apps;  // by id: first come, first served
  for (auto& [id, app] : s.apps) {
    if (app->wantsExecutors && !app->over && !app->recovering) apps.push_back(app.get());
  }
  for (App* app : apps) shareOutTo(s, *app);
}

void watchStarved(State& s, App& app) {
  TimerName timer{kStarvedTimer, app.id.value, 0};
  if (!app.up.empty() || !app.wantsExecutors || app.over || app.executorTarget == 0) return s.disarm(timer);
  if (!s.timers.contains(timer)) s.arm(timer, s.now + Milliseconds(kStarvedMs));
}

void warnStarved(State& s, App& app) {
  if (app.up.empty() && !app.over) s.warn(app, "no executor yet: " + whyStarved(s, app));
  watchStarved(s, app);
}

void freeExecutor(State& s, const Executor& executor) {
  auto it = s.workers.find(executor.worker);
  if (it == s.workers.end()) return;
  Worker& worker = it->second;
  worker.freeSlots = std::min(worker.slots, worker.freeSlots + executor.slots);
  worker.freeMemoryBytes = std::min(worker.memoryBytes, worker.freeMemoryBytes + executor.memoryBytes);
}

void stopExecutor(State& s, const Executor& executor) {
  auto it = s.workers.find(executor.worker);
  Peer to = it == s.workers.end() ? executor.peer() : it->second.peer();
  s.send(to, messageOf(&proto::Message::mutable_stop_executor, [&](proto::StopExecutor& stop) { stop.set_executor(executor.id.value); }));
}

bool startDriver(State& s, AppRecord& record) {
  Worker* best = nullptr;
  for (auto& [id, worker] : s.workers) {
    if (!worker.lost && worker.session && (!best || worker.freeSlots > best->freeSlots)) best = &worker;
  }
  if (!best) return false;
  proto::JournalRecord journaled;
  auto& started = *journaled.mutable_driver_started();
  started.set_driver(record.driver), started.set_attempt(record.driverAttempt + 1), started.set_worker(best->id);
  std::uint64_t sequence = s.commit(journaled);
  s.send(best->peer(), messageOf(&proto::Message::mutable_start_driver, [&](proto::StartDriver& start) {
           start.set_driver(record.driver), start.set_driver_id(record.driverId), start.set_attempt(record.driverAttempt);
           *start.mutable_submit() = record.submit;
           start.mutable_submit()->set_driver(record.driver);
         }), sequence);
  return true;
}

}  // namespace sluice::master
