#include "master/journal_state.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "common/plan_check.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kRememberMs = 60'000;  // of sources that do not say
constexpr std::size_t kDecidedJobs = 64;

}  // namespace

namespace {

int position(const proto::Plan& plan, std::uint32_t node) {
  for (int i = 0; i < plan.nodes_size(); ++i) {
    if (plan.nodes(i).id() == node) return i;
  }
  return -1;
}

auto keyOf(const proto::CheckpointFile& file) { return std::tuple(file.node(), file.when_ms(), file.partition(), file.pane()); }

}  // namespace

void CheckpointRecord::sort() {
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return keyOf(a) < keyOf(b); });
}

std::span<const proto::CheckpointFile> CheckpointRecord::of(std::uint32_t node, std::int64_t whenMs, std::uint32_t partition) const {
  auto before = [](const proto::CheckpointFile& file, const auto& key) { return keyOf(file) < key; };
  auto after = [](const auto& key, const proto::CheckpointFile& file) { return key < keyOf(file); };
  std::uint32_t first = partition == kAll ? 0 : partition;
  auto low = std::lower_bound(files.begin(), files.end(), std::tuple(node, whenMs, first, false), before);
  auto high = std::upper_bound(low, files.end(), std::tuple(node, whenMs, partition, true), after);
  return {low, high};
}

std::int64_t StreamRecord::cutOf(const CheckpointRecord& checkpoint, const proto::Node& node) const {
  if (node.slide_ms() <= 0) return checkpoint.whenMs;
  auto file = std::lower_bound(checkpoint.files.begin(), checkpoint.files.end(), node.id(), [](const auto& f, std::uint32_t id) { return f.node() < id; });
  for (; file != checkpoint.files.end() && file->node() == node.id(); ++file) {
    if (!file->pane()) return file->when_ms();
  }
  std::int64_t at = checkpoint.whenMs == restoredMs ? resumedMs : checkpoint.whenMs;
  return zeroMs + (at - zeroMs) / node.slide_ms() * node.slide_ms();
}

std::int64_t StreamRecord::seenFrom(std::uint32_t node, std::int64_t whenMs) const {
  std::int64_t remember = 0;
  for (const auto& planned : plan->nodes()) {
    if (planned.id() == node) remember = planned.source().remember_ms();
  }
  return whenMs - (remember ? remember : kRememberMs) - 2 * plan->interval_ms();
}

AppRecord* JournalState::app(std::uint64_t id) {
  auto it = apps_.find(id);
  return it == apps_.end() ? nullptr : &it->second;
}

StreamRecord* JournalState::stream(std::uint64_t appId, std::uint32_t number) {
  AppRecord* record = app(appId);
  if (!record) return nullptr;
  auto it = record->streams.find(number);
  return it == record->streams.end() ? nullptr : &it->second;
}

void JournalState::applyAllocated(std::uint64_t sequence, const proto::Allocated& allocated) {
  StreamRecord* s = stream(allocated.app(), allocated.stream());
  if (!s) return;
  s->allocatedMs = allocated.when_ms();
  for (const auto& source : allocated.sources()) {
    auto it = s->sources.find(source.node());
    if (it == s->sources.end()) continue;
    if (source.records_per_second() > 0) it->second.rate = source.records_per_second();
    int taken = 0;
    for (const auto& partition : source.partitions()) taken += partition.inputs_size();
    auto& waiting = it->second.waiting;
    waiting.erase(waiting.begin(), waiting.begin() + std::min<std::ptrdiff_t>(taken, std::ptrdiff_t(waiting.size())));
  }
  BatchRecord& batch = s->batches[allocated.when_ms()];
  batch.allocatedSequence = sequence;
  batch.allocated = allocated;
  if (allocated.has_plan()) batch.plan = std::make_shared<proto::Plan>(allocated.plan());
}

void JournalState::applyDecided(std::uint64_t sequence, const proto::Decided& decided) {
  AppRecord* a = app(decided.app());
  if (!a) return;
  if (decided.job() != 0) {
    a->jobs[decided.job()] = decided;
    if (a->jobs.size() > kDecidedJobs) a->jobs.erase(a->jobs.begin());
    return;
  }
  StreamRecord* s = stream(decided.app(), decided.stream());
  if (!s) return;
  BatchRecord& batch = s->batches[decided.when_ms()];
  batch.decided = true;
  batch.decidedSequence = sequence;
  batch.decision = decided;
  batch.logPosition = a->logPosition;
  for (const auto& output : decided.outputs()) a->logPosition += output.lines().size();
  s->decidedMs = decided.when_ms();
}

