// What the journal says, as one message and back: a restarted master begins from it, and the records before it go.
#include <utility>

#include "common/plan_check.h"
#include "master/journal_state.h"

namespace sluice::master {
namespace {

constexpr std::uint32_t kVersion = 1;

// Each write() names all members, so that one that is new does not compile until somebody has thought of it here.
template <class Files, class Out> void write(const Files& files, Out* out) {
  for (const auto& [path, whenMs] : files) {
    auto& written = *out->Add();
    written.set_path(path), written.set_when_ms(whenMs);
  }
}

void write(std::int64_t whenMs, const BatchRecord& b, proto::BatchSnapshot& out) {
  const auto& [allocatedSequence, allocated, plan, decided, decidedSequence, decision, logPosition, ended, published] = b;  // plan: in allocated
  out.set_when_ms(whenMs), out.set_allocated_sequence(allocatedSequence), out.set_decided(decided);
  out.set_decided_sequence(decidedSequence), out.set_log_position(logPosition), out.set_published(published);
  *out.mutable_allocated() = allocated;
  *out.mutable_decision() = decision;
  for (const auto& [output, error] : ended) {
    auto& written = *out.add_ended();
    written.set_output(output), written.set_error(error);
  }
}

BatchRecord read(const proto::BatchSnapshot& in) {
  BatchRecord b;
  b.allocatedSequence = in.allocated_sequence(), b.decided = in.decided(), b.decidedSequence = in.decided_sequence();
  b.logPosition = in.log_position(), b.published = in.published();
  b.allocated = in.allocated(), b.decision = in.decision();
  if (b.allocated.has_plan()) b.plan = std::make_shared<proto::Plan>(b.allocated.plan());
  for (const auto& ended : in.ended()) b.ended[ended.output()] = ended.error();
  return b;
}

void write(std::uint32_t node, const SourceRecord& source, proto::SourceSnapshot& out) {
  const auto& [incarnation, executor, nextSequence, waiting, rate, seenFiles] = source;
  out.set_node(node), out.set_incarnation(incarnation), out.set_executor(executor);
  out.set_next_sequence(nextSequence), out.set_records_per_second(rate);
  for (const auto& [input, afterMs] : waiting) {
    auto& written = *out.add_waiting();
    *written.mutable_input() = input;
    written.set_after_ms(afterMs);
  }
  write(seenFiles, out.mutable_seen_files());
}

SourceRecord read(const proto::SourceSnapshot& in) {
  SourceRecord source;
  source.incarnation = in.incarnation(), source.executor = in.executor(), source.nextSequence = in.next_sequence();
  source.rate = in.records_per_second();
  for (const auto& waiting : in.waiting()) source.waiting.push_back({waiting.input(), waiting.after_ms()});
  for (const auto& file : in.seen_files()) source.seenFiles.push_back({file.path(), file.when_ms()});
  return source;
}

void write(std::uint64_t app, std::uint32_t number, const StreamRecord& s, proto::StreamSnapshot& out) {
  const auto& [generation, zeroMs, restoredMs, resumedMs, begunMs, plan, captures, properties, defaultPartitions, allocatedMs, decidedMs, publishedMs,
               batches, sources, checkpoints, countsBefore, seenBefore, retained, ended, error] = s;
  auto& begun = *out.mutable_begun();
  begun.set_app(app), begun.set_stream(number), begun.set_generation(generation);
  begun.set_zero_ms(zeroMs), begun.set_restored_ms(restoredMs), begun.set_resumed_ms(resumedMs), begun.set_begun_ms(begunMs);
  *begun.mutable_plan() = *plan;
  *begun.mutable_captures() = *captures;
  if (properties) *begun.mutable_properties() = *properties;
  begun.set_default_partitions(defaultPartitions);
  out.set_allocated_ms(allocatedMs), out.set_decided_ms(decidedMs), out.set_published_ms(publishedMs);
  for (const auto& [whenMs, batch] : batches) write(whenMs, batch, *out.add_batches());
  for (const auto& [node, source] : sources) write(node, source, *out.add_sources());
  for (const auto& [whenMs, files] : checkpoints) {
    auto& written = *out.add_checkpoints();
    written.set_when_ms(whenMs);
    written.mutable_files()->Add(files.begin(), files.end());
  }
  out.mutable_counts_before()->Add(countsBefore.begin(), countsBefore.end());
  write(seenBefore, out.mutable_seen_before());
  for (const auto& [node, askMs, computeMs] : retained) {
    auto& written = *out.add_retained();
    written.set_node(node), written.set_ask_ms(askMs), written.set_compute_ms(computeMs);
  }
  out.set_ended(ended), out.set_error(error);
}

StreamRecord read(const proto::StreamSnapshot& in) {
  StreamRecord s;
  const auto& begun = in.begun();
  s.generation = begun.generation(), s.zeroMs = begun.zero_ms(), s.restoredMs = begun.restored_ms();
  s.resumedMs = begun.resumed_ms(), s.begunMs = begun.begun_ms(), s.defaultPartitions = begun.default_partitions();
  s.plan = std::make_shared<proto::Plan>(begun.plan());
  s.captures = std::make_shared<proto::Captures>(begun.captures());
  if (begun.properties_size() > 0) s.properties = std::make_shared<google::protobuf::RepeatedPtrField<proto::Property>>(begun.properties());
  s.allocatedMs = in.allocated_ms(), s.decidedMs = in.decided_ms(), s.publishedMs = in.published_ms();
  for (const auto& batch : in.batches()) s.batches[batch.when_ms()] = read(batch);
  for (const auto& source : in.sources()) s.sources[source.node()] = read(source);
  for (const auto& checkpoint : in.checkpoints()) {
    s.checkpoints.push_back({checkpoint.when_ms(), {checkpoint.files().begin(), checkpoint.files().end()}});
  }
  s.countsBefore.assign(in.counts_before().begin(), in.counts_before().end());
  for (const auto& file : in.seen_before()) s.seenBefore.push_back({file.path(), file.when_ms()});
  for (const auto& retained : in.retained()) s.retained.push_back({retained.node(), retained.ask_ms(), retained.compute_ms()});
  s.ended = in.ended(), s.error = in.error();
  return s;
}

absl::Status check(const proto::StreamSnapshot& in) {
  auto status = checkPlan(in.begun().plan());
  for (const auto& batch : in.batches()) {
    if (status.ok() && batch.allocated().has_plan()) status = checkPlan(batch.allocated().plan());
  }
  if (status.ok() && in.begun().plan().interval_ms() <= 0) return absl::DataLossError("a stream without an interval");
  return status;
}

}  // namespace

proto::JournalSnapshot JournalState::snapshot() const {
  proto::JournalSnapshot out;
  out.set_version(kVersion), out.set_term(term_), out.set_drivers(drivers_);
  for (const auto& [key, record] : apps_) {
    const auto& [number, driver, appId, driverId, submit, atMs, ended, failed, killed, why, logPosition, driverAttempt, driverWorker, streams, jobs] = record;
    auto& app = *out.add_apps();
    auto& submitted = *app.mutable_submitted();
    submitted.set_app(number), submitted.set_app_id(appId), submitted.set_driver(driver), submitted.set_driver_id(driverId);
    submitted.set_at_ms(atMs);
    *submitted.mutable_submit() = submit;
    app.set_ended(ended), app.set_failed(failed), app.set_killed(killed), app.set_why(why), app.set_log_position(logPosition);
    app.set_driver_attempt(driverAttempt), app.set_driver_worker(driverWorker);
    for (const auto& [stream, s] : streams) write(number, stream, s, *app.add_streams());
    for (const auto& [job, decided] : jobs) *app.add_jobs() = decided;
  }
  return out;
}

absl::Status JournalState::restore(std::uint64_t sequence, const proto::JournalSnapshot& in) {
  if (in.version() > kVersion) return absl::FailedPreconditionError("the journal was written by a newer version; start the master of that version");
  *this = {};
  last_ = sequence, term_ = in.term(), drivers_ = in.drivers();
  for (const auto& app : in.apps()) {
    const auto& submitted = app.submitted();
    AppRecord& a = apps_[submitted.app()];
    a.app = submitted.app(), a.appId = submitted.app_id(), a.driver = submitted.driver(), a.driverId = submitted.driver_id();
    a.atMs = submitted.at_ms(), a.submit = submitted.submit();
    a.ended = app.ended(), a.failed = app.failed(), a.killed = app.killed(), a.why = app.why(), a.logPosition = app.log_position();
    a.driverAttempt = app.driver_attempt(), a.driverWorker = app.driver_worker();
    for (const auto& stream : app.streams()) {
      if (auto status = check(stream); !status.ok()) {
        return absl::DataLossError("the journal's snapshot at record " + std::to_string(sequence) + " is damaged: " + std::string(status.message()));
      }
      a.streams[stream.begun().stream()] = read(stream);
    }
    for (const auto& job : app.jobs()) a.jobs[job.job()] = job;
  }
  return absl::OkStatus();
}

}  // namespace sluice::master
