#include "master/checkpoints.h"

#include <algorithm>

#include "master/streams.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kDefaultMs = 10'000;
constexpr int kKept = 2;

std::int64_t intervalOf(const Stream& stream) {
  const auto& plan = *stream.plan->plan;
  if (plan.checkpoint_interval_ms() > 0) return plan.checkpoint_interval_ms();
  std::int64_t slide = stream.intervalMs;
  for (const auto& node : plan.nodes()) {
    if (node.keep().state()) slide = std::max(slide, node.slide_ms());
  }
  return (kDefaultMs + slide - 1) / slide * slide;
}

void writeManifest(State& s, App& app, Stream& stream) {
  auto& pending = stream.checkpoint;
  pending.writing = true;
  const StreamRecord& record = *stream.record;
  proto::Manifest manifest;
  manifest.set_format(1), manifest.set_when_ms(pending.whenMs), manifest.set_zero_ms(record.zeroMs);
  manifest.set_interval_ms(stream.intervalMs), manifest.set_shape_hash(stream.plan->plan->shape_hash());
  manifest.set_generation(record.generation), manifest.set_default_partitions(record.defaultPartitions);
  std::sort(pending.files.begin(), pending.files.end(),
            [](const auto& a, const auto& b) { return std::pair(a.node(), a.partition()) < std::pair(b.node(), b.partition()); });
  for (const auto& file : pending.files) *manifest.add_files() = file;
  for (const auto& [node, source] : record.sources) {
    std::int64_t from = record.seenFrom(node, pending.whenMs);
    auto add = [&](const SeenFile& file) {
      if (file.whenMs >= from) manifest.add_seen_files(file.path), manifest.add_seen_ms(file.whenMs);
    };
    for (const auto& file : stream.seenFiles) add(file);
    for (const auto& file : source.seenFiles) add(file);
    // Ranges of files can be read again by whoever restores; blocks of receivers go with their executors.
    proto::SourceAllocation waiting;
    waiting.set_node(node);
    for (const auto& input : source.waiting) {
      if (input.input.has_file()) *waiting.add_partitions()->add_inputs() = input.input;
    }
    // Allocated to a batch after the cut: a new context will not know of that allocation.
    for (auto batch = record.batches.upper_bound(pending.whenMs); batch != record.batches.end(); ++batch) {
      for (const auto& allocation : batch->second.allocated.sources()) {
        if (allocation.node() != node) continue;
        for (const auto& partition : allocation.partitions()) {
          if (partition.inputs_size() && partition.inputs(0).has_file()) *waiting.add_partitions() = partition;
        }
      }
    }
    waiting.set_records_per_second(source.rate);
    if (waiting.partitions_size() || source.rate > 0) *manifest.add_unallocated() = waiting;
  }
  s.effects.writeManifest(app.id, stream.number, stream.plan->plan->checkpoint_directory(), manifest, kKept);
}

}  // namespace

void considerCheckpoint(State& s, App& app, Stream& stream) {
  if (stream.plan->plan->checkpoint_directory().empty() || stream.checkpoint.whenMs != 0) return;
  const auto& record = *stream.record;
  std::int64_t last = record.checkpoints.empty() ? record.zeroMs : std::max(record.checkpoints.back().whenMs, record.resumedMs);
  if (record.publishedMs - last >= intervalOf(stream)) takeCheckpoint(s, app, stream, false);
}

