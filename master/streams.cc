#include "master/streams.h"

#include <algorithm>

#include "common/plan_check.h"
#include "master/allocation.h"
#include "master/batches.h"
#include "master/checkpoints.h"
#include "master/grid.h"
#include "master/jobs.h"
#include "master/marks.h"
#include "master/restoring.h"
#include "master/scheduler.h"
#include "master/sources.h"
#include "master/stream_events.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kSealWaitMs = 100;

void answerStarted(State& s, App& app, const Stream& stream, const std::string& error, std::uint64_t after) {
  if (!app.driver) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_stream_started, [&](proto::StreamStarted& started) {
           started.set_app(app.id.value), started.set_stream(stream.number), started.set_error(error);
           if (!stream.record) return;
           started.set_generation(stream.record->generation), started.set_zero_ms(stream.record->zeroMs);
           started.set_restored_ms(stream.record->restoredMs);
         }), after);
}

// ---- beginning ----

void addFacts(Stream& stream, std::int64_t whenMs, const proto::Allocated& allocated) {
  for (const auto& source : allocated.sources()) {
    if (!source.no_value()) stream.facts->sources[{source.node(), whenMs}] = std::uint32_t(source.partitions_size());
  }
  for (const auto& node : stream.plan->plan->nodes()) {
    if (node.source().kind() != proto::SOURCE_BATCHES || node.kind() != proto::NODE_SOURCE) continue;
    const auto* inputs = batchInputs(node.source(), (whenMs - stream.record->zeroMs) / stream.intervalMs);
    if (inputs) stream.facts->sources[{node.id(), whenMs}] = batchPartitions(*inputs);
  }
  if (allocated.has_plan()) {  // of sources, and so after them
    PlanView own(std::make_shared<proto::Plan>(allocated.plan()));
    for (const auto& node : own.plan().nodes()) {
      if (!node.told()) continue;
      bool exists = own.exists(node.id(), whenMs, *stream.facts);
      stream.facts->sources[{node.id(), whenMs}] = exists ? own.partitions(node.id(), whenMs, *stream.facts) : Facts::kNoValue;
    }
  }
}

// What is known of a stream that has begun: facts, blocks, positions. From its record, so that a restart gives the same.
void wire(App& app, Stream& stream, const StreamRecord& record) {
  stream.plan = templateOf(app, record.plan, record.captures);
  stream.intervalMs = record.plan->interval_ms();
  stream.facts = std::make_shared<Facts>();
  stream.facts->zeroMs = record.zeroMs;
  stream.facts->defaultPartitions = record.defaultPartitions;
  // Windows may reach back before the restored checkpoint: batches that stand in the plan are known for all times.
  std::int64_t back = 0;
  for (const auto& reach : stream.plan->reach) back = std::max(back, reach.back);
  for (std::int64_t t = gridDown(record.resumedMs - back, record.zeroMs, stream.intervalMs); t <= record.resumedMs; t += stream.intervalMs) {
    if (t > record.zeroMs) addFacts(stream, t, {});
  }
  for (const auto& count : record.countsBefore) {
    stream.facts->sources[{count.node(), count.when_ms()}] = count.no_value() ? Facts::kNoValue : count.partitions();
  }
  for (const auto& [whenMs, batch] : record.batches) {
    addFacts(stream, whenMs, batch.allocated);
    if (batch.plan) templateOf(app, batch.plan, std::make_shared<proto::Captures>(batch.allocated.captures()));
    for (const auto& source : batch.allocated.sources()) {
      for (const auto& partition : source.partitions()) {
        for (const auto& input : partition.inputs()) {
          if (input.has_block()) stream.blocks[whenMs].push_back(input);
        }
      }
    }
  }
  stream.dueMs = record.allocatedMs;
}

void armTick(State& s, App& app, Stream& stream) {
  s.arm({kTickTimer, app.id.value, stream.number}, Moment::of(Time(stream.dueMs + stream.intervalMs)));
}

void runStream(State& s, App& app, Stream& stream) {
  stream.phase = Stream::Phase::kRunning;
  stream.dueMs = std::max(stream.dueMs, gridDown(s.now.time().milliseconds(), stream.record->zeroMs, stream.intervalMs));
  openReceivers(s, app, stream);
  armTick(s, app, stream);
  pump(s, app, stream);
}

