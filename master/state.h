// Everything the master knows: the journal's state, and beside it what is learnt from sessions. The concepts around it (applications.h,
// scheduler.h, streams.h …) are functions over this.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/conf.h"
#include "common/metrics.h"
#include "common/resource_settings.h"
#include "master/app_events.h"
#include "master/journal_state.h"
#include "master/map_outputs.h"
#include "master/machine.h"
#include "master/stream.h"

namespace sluice::master {

enum TimerKind : std::uint32_t {
  kTickTimer = 1,        // (app, stream)
  kSealTimer,            // (app, stream): the wait for seals is over
  kExecutorGraceTimer,   // (app, executor)
  kWorkerTimer,          // (worker)
  kDriverTimer,          // (app): the driver has been gone for too long
  kReadyTimer,           // (app): the wait for ordered executors is over
  kDriverRestartTimer,   // (app)
  kReleaseTimer,         // (app)
  kProgressTimer,        // (app)
  kBarrierTimer,         // (app): somebody waits in a barrier
  kStarvedTimer,         // (app): it has no executor
  kTakeoverTimer,        // (app): what an earlier master left has had its time to come
  kDriverAwaitTimer,     // (app): the same of a driver that runs on a worker
  kEventTimer,           // (app): what executors still tell of tasks is not waited for any longer
};

struct Executor {
  enum class Phase : std::uint8_t { kOrdered, kUp, kGone };
  ExecutorId id;
  std::uint32_t index = 0;  // in App.executors
  std::uint64_t worker = 0;  // 0: none, it came by itself
  Phase phase = Phase::kOrdered;
  bool session = false;
  bool reported = false;  // in this session
  bool awaited = false;   // it ran under an earlier master, and nobody has told yet what became of it
  std::uint32_t slots = 0;
  std::uint64_t memoryBytes = 0;
  std::string host, address;
  ResourceMap resources;               // of its worker's
  std::set<std::uint64_t> broadcasts;  // it was given
  Peer peer() const { return {Role::kExecutor, id.value}; }
};

// A broadcast value, as its driver shared it.
struct Shared {
  std::string bytes;
  std::uint64_t size = 0, blockBytes = 0;
  std::vector<std::uint64_t> checksums;  // of the blocks, once it is whole
  bool whole() const { return bytes.size() == size; }
};

// What executors were told to drop, and the driver waits for.
struct Dropping {
  std::vector<std::uint64_t> broadcasts;
  std::set<std::uint64_t> missing;  // executors that have not answered
};

// What the driver asked of kept datasets, and what executors have answered.
struct StorageAsked {
  proto::Storage answer;
  std::set<std::uint64_t> missing;  // executors that have not answered
};

// What the driver wants to know of its jobs, while it watches.
struct Watch {
  // (instance's time and stream, template, stage, time)
  using StageKey = std::tuple<std::int64_t, std::uint32_t, std::uint64_t, std::uint32_t, std::int64_t>;
  bool on = false, first = false, dirty = false, armed = false;
  std::map<std::uint32_t, std::map<StageKey, proto::TaskCounts::Stage>> counts;       // by executor, by index
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> memory;  // used, and budget
  std::vector<proto::Progress::Job> ended;                                  // since the last message
};

struct App {
  AppId id;
  AppRecord* record = nullptr;
  Settings conf;
  std::uint32_t maxFailures = 4;
  bool fair = false;  // sluice.scheduler.mode
  std::optional<RateOptions> rates;  // backpressure is on
  std::int64_t driverTimeoutMs = 60'000;
  std::optional<Peer> driver;
  bool driverUp = false;
  Moment driverStarted;
  std::int64_t driverDelayMs = 1000;  // before the next start of a supervised one

  absl::flat_hash_map<std::uint64_t, std::uint32_t> indices;  // of executors, by id
  std::vector<std::unique_ptr<Executor>> executors;  // by index; gone ones stay, indices are not used again
  std::vector<std::uint32_t> up;                     // indices, by executor id
  std::uint32_t failedStarts = 0;                    // in a row
  std::optional<std::uint32_t> executorTarget;       // the driver said how many; none: as many as there is room for
  std::deque<proto::Scaled> scaled;                  // the last answers to that
  Moment takenUp;           // from an earlier master, if it was
  bool recovering = false;  // executors may still come that ran under that
  bool wantsExecutors = false, ready = false, readyArmed = false;
  std::uint32_t defaultPartitions = 0;  // frozen with the first job
  std::map<std::uint32_t, std::shared_ptr<Placement>> placements;  // of the present membership, by default partitions