void JournalState::applyAccepted(const proto::BlocksAccepted& accepted) {
  StreamRecord* found = nullptr;
  if (AppRecord* a = app(accepted.app())) {
    for (auto& [number, s] : a->streams) {
      if (s.sources.contains(accepted.node())) found = &s;
    }
  }
  if (!found) return;
  SourceRecord& source = found->sources[accepted.node()];
  for (const auto& block : accepted.blocks()) {
    source.waiting.push_back({block, accepted.after_ms()});
    if (!block.has_file()) continue;
    // Ranges of one file come one after the other.
    if (!source.seenFiles.empty() && source.seenFiles.back().path == block.file().path()) continue;
    source.seenFiles.push_back({block.file().path(), accepted.listed_ms()});
  }
  if (accepted.listed_ms() != 0) {
    std::int64_t from = found->seenFrom(accepted.node(), accepted.listed_ms());
    while (!source.seenFiles.empty() && source.seenFiles.front().whenMs < from) source.seenFiles.pop_front();
  }
  source.nextSequence = accepted.first_sequence() + std::uint64_t(accepted.blocks_size());
}

// What can be asked for has changed: batches (their allocation) that nobody can ask for any more are dropped.
void JournalState::retain(StreamRecord& s) {
  const proto::Plan* plan = s.plan.get();
  if (auto it = s.batches.find(s.publishedMs); it != s.batches.end() && it->second.plan) plan = it->second.plan.get();
  RetentionFacts facts{s.zeroMs, s.plan->interval_ms(), s.publishedMs, s.decidedMs, {}};
  const CheckpointRecord* older = nullptr;
  if (s.checkpoints.size() >= 2 || (!s.checkpoints.empty() && s.checkpoints.front().whenMs == s.restoredMs)) older = &s.checkpoints.front();
  for (const auto& node : plan->nodes()) {
    if (older && node.keep().state()) facts.cut[node.id()] = s.cutOf(*older, node);
  }
  s.retained = retention(*plan, facts);
  std::int64_t lowest = s.publishedMs + 1;
  for (const auto& entry : s.retained) lowest = std::min(lowest, entry.askMs);
  s.batches.erase(s.batches.begin(), s.batches.lower_bound(lowest));
}