// What it takes up from the checkpoint is journaled with it, so that another master knows it, too.
std::uint64_t takeUpFrom(State& s, App& app, Stream& stream, TakenUp up) {
  proto::JournalRecord kept;
  auto& taken = *kept.mutable_checkpoint_taken() = std::move(up.taken);
  taken.set_app(app.id.value), taken.set_stream(stream.number);
  std::uint64_t sequence = s.commit(kept);
  for (const auto& source : up.unallocated) {
    if (!stream.record->sources.contains(source.node())) continue;
    if (source.records_per_second() > 0) stream.receivers[source.node()].rate = source.records_per_second();
    if (source.partitions_size() == 0) continue;
    proto::JournalRecord waiting;
    auto& accepted = *waiting.mutable_blocks_accepted();
    accepted.set_app(app.id.value), accepted.set_node(source.node());
    for (const auto& partition : source.partitions()) accepted.mutable_blocks()->MergeFrom(partition.inputs());
    sequence = s.commit(waiting);
  }
  return sequence;
}

void begin(State& s, App& app, Stream& stream, const proto::Manifest* manifest) {
  const auto& request = stream.request->message.start_stream();
  const proto::Plan& plan = request.plan();
  const std::int64_t nowMs = s.now.time().milliseconds();
  TakenUp up;
  if (manifest) up = takeUp(*manifest, plan, nowMs);
  if (!up.error.empty()) {
    answerStarted(s, app, stream, up.error, 0);
    stream.phase = Stream::Phase::kStopped;
    return;
  }
  for (const auto& warning : up.warnings) s.warn(app, warning);
  proto::JournalRecord record;
  auto& begun = *record.mutable_stream_begun();
  begun.set_app(app.id.value), begun.set_stream(stream.number);
  *begun.mutable_plan() = plan, *begun.mutable_captures() = request.captures();
  *begun.mutable_properties() = request.properties();
  begun.set_generation(manifest ? manifest->generation() + 1 : 1);
  begun.set_zero_ms(manifest ? manifest->zero_ms() : nowMs / plan.interval_ms() * plan.interval_ms());
  begun.set_begun_ms(nowMs);
  begun.set_default_partitions(manifest ? manifest->default_partitions() : app.defaultPartitions);
  if (manifest) begun.set_restored_ms(manifest->when_ms()), begun.set_resumed_ms(up.resumedMs);
  std::uint64_t sequence = s.commit(record);
  stream.record = &app.record->streams[stream.number];
  if (manifest) sequence = takeUpFrom(s, app, stream, std::move(up));
  wire(app, stream, *stream.record);
  answerStarted(s, app, stream, "", sequence);
  tellStarted(s, app, stream);
  runStream(s, app, stream);
}

void open(State& s, App& app, Stream& stream) {
  const auto& plan = stream.request->message.start_stream().plan();
  if (plan.checkpoint_directory().empty()) return begin(s, app, stream, nullptr);
  stream.phase = Stream::Phase::kReading;
  s.effects.readManifest(app.id, stream.number, plan.checkpoint_directory());
}

// ---- allocation ----

void ask(State& s, App& app, Stream& stream, std::int64_t whenMs) {
  if (stream.askedMs == whenMs || !app.driver || !app.driverUp) return;
  stream.askedMs = whenMs;
  s.send(*app.driver, messageOf(&proto::Message::mutable_plan_for, [&](proto::PlanFor& plan) {
           plan.set_app(app.id.value), plan.set_stream(stream.number), plan.set_when_ms(whenMs);
         }));
}