  absl::flat_hash_map<std::uint64_t, std::shared_ptr<Template>> templates;
  std::uint64_t templateUses = 0;
  std::map<std::uint64_t, Shared> broadcasts;
  std::map<std::uint64_t, Dropping> droppings;  // by the driver's request
  std::map<std::uint64_t, StorageAsked> storageAsked;  // likewise
  Values values;
  MapOutputs mapOutputs;
  std::vector<std::uint64_t> goneExchanges;  // names of map outputs that executors are still to be told to drop
  std::shared_ptr<Facts> facts;  // of jobs that read no stream
  std::map<std::pair<std::int64_t, std::uint32_t>, InstancePtr> instances;  // live ones, by time and stream
  std::uint32_t serials = 0, stagesMade = 0;
  std::deque<EnvelopePtr> jobsToCome;  // until it is ready
  std::map<std::int64_t, Publication> jobFiles;  // decided jobs, by time
  std::map<std::int64_t, InstancePtr> decidedJobs;
  std::deque<std::pair<std::uint64_t, EnvelopePtr>> answers;  // of the last jobs, by number
  std::vector<std::int64_t> released;  // jobs that are over, to be told
  std::deque<std::int64_t> releasedBefore;
  std::vector<std::uint32_t> releasedAt;  // executors, by index
  std::set<ExchangeId> dropping;  // at time 0, below what was unpersisted: not told yet
  std::deque<proto::DroppedExchange> droppedBefore;  // of late
  std::deque<InstancePtr> held;  // jobs whose results are still to be fetched from executors
  std::map<std::uint32_t, std::unique_ptr<Stream>> streams;
  std::map<Peer, std::uint64_t> subscribers;
  std::set<std::pair<Peer, std::string>> waiters;  // for its end, and by which id they know it
  Watch watch;
  // The barrier stage that runs, and whose it is: one at a time, so that no two wait for each other's slots.
  RunPtr gang;
  std::uint32_t gangOf = 0;
  bool unsettled = false;  // that has ended, or an instance has failed: looked at when the event is over
  Listening listening;
  bool over = false;

  Executor* executor(std::uint64_t id) const {
    auto it = indices.find(id);
    return it == indices.end() ? nullptr : executors[it->second].get();
  }
  // Marks are neither raised nor told meanwhile.
  bool repairs() const {
    for (const auto& [key, instance] : instances) {
      if (instance->repairing) return true;
    }
    return false;
  }
  bool isUp(std::uint32_t index) const { return index < executors.size() && executors[index]->phase == Executor::Phase::kUp; }
};

struct Worker {
  std::uint64_t id = 0, start = 0;
  std::string host, webui;
  std::uint32_t slots = 0, freeSlots = 0;
  std::uint64_t memoryBytes = 0, freeMemoryBytes = 0;
  ResourceMap resources;  // all it has
  bool session = false, lost = false;
  Moment heard;
  Peer peer() const { return {Role::kWorker, id}; }
};

// What the master counts of itself.
struct Measures {
  Metrics all;
  Counter& tasksLaunched = all.counter("sluice_tasks_launched_total", "Tasks sent to executors, again after a loss too");
  Counter& batchesDecided = all.counter("sluice_batches_decided_total", "Batches committed");
  Counter& batchRecords = all.counter("sluice_batch_records_total", "Records received for the batches committed");
  Counter& jobsDone = all.counter("sluice_jobs_done_total", "Jobs of drivers that ended well");
  Counter& jobsFailed = all.counter("sluice_jobs_failed_total", "Jobs of drivers that failed");
  Counter& executorsLost = all.counter("sluice_executors_lost_total", "Executors that ended or stayed away, not told to");
  DurationHistogram& batchDelay = all.durations("sluice_batch_scheduling_delay_seconds", "From the tick of a batch to its launch");
  DurationHistogram& batchTime = all.durations("sluice_batch_processing_seconds", "From the launch of a batch to its decision");
  DurationHistogram& jobTime = all.durations("sluice_job_processing_seconds", "From the launch of a job to its last result");
  Gauge& applications = all.gauge("sluice_applications", "Applications that run");
  Gauge& executors = all.gauge("sluice_executors", "Executors that are up");
  Gauge& workers = all.gauge("sluice_workers", "Workers that are alive");
};

class State {
 public:
  State(Options o, Effects& e) : options(std::move(o)), effects(e) {}

  Options options;
  Effects& effects;
  Moment now;
  Moment latest;  // since the clock last went back
  std::map<TimerName, Moment> timers;  // armed ones
  JournalState journal;
  std::uint64_t synced = 0;
  std::uint64_t termSequence = 0;  // nothing leaves before this is durable
  bool started = false;
  std::map<std::uint64_t, std::unique_ptr<App>> apps;  // running ones
  std::map<std::uint64_t, Worker> workers;
  std::map<std::uint64_t, std::uint64_t> appOfExecutor;
  std::map<std::uint64_t, std::vector<ExecutorId>> announced;      // for applications that are still to come
  std::map<std::uint64_t, std::vector<std::pair<Peer, EnvelopePtr>>> early;  // reports for them; null: the session ended
  Measures measures;
  std::uint64_t executorsMade = 0, epochsMade = 0, passes = 0;

  // The one place where messages leave. `after` is dropped once it is durable. An executor hears nothing before its report: what it has to
  // hear is sent again after that, and in order.
  void send(Peer to, std::shared_ptr<Envelope> envelope, std::uint64_t after = 0);
  void resend(Peer to, const EnvelopePtr& envelope, std::uint64_t after = 0);
  void arm(TimerName timer, Moment at);
  void disarm(TimerName timer);
  // Appends the record and applies it. Its sequence.
  std::uint64_t commit(const proto::JournalRecord& record);
  void log(const App& app, const std::string& line) { effects.log(app.record->appId + ": " + line); }
  // Also for whoever looks at the application's driver.
  void warn(const App& app, const std::string& line);

  App* app(std::uint64_t id) const {
    auto it = apps.find(id);
    return it == apps.end() ? nullptr : it->second.get();
  }
  void reap();  // applications that are over, at the end of an event
};

template <class Body>
std::shared_ptr<Envelope> messageOf(Body* (proto::Message::*mutableBody)(), const auto& fill) {
  auto envelope = std::make_shared<Envelope>();
  fill(*(envelope->message.*mutableBody)());
  return envelope;
}

}  // namespace sluice::master
