#include "master/checkpoints.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "master/marks.h"
#include "master/panes.h"
#include "master/scheduler.h"
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

// In how many partitions the panes lie follows from what sources gave. (What stands in the plan is known anyway.)
void countSources(const Stream& stream, PendingCheckpoint& pending) {
  for (const auto& [of, partitions] : stream.facts->sources) {
    int at = stream.plan->view.position(of.first);
    if (at < 0 || stream.plan->plan->nodes(at).source().kind() == proto::SOURCE_BATCHES) continue;
    auto& count = pending.counts.emplace_back();
    count.set_node(of.first), count.set_when_ms(of.second);
    if (partitions == Facts::kNoValue) count.set_no_value(true);
    else count.set_partitions(partitions);
  }
}

void addCounts(const Stream& stream, proto::Manifest& manifest) {
  for (const auto& node : stream.plan->plan->nodes()) {
    if (node.slide_ms() <= 0 || (node.kind() != proto::NODE_SOURCE && !node.told())) continue;
    auto* source = manifest.add_sources();
    source->set_node(node.id()), source->set_uid(node.uid());
  }
  for (const auto& count : stream.checkpoint.counts) {
    if (count.when_ms() <= stream.checkpoint.whenMs) *manifest.add_counts() = count;
  }
}

void writeManifest(State& s, App& app, Stream& stream) {
  auto& pending = stream.checkpoint;
  pending.writing = true;
  const StreamRecord& record = *stream.record;
  proto::Manifest manifest;
  manifest.set_format(1), manifest.set_when_ms(pending.whenMs), manifest.set_zero_ms(record.zeroMs);
  manifest.set_interval_ms(stream.intervalMs), manifest.set_shape_hash(stream.plan->plan->shape_hash());
  manifest.set_generation(record.generation), manifest.set_default_partitions(record.defaultPartitions);
  std::vector<proto::CheckpointFile> files = pending.files;
  files.insert(files.end(), pending.filesOfLast.begin(), pending.filesOfLast.end());
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.node(), a.when_ms(), a.partition()) < std::tuple(b.node(), b.when_ms(), b.partition());
  });
  for (auto& file : files) *manifest.add_files() = std::move(file);
  addCounts(stream, manifest);
  std::int64_t seenFrom = pending.whenMs;
  auto addSeen = [&](const SeenFile& file, std::int64_t from) {
    if (file.whenMs >= from) manifest.add_seen_files(file.path), manifest.add_seen_ms(file.whenMs);
  };
  for (const auto& [node, source] : record.sources) seenFrom = std::min(seenFrom, record.seenFrom(node, pending.whenMs));
  for (const auto& file : record.seenBefore) addSeen(file, seenFrom);
  for (const auto& [node, source] : record.sources) {
    for (const auto& file : source.seenFiles) addSeen(file, record.seenFrom(node, pending.whenMs));
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

bool isWhole(const RunPtr& run) { return run && run->absent == 0 && run->unfinished == 0; }

// Nothing came in of which it is made: then a restored stream makes it again, of nothing.
bool isOfNothing(const PlanView& view, Pane pane, const Facts& facts) {
  const auto& node = view.node(pane.node);
  if (node.told()) {
    auto found = facts.sources.find({pane.node, pane.whenMs});
    return found != facts.sources.end() && (found->second == 0 || found->second == Facts::kNoValue);
  }
  if (node.kind() == proto::NODE_UNION && node.edges_size() == 0) return false;  // what the driver made of a batch
  if (node.kind() == proto::NODE_SOURCE) {
    auto found = facts.sources.find({pane.node, pane.whenMs});
    return node.source().kind() != proto::SOURCE_STATIC && (found == facts.sources.end() || found->second == 0);
  }
  if (node.keep().state()) return false;
  for (const auto& edge : node.edges()) {
    for (std::uint32_t i = 0; i < std::max(edge.shifts(), 1u); ++i) {
      std::int64_t at = pane.whenMs - edge.first_shift_ms() - std::int64_t(i) * edge.shift_step_ms();
      if (!isOfNothing(view, {edge.parent(), at}, facts)) return false;
    }
  }
  return true;
}

// Whether it is what is waited for, and not what was asked for a checkpoint that was given up: that may have been less.
bool answers(const PendingCheckpoint& pending, std::uint32_t executor, const proto::CheckpointWritten& written) {
  if (!pending.waiting.contains({executor, written.when_ms()})) return false;
  for (const auto& [at, envelope] : pending.sent) {
    const auto& take = envelope->message.take_checkpoint();
    if (at != executor || take.when_ms() != written.when_ms()) continue;
    std::set<std::tuple<bool, std::uint32_t, std::uint32_t>> asked;
    for (int i = 0; i < take.nodes_size(); ++i) asked.emplace(false, take.nodes(i), take.partitions(i));
    for (int i = 0; i < take.pane_nodes_size(); ++i) asked.emplace(true, take.pane_nodes(i), take.pane_partitions(i));
    if (!written.error().empty()) return true;
    for (const auto& file : written.files()) asked.erase({file.pane(), file.node(), file.partition()});
    return asked.empty();
  }
  return false;
}

std::vector<proto::CheckpointFile> writtenPanes(const StreamRecord& record, const Pane& pane) {
  std::vector<proto::CheckpointFile> written;
  if (record.checkpoints.empty()) return written;
  for (const auto& file : record.checkpoints.back().of(pane.node, pane.whenMs)) {
    if (file.pane()) written.push_back(file);
  }
  return written;
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
  stream.panesWanted.clear();
  std::map<std::pair<std::uint32_t, std::int64_t>, std::shared_ptr<Envelope>> messages;
  auto takeFrom = [&](std::uint32_t executor, std::int64_t version) {
    auto& envelope = messages[{executor, version}];
    if (!envelope) {
      envelope = messageOf(&proto::Message::mutable_take_checkpoint, [&](proto::TakeCheckpoint& take) {
        take.set_app(app.id.value), take.set_stream(stream.number), take.set_when_ms(version), take.set_cut_ms(whenMs);
        take.set_directory(plan.checkpoint_directory());
      });
    }
    return envelope->message.mutable_take_checkpoint();
  };
  for (const auto& node : plan.nodes()) {
    if (!node.keep().state()) continue;
    std::int64_t version = record.cutOf({whenMs, {}}, node);
    if (version <= record.zeroMs) continue;  // it has none yet
    RunPtr run = app.values.keep(node.id(), version);
    if (!isWhole(run)) {
      if (last) s.warn(app, "no last checkpoint: state '" + node.uid() + "' of batch " + std::to_string(version) + " is not complete");
      pending = {};
      return;  // being recomputed: the next batch will do
    }
    pending.holds[node.id()] = version;
    for (std::uint32_t p = 0; p < run->parts.size(); ++p) {
      auto* take = takeFrom(run->parts[p].at, version);
      take->add_nodes(node.id()), take->add_partitions(p);
    }
  }
  for (const Pane& pane : panesAt(plan, record.zeroMs, whenMs)) {
    const Stage* stage = stream.plan->view.keepStage(pane.node);
    if (!stage || stream.plan->view.tasks(*stage, pane.whenMs, *stream.facts) == 0) continue;
    if (auto written = writtenPanes(record, pane); !written.empty()) {  // by an earlier one: panes do not change
      pending.filesOfLast.insert(pending.filesOfLast.end(), written.begin(), written.end());
      continue;
    }
    RunPtr run = app.values.keep(pane.node, pane.whenMs);
    if (!isWhole(run)) {
      if (isOfNothing(stream.plan->view, pane, *stream.facts) || stream.panesGivenUp.contains({pane.node, pane.whenMs})) continue;
      stream.panesWanted.emplace(pane.node, pane.whenMs);
      continue;
    }
    auto [held, added] = pending.holds.emplace(pane.node, pane.whenMs);
    if (!added) held->second = std::min(held->second, pane.whenMs);
    for (std::uint32_t p = 0; p < run->parts.size(); ++p) {
      auto* take = takeFrom(run->parts[p].at, pane.whenMs);
      take->add_pane_nodes(pane.node), take->add_pane_partitions(p);
    }
  }
  if (!stream.panesWanted.empty() && !last) {  // the next batch makes them
    pending = {};
    return;
  }
  if (!stream.panesWanted.empty()) s.warn(app, "the last checkpoint is without some of what windows hold of earlier batches");
  countSources(stream, pending);
  pending.whenMs = whenMs;
  for (auto& [key, envelope] : messages) {
    pending.waiting.insert(key);
    pending.sent.emplace_back(key.first, envelope);
    installStream(s, app, *app.executors[key.first], stream);  // which tells what the files hold
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
  if (!answers(pending, executor->index, written)) return;
  pending.waiting.erase({executor->index, written.when_ms()});
  if (!written.error().empty()) {
    for (const auto& file : written.files()) {  // it is not where it was thought to be: the next batch makes it again
      RunPtr run = app.values.keep(file.node(), written.when_ms());
      if (!file.pane() || !run || file.partition() >= run->parts.size()) continue;
      Part& part = run->parts[file.partition()];
      if (part.state != PartState::kDone || part.at != executor->index) continue;
      if (!app.values.moveToCopy({file.node(), written.when_ms(), file.partition()}, part)) lose(nullptr, *run, file.partition());
    }
    s.warn(app, "checkpoint of batch " + std::to_string(pending.whenMs) + " failed: " + written.error() + "; the one before is kept");
    pending = {};
    return pump(s, app, stream);
  }
  for (auto file : written.files()) {
    if (int at = stream.plan->view.position(file.node()); at >= 0) file.set_uid(stream.plan->plan->nodes(at).uid());
    file.set_when_ms(written.when_ms());
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
    for (const auto& file : pending.filesOfLast) {  // by node and time alone: the journal is to grow by what is new
      auto* last = taken.panes_of_last_size() ? taken.mutable_panes_of_last(taken.panes_of_last_size() - 1) : nullptr;
      if (last && last->node() == file.node() && last->when_ms() == file.when_ms()) continue;
      last = taken.add_panes_of_last();
      last->set_node(file.node()), last->set_when_ms(file.when_ms());
    }
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