void allocate(State& s, App& app, Stream& stream, std::int64_t whenMs, bool everything) {
  proto::JournalRecord record;
  auto& allocated = *record.mutable_allocated();
  allocated.set_app(app.id.value), allocated.set_stream(stream.number), allocated.set_when_ms(whenMs);
  allocated.set_template_hash(stream.plan->hash());
  std::uint32_t slots = 0;
  for (std::uint32_t index : app.up) slots += app.executors[index]->slots;
  for (auto& [node, source] : stream.record->sources) {
    auto* allocation = allocated.add_sources();
    allocation->set_node(node);
    if (auto receiver = stream.receivers.find(node); receiver != stream.receivers.end()) allocation->set_records_per_second(receiver->second.rate);
    std::vector<proto::Input> inputs;
    for (const auto& waiting : source.waiting) {
      if (waiting.afterMs >= whenMs && !everything) break;
      inputs.push_back(waiting.input);
    }
    for (auto& partition : partitionsOfBlocks(inputs, slots)) *allocation->add_partitions() = std::move(partition);
    auto& blocks = stream.blocks[whenMs];
    for (auto& input : inputs) {
      if (input.has_block()) input.clear_rows(), blocks.push_back(std::move(input));
    }
  }
  for (const auto& node : stream.plan->plan->nodes()) {
    if (node.kind() != proto::NODE_SOURCE || node.source().kind() != proto::SOURCE_GENERATED) continue;
    auto* allocation = allocated.add_sources();
    allocation->set_node(node.id());
    const auto& record = *stream.record;
    for (auto& partition : generatedPartitions(node.source(), record.zeroMs, whenMs, stream.intervalMs, record.defaultPartitions)) {
      *allocation->add_partitions() = std::move(partition);
    }
  }
  if (stream.planned) {
    const auto& planned = stream.planned->message.planned();
    allocated.set_failure(planned.error());
    if (planned.error().empty()) *allocated.mutable_plan() = planned.plan(), *allocated.mutable_captures() = planned.captures();
    if (planned.error().empty()) allocated.set_template_hash(planned.plan().template_hash());
    stream.planned = nullptr;
  }
  s.commit(record);
  addFacts(stream, whenMs, allocated);
  tellSubmitted(s, app, stream, whenMs);
}

// False: it has to wait.
bool allocateNext(State& s, App& app, Stream& stream) {
  std::int64_t whenMs = stream.record->allocatedMs + stream.intervalMs;
  if (!stream.draining && !sealed(stream, whenMs)) {
    if (std::exchange(stream.sealsOfMs, whenMs) != whenMs) {
      stream.sealsUntil = std::min(s.now, Moment::of(Time(whenMs))) + Milliseconds(std::min(stream.intervalMs / 2, kSealWaitMs));
    }
    if (s.now < stream.sealsUntil) {
      s.arm({kSealTimer, app.id.value, stream.number}, stream.sealsUntil);
      return false;
    }
  }
  if (stream.record->plan->driver_planned() && !stream.planned) {
    ask(s, app, stream, whenMs);
    return false;
  }
  allocate(s, app, stream, whenMs, stream.draining && allStopped(stream));
  return true;
}

// Whether later batches are made of earlier ones: states and windows, where a batch that is left out would be a hole.
bool isCarriedOn(const proto::Plan& plan) {
  return std::any_of(plan.nodes().begin(), plan.nodes().end(), [](const auto& node) {
    return node.keep().state() || std::any_of(node.edges().begin(), node.edges().end(), [](const auto& edge) { return edge.first_shift_ms() != 0 || edge.shifts() > 1; });
  });
}

// ---- ending ----

void finishStream(State& s, App& app, Stream& stream) {
  stream.told.clear();
  stream.phase = Stream::Phase::kStopped;
  s.disarm({kTickTimer, app.id.value, stream.number});
  s.disarm({kSealTimer, app.id.value, stream.number});
  proto::JournalRecord record;
  auto& ended = *record.mutable_stream_ended();
  ended.set_app(app.id.value), ended.set_stream(stream.number), ended.set_error(stream.stopError);
  std::uint64_t sequence = s.commit(record);
  if (!app.driver) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_stream_stopped, [&](proto::StreamStopped& stopped) {
           stopped.set_app(app.id.value), stopped.set_stream(stream.number), stopped.set_error(stream.stopError);
         }), sequence);
}

// A graceful stop is over when all that was received is published, and in a last checkpoint.
void endIfDone(State& s, App& app, Stream& stream) {
  if (stream.phase == Stream::Phase::kStopping) {
    if (stream.batches.empty() && !stream.running) finishStream(s, app, stream);
    return;
  }
  if (!stream.draining || stream.running || !stream.batches.empty()) return;
  if (!allStopped(stream) || anyWaiting(stream) || stream.record->allocatedMs < stream.dueMs) return;
  if (stream.checkpoint.whenMs != 0) return;
  if (finishRolledFiles(s, app, stream)) return;
  if (!stream.lastCheckpoint) {
    stream.lastCheckpoint = true;
    takeCheckpoint(s, app, stream, true);
    if (stream.checkpoint.whenMs != 0) return;
  }
  finishStream(s, app, stream);
}

}  // namespace