void takeCheckpoint(State& s, App& app, Stream& stream, bool last) {
  const auto& record = *stream.record;
  const auto& plan = *stream.plan->plan;
  const std::int64_t whenMs = last ? record.decidedMs : record.publishedMs;
  if (plan.checkpoint_directory().empty() || whenMs <= record.zeroMs) return;
  if (last && !record.checkpoints.empty() && record.checkpoints.back().whenMs == whenMs) return;
  auto& pending = stream.checkpoint;
  pending = {};
  std::map<std::pair<std::uint32_t, std::int64_t>, std::shared_ptr<Envelope>> messages;
  for (const auto& node : plan.nodes()) {
    if (!node.keep().state()) continue;
    std::int64_t version = record.cutOf({whenMs, {}}, node);
    if (version <= record.zeroMs) continue;  // it has none yet
    RunPtr run = app.values.keep(node.id(), version);
    bool whole = run && run->absent == 0 && run->unfinished == 0;
    if (!whole) {
      if (last) s.warn(app, "no last checkpoint: state '" + node.uid() + "' of batch " + std::to_string(version) + " is not complete");
      return;  // being recomputed: the next batch will do
    }
    for (std::uint32_t p = 0; p < run->parts.size(); ++p) {
      auto& envelope = messages[{run->parts[p].at, version}];
      if (!envelope) envelope = std::make_shared<Envelope>();
      auto* take = envelope->message.mutable_take_checkpoint();
      take->set_app(app.id.value), take->set_stream(stream.number), take->set_when_ms(version);
      take->set_directory(plan.checkpoint_directory());
      take->add_nodes(node.id()), take->add_partitions(p);
    }
  }
  pending.whenMs = whenMs;
  for (auto& [key, envelope] : messages) {
    pending.waiting.insert(key);
    pending.sent.emplace_back(key.first, envelope);
    s.send(app.executors[key.first]->peer(), envelope, record.batches.contains(whenMs) ? record.batches.at(whenMs).decidedSequence : 0);
  }
  completeCheckpoint(s, app, stream);
}

void completeCheckpoint(State& s, App& app, Stream& stream) {
  const auto& pending = stream.checkpoint;
  if (pending.whenMs == 0 || pending.writing || !pending.waiting.empty()) return;
  for (const auto& [whenMs, batch] : stream.batches) {
    if (whenMs <= pending.whenMs && !(batch.filesBegun && batch.files.done())) return;
  }
  writeManifest(s, app, stream);
}

void takeWritten(State& s, App& app, const proto::CheckpointWritten& written) {
  auto found = app.streams.find(written.stream());
  Executor* executor = app.executor(written.executor());
  if (found == app.streams.end() || !executor) return;
  Stream& stream = *found->second;
  auto& pending = stream.checkpoint;
  if (pending.waiting.erase({executor->index, written.when_ms()}) == 0) return;
  if (!written.error().empty()) {
    s.warn(app, "checkpoint of batch " + std::to_string(pending.whenMs) + " failed: " + written.error() + "; the one before is kept");
    pending = {};
    return pump(s, app, stream);
  }
  for (auto file : written.files()) {
    if (int at = stream.plan->view.position(file.node()); at >= 0) file.set_uid(stream.plan->plan->nodes(at).uid());
    pending.files.push_back(file);
  }
  completeCheckpoint(s, app, stream);
}

void takeManifestWritten(State& s, App& app, Stream& stream, std::int64_t whenMs, const std::string& error) {
  auto& pending = stream.checkpoint;
  if (!pending.writing || pending.whenMs != whenMs) return;
  if (error.empty()) {
    proto::JournalRecord record;
    auto& taken = *record.mutable_checkpoint_taken();
    taken.set_app(app.id.value), taken.set_stream(stream.number), taken.set_when_ms(whenMs);
    for (const auto& file : pending.files) *taken.add_files() = file;
    std::uint64_t sequence = s.commit(record);
    queueMarks(stream, sequence);
  } else {
    s.warn(app, "checkpoint of batch " + std::to_string(whenMs) + " failed: " + error + "; the one before is kept");
  }
  pending = {};
  pump(s, app, stream);
}

void loseCheckpoint(State& s, App& app, Stream& stream, std::uint32_t executor) {
  auto& pending = stream.checkpoint;
  bool owner = std::any_of(pending.waiting.begin(), pending.waiting.end(), [&](const auto& entry) { return entry.first == executor; });
  if (!owner || pending.writing) return;
  s.warn(app, "checkpoint of batch " + std::to_string(pending.whenMs) + " given up: an owner of its state is gone");
  pending = {};
  stream.lastCheckpoint = false;
}

}  // namespace sluice::master