absl::Status JournalState::apply(std::uint64_t sequence, const proto::JournalRecord& record) {
  last_ = sequence;
  const proto::Plan* plan = record.has_stream_begun() ? &record.stream_begun().plan() : record.allocated().has_plan() ? &record.allocated().plan() : nullptr;
  if (auto status = plan ? checkPlan(*plan) : absl::OkStatus(); !status.ok()) {
    return absl::DataLossError("journal record " + std::to_string(sequence) + " is damaged: " + std::string(status.message()));
  }
  if (record.has_stream_begun() && plan->interval_ms() <= 0) {
    return absl::DataLossError("journal record " + std::to_string(sequence) + " is damaged: a stream without an interval");
  }
  switch (record.what_case()) {
    case proto::JournalRecord::kTermStarted: term_ = record.term_started().term(); break;
    case proto::JournalRecord::kAppSubmitted: {
      const auto& r = record.app_submitted();
      AppRecord& a = apps_[r.app()];
      a.app = r.app(), a.appId = r.app_id(), a.submit = r.submit(), a.driver = r.driver(), a.driverId = r.driver_id(), a.atMs = r.at_ms();
      drivers_ = std::max(drivers_, r.driver());
      break;
    }
    case proto::JournalRecord::kStreamBegun: {
      const auto& r = record.stream_begun();
      if (AppRecord* a = app(r.app())) {
        StreamRecord& s = a->streams[r.stream()];
        s = {};
        s.generation = r.generation(), s.zeroMs = r.zero_ms(), s.restoredMs = r.restored_ms();
        s.resumedMs = r.resumed_ms() ? r.resumed_ms() : r.zero_ms();
        s.begunMs = r.begun_ms() ? r.begun_ms() : r.zero_ms();
        s.plan = std::make_shared<proto::Plan>(r.plan());
        s.captures = std::make_shared<proto::Captures>(r.captures());
        if (r.properties_size() > 0) s.properties = std::make_shared<google::protobuf::RepeatedPtrField<proto::Property>>(r.properties());
        s.defaultPartitions = r.default_partitions();
        s.allocatedMs = s.decidedMs = s.publishedMs = s.resumedMs;
        for (const auto& node : s.plan->nodes()) {
          auto kind = node.source().kind();
          if (kind == proto::SOURCE_RECEIVER || kind == proto::SOURCE_FILES) s.sources[node.id()];
        }
        retain(s);
      }
      break;
    }
    case proto::JournalRecord::kReceiverOpened: {
      const auto& r = record.receiver_opened();
      if (AppRecord* a = app(r.app())) {
        for (auto& [number, s] : a->streams) {
          auto it = s.sources.find(r.node());
          if (it == s.sources.end()) continue;
          it->second.incarnation = r.incarnation(), it->second.executor = r.executor(), it->second.nextSequence = 0;
        }
      }
      break;
    }
    case proto::JournalRecord::kBlocksAccepted: applyAccepted(record.blocks_accepted()); break;
    case proto::JournalRecord::kAllocated: applyAllocated(sequence, record.allocated()); break;
    case proto::JournalRecord::kDecided: applyDecided(sequence, record.decided()); break;
    case proto::JournalRecord::kPublished:
      if (StreamRecord* s = stream(record.published().app(), record.published().stream())) {
        s->publishedMs = record.published().when_ms();
        BatchRecord& batch = s->batches[s->publishedMs];
        batch.published = true;
        batch.decision.clear_outputs();  // nobody asks for its lines and parts again
        retain(*s);
      }
      break;
    case proto::JournalRecord::kOutputEnded:
      if (StreamRecord* s = stream(record.output_ended().app(), record.output_ended().stream())) {
        s->batches[record.output_ended().when_ms()].ended[record.output_ended().output()] = record.output_ended().error();
      }
      break;
    case proto::JournalRecord::kCheckpointTaken:
      if (StreamRecord* s = stream(record.checkpoint_taken().app(), record.checkpoint_taken().stream())) {
        const auto& r = record.checkpoint_taken();
        CheckpointRecord taken{r.when_ms(), {r.files().begin(), r.files().end()}};
        for (const auto& pane : r.panes_of_last()) {
          if (s->checkpoints.empty()) break;
          for (const auto& file : s->checkpoints.back().of(pane.node(), pane.when_ms())) {
            if (file.pane()) taken.files.push_back(file);
          }
        }
        for (auto& file : taken.files) {  // an older master did not say
          if (file.when_ms() != 0) continue;
          if (int at = position(*s->plan, file.node()); at >= 0) file.set_when_ms(s->cutOf({r.when_ms(), {}}, s->plan->nodes(at)));
        }
        taken.sort();
        s->checkpoints.push_back(std::move(taken));
        if (r.counts_size() + r.seen_files_size() > 0) {
          s->countsBefore.assign(r.counts().begin(), r.counts().end());
          for (int i = 0; i < r.seen_files_size() && i < r.seen_ms_size(); ++i) s->seenBefore.push_back({r.seen_files(i), r.seen_ms(i)});
        }
        if (s->checkpoints.size() > 2) s->checkpoints.pop_front();
        retain(*s);
      }
      break;
    case proto::JournalRecord::kStreamEnded:
      if (StreamRecord* s = stream(record.stream_ended().app(), record.stream_ended().stream())) {
        s->ended = true, s->error = record.stream_ended().error();
        s->batches.clear(), s->sources.clear();
      }
      break;
    case proto::JournalRecord::kAppFinished:
      if (AppRecord* a = app(record.app_finished().app())) {
        const auto& r = record.app_finished();
        a->ended = true, a->failed = r.failed(), a->why = r.why(), a->killed = r.killed();
        a->streams.clear(), a->jobs.clear();
      }
      break;
    case proto::JournalRecord::kDriverStarted:
      for (auto& [id, a] : apps_) {
        if (a.driver != record.driver_started().driver()) continue;
        a.driverAttempt = record.driver_started().attempt(), a.driverWorker = record.driver_started().worker();
      }
      break;
    case proto::JournalRecord::WHAT_NOT_SET:
      return absl::FailedPreconditionError("journal record " + std::to_string(sequence) +
                                           " was written by a newer version; start the master of that version");
  }
  return absl::OkStatus();
}

}  // namespace sluice::master