void startStream(State& s, App& app, const EnvelopePtr& envelope) {
  std::uint32_t number = envelope->message.start_stream().stream();
  auto& stream = app.streams[number];
  if (stream && stream->record && stream->phase != Stream::Phase::kStopped) {
    answerStarted(s, app, *stream, "", s.journal.last());
    stream->askedMs = 0;
    watchStream(*stream, envelope->message.start_stream().events());
    rerunFunction(s, app, *stream);
    return pump(s, app, *stream);
  }
  if (stream && stream->phase != Stream::Phase::kStopped) return;  // it is about to begin
  stream = std::make_unique<Stream>();
  stream->number = number;
  stream->request = envelope;
  stream->events = envelope->message.start_stream().events();
  if (envelope->message.start_stream().plan().interval_ms() <= 0) {
    stream->phase = Stream::Phase::kStopped;
    return answerStarted(s, app, *stream, "a stream needs a batch interval above 0 ms", 0);
  }
  if (auto status = checkPlan(envelope->message.start_stream().plan()); !status.ok()) {
    stream->phase = Stream::Phase::kStopped;
    return answerStarted(s, app, *stream, std::string(status.message()), 0);
  }
  if (app.ready) open(s, app, *stream);
}

void beginWaitingStreams(State& s, App& app) {
  for (auto& [number, stream] : app.streams) {
    if (stream->phase != Stream::Phase::kWaiting) continue;
    if (stream->record) {
      runStream(s, app, *stream);
    } else {
      open(s, app, *stream);
    }
  }
}

void takeManifest(State& s, App& app, Stream& stream, const proto::Manifest* manifest, const std::string& error, const std::string& warning) {
  if (stream.phase != Stream::Phase::kReading) return;
  if (!warning.empty()) s.warn(app, warning);
  if (!error.empty()) {
    stream.phase = Stream::Phase::kStopped;
    return answerStarted(s, app, stream, error, 0);
  }
  begin(s, app, stream, manifest);
}

// Jobs over its batches, of driver functions, wait for what cannot be had.
static void failReaders(State& s, App& app, const Stream& stream, const std::string& why) {
  auto instances = app.instances;
  for (auto& [key, instance] : instances) {
    if (!instance->job || instance->facts != stream.facts) continue;
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_SYSTEM), failed.set_message(why);
    failJob(s, app, instance, failed);
  }
}

void takeRestored(State& s, App& app, const proto::Restored& restored) {
  Executor* executor = app.executor(restored.executor());
  if (!executor) return;
  for (const auto& file : restored.files()) {
    RunPtr run = app.values.keep(file.node(), restored.when_ms());
    if (!run || file.partition() >= run->parts.size()) continue;
    Part& part = run->parts[file.partition()];
    if (part.state != PartState::kPlaced || part.at != executor->index) continue;
    if (restored.error().empty()) run->move(part, PartState::kDone);
    else lose(nullptr, *run, file.partition());
  }
  for (auto& [number, stream] : app.streams) {
    std::erase_if(stream->restores, [&](const auto& sent) {
      const auto& restore = sent.second->message.restore();
      return sent.first == executor->index && restore.when_ms() == restored.when_ms() &&
             std::any_of(restored.files().begin(), restored.files().end(), [&](const auto& file) {
               return file.node() == restore.files(0).node() && file.partition() == restore.files(0).partition();
             });
    });
    if (restored.error().empty() || !stream->record) continue;
    failReaders(s, app, *stream, "cannot restore: " + restored.error());
    if (stream->phase == Stream::Phase::kRunning) stopStream(s, app, *stream, "cannot restore state: " + restored.error());
  }
  auto instances = app.instances;
  for (auto& [key, instance] : instances) advance(s, app, *instance);
}

void resumeStream(State& s, App& app, Stream& stream) {
  wire(app, stream, *stream.record);
  stream.recalledMs = stream.record->allocatedMs;
  recallBatches(s, app, stream);
  queueMarks(stream, 0);
  raiseMarks(s, app, stream);
  stream.phase = Stream::Phase::kWaiting;
}

void watchStream(Stream& stream, bool on) {
  stream.events = on;
  if (!on) stream.told.clear();
}

void tick(State& s, App& app, Stream& stream) {
  if (stream.phase != Stream::Phase::kRunning || stream.draining) return;
  stream.dueMs = std::max(stream.dueMs, gridDown(s.now.time().milliseconds(), stream.record->zeroMs, stream.intervalMs));
  armTick(s, app, stream);
  pump(s, app, stream);
}

