// What the journal says, as one message and back: a restarted master begins from it, and the records before it go.
#include <utility>

#include "common/plan_check.h"
#include "master/journal_state.h"

namespace sluice::master {
namespace {

template <class Out> void write(const std::deque<SeenFile>& files, Out* out) {
  for (const auto& file : files) {
    auto& written = *out->Add();
    written.set_path(file.path), written.set_when_ms(file.whenMs);
  }
}

void write(std::int64_t whenMs, const BatchRecord& b, proto::BatchSnapshot& out) {
  out.set_when_ms(whenMs), out.set_allocated_sequence(b.allocatedSequence), out.set_decided(b.decided);
  out.set_decided_sequence(b.decidedSequence), out.set_log_position(b.logPosition), out.set_published(b.published);
  *out.mutable_allocated() = b.allocated;
  *out.mutable_decision() = b.decision;
  for (const auto& [output, error] : b.ended) {
    auto& ended = *out.add_ended();
    ended.set_output(output), ended.set_error(error);
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
  out.set_node(node), out.set_incarnation(source.incarnation), out.set_executor(source.executor);
  out.set_next_sequence(source.nextSequence), out.set_records_per_second(source.rate);
  for (const auto& waiting : source.waiting) {
    auto& written = *out.add_waiting();
    *written.mutable_input() = waiting.input;
    written.set_after_ms(waiting.afterMs);
  }
  write(source.seenFiles, out.mutable_seen_files());
}

SourceRecord read(const proto::SourceSnapshot& in) {
  SourceRecord source;
  source.incarnation = in.incarnation(), source.executor = in.executor(), source.nextSequence = in.next_sequence();
  source.rate = in.records_per_second();
  for (const auto& waiting : in.waiting()) source.waiting.push_back({waiting.input(), waiting.after_ms()});
  for (const auto& file : in.seen_files()) source.seenFiles.push_back({file.path(), file.when_ms()});
  return source;
}

void write(const AppRecord& app, std::uint32_t number, const StreamRecord& s, proto::StreamSnapshot& out) {
  auto& begun = *out.mutable_begun();
  begun.set_app(app.app), begun.set_stream(number), begun.set_generation(s.generation);
  begun.set_zero_ms(s.zeroMs), begun.set_restored_ms(s.restoredMs), begun.set_resumed_ms(s.resumedMs), begun.set_begun_ms(s.begunMs);
  *begun.mutable_plan() = *s.plan;
  *begun.mutable_captures() = *s.captures;
  if (s.properties) *begun.mutable_properties() = *s.properties;
  begun.set_default_partitions(s.defaultPartitions);
  out.set_allocated_ms(s.allocatedMs), out.set_decided_ms(s.decidedMs), out.set_published_ms(s.publishedMs);
  for (const auto& [whenMs, batch] : s.batches) write(whenMs, batch, *out.add_batches());
  for (const auto& [node, source] : s.sources) write(node, source, *out.add_sources());
  for (const auto& checkpoint : s.checkpoints) {
    auto& written = *out.add_checkpoints();
    written.set_when_ms(checkpoint.whenMs);
    written.mutable_files()->Add(checkpoint.files.begin(), checkpoint.files.end());
  }
  out.mutable_counts_before()->Add(s.countsBefore.begin(), s.countsBefore.end());
  write({s.seenBefore.begin(), s.seenBefore.end()}, out.mutable_seen_before());
  for (const auto& retained : s.retained) {
    auto& written = *out.add_retained();
    written.set_node(retained.node), written.set_ask_ms(retained.askMs), written.set_compute_ms(retained.computeMs);
  }
  out.set_ended(s.ended), out.set_error(s.error);
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
  out.set_term(term_), out.set_drivers(drivers_);
  for (const auto& [number, a] : apps_) {
    auto& app = *out.add_apps();
    auto& submitted = *app.mutable_submitted();
    submitted.set_app(number), submitted.set_app_id(a.appId), submitted.set_driver(a.driver), submitted.set_driver_id(a.driverId);
    submitted.set_at_ms(a.atMs);
    *submitted.mutable_submit() = a.submit;
    app.set_ended(a.ended), app.set_failed(a.failed), app.set_killed(a.killed), app.set_why(a.why), app.set_log_position(a.logPosition);
    app.set_driver_attempt(a.driverAttempt), app.set_driver_worker(a.driverWorker);
    for (const auto& [stream, s] : a.streams) write(a, stream, s, *app.add_streams());
    for (const auto& [job, decided] : a.jobs) *app.add_jobs() = decided;
  }
  return out;
}

absl::Status JournalState::restore(std::uint64_t sequence, const proto::JournalSnapshot& in) {
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