// Ticks are due at absolute times, and no time is due twice; whatever else is awaited comes as soon as it would have come.
void watchClock(State& s) {
  constexpr std::int64_t kSlackUs = 100'000;  // less is what a clock is corrected by as it runs
  if (s.now.us + kSlackUs > s.latest.us) {
    s.latest = std::max(s.latest, s.now);
    return;
  }
  const std::int64_t backUs = s.latest.us - s.now.us;
  s.latest = s.now;
  for (auto [timer, at] : std::map(s.timers)) {
    if (timer.kind != kTickTimer) s.arm(timer, {at.us - backUs});
  }
  for (auto& [id, worker] : s.workers) worker.heard.us -= backUs;
  for (auto& [id, app] : s.apps) {
    for (auto& [number, stream] : app->streams) {
      stream->sealsUntil.us -= backUs;
      if (stream->phase != Stream::Phase::kRunning) continue;
      s.warn(*app, "the clock has gone back by " + std::to_string(backUs / 1000) + " ms: the next batch of the stream is made when it shows " +
                      std::to_string(stream->dueMs + stream->intervalMs) + " ms, of all that is received until then; no batch is made twice or out of order");
    }
  }
}

void pump(State& s, App& app, Stream& stream) {
  if (!stream.record || stream.record->ended) return;
  if (stream.phase == Stream::Phase::kRunning) {
    bool more = true;
    while (more && stream.phase == Stream::Phase::kRunning) {
      // What was received after the last tick of a stream that drains makes one more batch, at the next grid time.
      if (stream.draining && allStopped(stream) && anyWaiting(stream) && stream.dueMs == stream.record->allocatedMs) {
        stream.dueMs += stream.intervalMs;
      }
      more = stream.record->allocatedMs < stream.dueMs && allocateNext(s, app, stream);
      more |= startNextBatch(s, app, stream);
    }
  }
  publishBatches(s, app, stream);
  completeCheckpoint(s, app, stream);
  if (stream.phase == Stream::Phase::kRunning || stream.phase == Stream::Phase::kStopping) endIfDone(s, app, stream);
}

void takePlanned(State& s, App& app, const EnvelopePtr& envelope) {
  const auto& planned = envelope->message.planned();
  auto found = app.streams.find(planned.stream());
  if (found == app.streams.end() || !found->second->record) return;
  Stream& stream = *found->second;
  if (planned.when_ms() != stream.record->allocatedMs + stream.intervalMs || stream.planned) return;
  if (!planned.error().empty() && isCarriedOn(*stream.record->plan)) {
    return stopStream(s, app, stream, "the driver cannot plan batch " + std::to_string(planned.when_ms()) + ": " + planned.error());
  }
  if (!planned.error().empty()) {
    s.warn(app, "batch " + std::to_string(planned.when_ms()) + " is left out: " + planned.error());
  } else if (auto status = checkPlan(planned.plan()); !status.ok()) {
    return stopStream(s, app, stream, "the driver's plan of batch " + std::to_string(planned.when_ms()) + " cannot run: " + std::string(status.message()));
  }
  stream.planned = envelope;
  pump(s, app, stream);
}

void drain(State& s, App& app, Stream& stream, bool now) {
  if (stream.phase == Stream::Phase::kStopped || !stream.record) {
    // It never began, or is over: the driver is told (again).
    stream.phase = Stream::Phase::kStopped;
    if (app.driver) {
      s.send(*app.driver, messageOf(&proto::Message::mutable_stream_stopped, [&](proto::StreamStopped& stopped) {
               stopped.set_app(app.id.value), stopped.set_stream(stream.number), stopped.set_error(stream.stopError);
             }), s.journal.last());
    }
    return;
  }
  if (now) return stopStream(s, app, stream, "");
  if (stream.draining) return;
  stream.draining = true;
  s.disarm({kTickTimer, app.id.value, stream.number});
  closeReceivers(s, app, stream, true);
  pump(s, app, stream);
}

void stopStream(State& s, App& app, Stream& stream, const std::string& error) {
  if (stream.phase == Stream::Phase::kStopping || stream.phase == Stream::Phase::kStopped) return;
  stream.phase = Stream::Phase::kStopping;
  stream.stopError = error;
  s.disarm({kTickTimer, app.id.value, stream.number});
  dropRunning(s, app, stream);
  if (error.empty()) dropFunctions(stream);  // not graceful: nobody waits for the driver
  closeReceivers(s, app, stream, false);
  pump(s, app, stream);
}

}  // namespace sluice::master
