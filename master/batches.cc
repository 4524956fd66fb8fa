#include "master/batches.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/output_files.h"
#include "common/thrown.h"
#include "master/checkpoints.h"
#include "master/marks.h"
#include "master/panes.h"
#include "master/jobs.h"
#include "master/pools.h"
#include "master/printed.h"
#include "master/publishing.h"
#include "master/scheduler.h"
#include "master/stream_events.h"
#include "master/streams.h"

namespace sluice::master {

bool isOnSlide(const Instance& in, int output) {
  const PlanView& view = in.plan->view;
  const auto& node = view.node(in.plan->plan->outputs(output).node());
  return view.exists(node.id(), view.whenOf(node, in.whenMs), *in.facts);
}

namespace {

const proto::Plan& planOf(const Stream& stream, const BatchRecord& record) { return record.plan ? *record.plan : *stream.plan->plan; }

// Nothing is allocated anywhere that the batch looks, and nothing goes on without input: its outputs take their empty form unlaunched.
bool isEmpty(const Instance& in) {
  if (!in.stateStages.empty() || !in.panes.empty()) return false;
  for (const auto& node : in.plan->plan->nodes()) {
    if (node.one_value_when_empty() || (node.kind() == proto::NODE_SOURCE && node.source().kind() == proto::SOURCE_STATIC)) return false;
  }
  for (const auto& reach : in.plan->reach) {
    auto found = in.facts->sources.find({reach.node, reach.absolute ? reach.back : in.whenMs - reach.back});
    if (found != in.facts->sources.end() && found->second > 0 && found->second != Facts::kNoValue) return false;
  }
  return true;
}

void addPanes(Instance& in, const proto::Plan& plan) {
  for (const auto& node : plan.nodes()) {
    if (!node.keep().keep() || node.keep().state() || !isReadAfter(plan, {node.id(), in.whenMs}, in.facts->zeroMs, in.whenMs)) continue;
    const Stage* stage = in.plan->view.keepStage(node.id());
    if (stage && in.plan->view.tasks(*stage, in.whenMs, *in.facts) > 0) in.panes.push_back({node.id(), in.whenMs, nullptr});
  }
}

// Whether all that the node is made of is read again by a run that is restored: files and what stands in the plan, not what was received.
bool comesAgain(const proto::Plan& plan, std::uint32_t node) {
  if (plan.driver_planned()) return false;
  std::set<std::uint32_t> above{node};
  for (int i = plan.nodes_size() - 1; i >= 0; --i) {
    const auto& at = plan.nodes(i);
    if (!above.contains(at.id())) continue;
    if (at.kind() == proto::NODE_SOURCE && at.source().kind() == proto::SOURCE_RECEIVER) return false;
    for (const auto& edge : at.edges()) above.insert(edge.parent());
  }
  return true;
}

// What each source gave to the batch. Blocks say how many records they have, files what was read of them (`in`: by whom; null: not known
// any more).
void countInputs(const proto::Plan& plan, const proto::Allocated& allocated, const Instance* in, Batch& batch) {
  for (const auto& source : allocated.sources()) {
    auto& counted = batch.inputs.emplace_back();
    counted.set_node(source.node());
    for (const auto& node : plan.nodes()) {
      if (node.id() == source.node()) counted.set_name(node.name());
    }
    for (int p = 0; p < source.partitions_size(); ++p) {
      std::uint64_t records = 0, bytes = 0;
      for (const auto& input : source.partitions(p).inputs()) {
        records += input.records(), bytes += input.bytes();
        const std::string& file = input.file().path();
        bool known = counted.files_size() > 0 && counted.files(counted.files_size() - 1) == file;
        if (!file.empty() && !known) counted.add_files(file);
      }
      if (in) {
        if (auto read = in->reads.find({source.node(), std::uint32_t(p)}); read != in->reads.end()) records = std::max(records, read->second.records);
      }
      counted.set_records(counted.records() + records), counted.set_bytes(counted.bytes() + bytes);
    }
    batch.records += counted.records();
  }
}

void tellLines(State& s, App& app, std::uint64_t position, const std::string& text) {
  if (text.empty()) return;
  s.effects.appendLog(app.id, position, text);
  for (const auto& [peer, from] : app.subscribers) {
    s.send(peer, messageOf(&proto::Message::mutable_lines, [&](proto::Lines& lines) {
             lines.set_app(app.id.value), lines.set_from(position), lines.set_text(text);
           }));
  }
}

// The outputs of a batch that append to rolled files. After the last batch (`last`) their open files are finished.
void addRolling(const App& app, const Stream& stream, const proto::Plan& plan, const proto::Decided& decided, bool last, Publication& files) {
  const StreamRecord& record = *stream.record;
  for (const auto& decision : decided.outputs()) {
    if (!decision.abandoned().empty() || int(decision.output()) >= plan.outputs_size()) continue;
    const auto& output = plan.outputs(int(decision.output()));
    if (output.kind() != proto::OUTPUT_ROLLING) continue;
    auto rolling = std::make_shared<proto::Publish::Rolling>();
    rolling->set_output(decision.output()), rolling->set_directory(output.prefix()), rolling->set_finish(last);
    rolling->set_roll_bytes(output.roll_bytes()), rolling->set_roll_age_ms(output.roll_age_ms()), rolling->set_extension(partExtension(output));
    for (const auto& part : decision.parts()) {
      if (!part.staged().empty()) rolling->add_staged(part.staged());
    }
    const std::string& checkpoint = plan.checkpoint_directory();
    rolling->set_owner(checkpoint.empty() ? "application " + app.record->appId : "checkpoint " + checkpoint);
    rolling->set_begun_ms(record.begunMs);
    if (record.restoredMs != 0 && comesAgain(plan, output.node())) rolling->set_replayed_ms(record.restoredMs);
    // Where nothing is restored from, only the last batch is of interest.
    std::int64_t first = record.checkpoints.empty() ? std::max(record.restoredMs, record.zeroMs) : record.checkpoints.front().whenMs;
    rolling->set_kept_ms(checkpoint.empty() ? decided.when_ms() : first);
    Publication::File file;
    file.output = decision.output(), file.rolling = std::move(rolling);
    file.at = app.up.empty() ? kNowhere : app.up[decision.output() % app.up.size()];
    files.files.push_back(std::move(file));
  }
}

void decideOutput(const Instance& in, const proto::Output& planned, std::uint32_t position, const Instance::Output* prepared,
                  proto::OutputDecision& decision) {
  decision.set_output(position);
  if (!prepared) return;
  decision.set_abandoned(prepared->abandoned);
  if (!prepared->abandoned.empty()) return;
  if (planned.kind() == proto::OUTPUT_PRINT) decision.set_lines(printedBatch(in.whenMs, prepared->results, planned.limit()));
  if (planned.kind() != proto::OUTPUT_FILES && planned.kind() != proto::OUTPUT_ROLLING) return;
  for (std::size_t p = 0; p < prepared->results.size(); ++p) {
    if (prepared->have[p]) *decision.add_parts() = prepared->results[p];
  }
}

// The commit point. What follows waits for its sync, but for printed lines: only a power cut can print a batch twice.
void decide(State& s, App& app, Stream& stream) {
  InstancePtr in = stream.running;
  proto::JournalRecord record;
  auto& decided = *record.mutable_decided();
  decided.set_app(app.id.value), decided.set_stream(stream.number), decided.set_when_ms(in->whenMs);
  const proto::Plan& plan = *in->plan->plan;
  const std::string leftOut = stream.record->batches[in->whenMs].allocated.failure();
  bool abandoned = false;
  for (int i = 0; i < plan.outputs_size(); ++i) {
    if (!isOnSlide(*in, i)) continue;
    auto prepared = std::find_if(in->outputs.begin(), in->outputs.end(), [&](const auto& o) { return int(o.position) == i; });
    auto& decision = *decided.add_outputs();
    decideOutput(*in, plan.outputs(i), std::uint32_t(i), prepared == in->outputs.end() ? nullptr : &*prepared, decision);
    if (!leftOut.empty()) decision.set_abandoned(leftOut);
    abandoned |= prepared != in->outputs.end() && !prepared->abandoned.empty();
  }
  if (abandoned) cancelAtExecutors(s, app, *in);
  s.commit(record);
  retire(s, app, *in, true);
  std::string failure;
  for (const auto& output : decided.outputs()) failure = failure.empty() ? output.abandoned() : failure;
  tellJobOver(s, app, in->whenMs, in->id.stream(), failure);
  stream.running = nullptr;
  BatchRecord& kept = stream.record->batches[in->whenMs];
  std::string text;
  for (const auto& output : decided.outputs()) text += output.lines();
  tellLines(s, app, kept.logPosition, text);
  Batch& batch = stream.batches[in->whenMs];
  batch.began = in->started, batch.ended = s.now;
  batch.updates = std::move(in->updates);
  countInputs(plan, kept.allocated, in.get(), batch);
  batch.order = in->order;
  s.measures.batchesDecided.add(), s.measures.batchRecords.add(batch.records);
  s.measures.batchDelay.observe(batch.began.us - in->whenMs * 1000);
  s.measures.batchTime.observe(batch.ended.us - batch.began.us);
  batch.files = publicationOf(app, plan, decided, in->id, kept.decidedSequence);
  addRolling(app, stream, plan, decided, false, batch.files);
  for (const auto& output : decided.outputs()) {
    if (batch.error.empty()) batch.error = output.abandoned();
    auto kind = plan.outputs(int(output.output())).kind();
    if (kind == proto::OUTPUT_DRIVER && output.abandoned().empty()) batch.functions.push_back(output.output());
    bool published = kind == proto::OUTPUT_FILES || kind == proto::OUTPUT_ROLLING;  // these end when they are
    if (kind != proto::OUTPUT_DRIVER && (!published || !output.abandoned().empty())) tellOutputEnded(s, app, stream, in->whenMs, output.output(), output.abandoned());
  }
}

void tellDone(State& s, App& app, Stream& stream, std::int64_t whenMs, Batch& batch, bool stopped) {
  if (!app.driver) return;
  tellCompleted(s, app, stream, whenMs, stopped ? batch.error : batch.files.error);
  s.send(*app.driver, messageOf(&proto::Message::mutable_batch_done, [&](proto::BatchDone& done) {
           done.set_app(app.id.value), done.set_stream(stream.number), done.set_when_ms(whenMs);
           done.set_error(batch.error), done.set_stopped(stopped), done.set_records(batch.records);
           done.set_scheduling_delay_us(std::max<std::int64_t>(batch.began.us - whenMs * 1000, 0));
           done.set_processing_us(batch.ended.us - batch.began.us);
           for (auto& update : batch.updates) *done.add_updates() = std::move(update);
           for (auto& input : batch.inputs) *done.add_inputs() = std::move(input);
         }));
}

void runFunction(State& s, App& app, Stream& stream, bool rerun) {
  for (auto& [whenMs, batch] : stream.batches) {
    if (!batch.filesBegun) return;
    if (batch.functions.empty()) continue;
    if (!app.driver || !app.driverUp) return;
    stream.functionRuns = true;
    if (batch.functionsBegan.us == 0) batch.functionsBegan = s.now;
    tellOutputBegun(s, app, stream, whenMs, batch.functions.front());
    s.send(*app.driver, messageOf(&proto::Message::mutable_run_output, [&](proto::RunOutput& run) {
             run.set_app(app.id.value), run.set_stream(stream.number), run.set_when_ms(whenMs), run.set_output(batch.functions.front());
             run.set_rerun(rerun);
           }), stream.record->batches[whenMs].decidedSequence);
    return;
  }
}

}  // namespace

bool startNextBatch(State& s, App& app, Stream& stream) {
  if (stream.running) return false;
  auto next = stream.record->batches.upper_bound(stream.record->decidedMs);
  if (next == stream.record->batches.end()) return false;
  const BatchRecord& record = next->second;
  auto in = std::make_shared<Instance>();
  in->whenMs = next->first, in->serial = ++app.serials, in->started = s.now;
  in->id.set_app(app.id.value), in->id.set_when_ms(in->whenMs), in->id.set_stream(stream.number);
  in->id.set_generation(stream.record->generation), in->id.set_run(std::uint32_t(s.journal.term()));
  if (record.plan) {
    forgetTemplates(s, app);
    in->captures = std::make_shared<proto::Captures>(record.allocated.captures());
    in->plan = templateOf(app, record.plan, in->captures);
  } else {
    in->plan = stream.plan, in->captures = stream.plan->captures;
  }
  in->plan->usedBy = ++app.templateUses;
  in->facts = stream.facts;
  in->allocatedSequence = record.allocatedSequence;
  in->properties = stream.record->properties;
  schedule(app, *in, in->serial);
  prepareOutputs(s, app, *in, {});
  for (auto [node, whenMs] : std::exchange(stream.panesWanted, {})) in->panes.push_back({node, whenMs, nullptr});
  // What windows will read of the batch is made now, where a checkpoint is to hold it.
  if (!stream.plan->plan->checkpoint_directory().empty() && !isEmpty(*in)) addPanes(*in, *stream.plan->plan);
  stream.running = in;
  tellBegun(s, app, stream, *in);
  tellJobBegun(s, app, *in, "batch " + std::to_string(in->whenMs) + " ms");
  if (!record.allocated.failure().empty()) {
    for (auto& output : in->outputs) output.abandoned = record.allocated.failure();
  } else if (isEmpty(*in)) {
    for (auto& output : in->outputs) output.missing = 0;
  } else {
    app.instances[{in->whenMs, stream.number}] = in;
    if (!app.up.empty()) in->placement = placementOf(s, app, in->facts->defaultPartitions);
    advance(s, app, *in);
  }
  if (!complete(*in)) return false;
  decide(s, app, stream);
  return true;
}

// What windows want and cannot have: a checkpoint goes without it, or there would be none until it has left all windows. `failed`: what failed;
// null: nobody knows.
static void giveUpPanes(Stream& stream, Instance& in, const proto::Failed* failed) {
  std::erase_if(in.panes, [&](const Instance::Pane& pane) {
    if (pane.run && pane.run->absent == 0 && pane.run->unfinished == 0) return false;
    const Stage* stage = in.plan->view.keepStage(pane.node);
    if (failed && failed->when_ms() == in.whenMs && pane.whenMs == in.whenMs && stage) {
      const auto& below = in.plan->shapes[stage->index].below;
      if (!std::binary_search(below.begin(), below.end(), failed->stage())) return false;
    } else if (failed && failed->when_ms() == in.whenMs) {
      return false;
    }
    stream.panesGivenUp.emplace(pane.node, pane.whenMs);
    return true;
  });
}

void settleBatch(State& s, App& app, Stream& stream) {
  InstancePtr in = stream.running;
  if (!in) return;
  if (!in->failure.empty()) {
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_USER), failed.set_message(in->failure), failed.set_when_ms(in->whenMs);
    in->failure.clear();
    if (RunPtr run = std::exchange(in->failedRun, nullptr)) {
      failed.set_stage(run->stage), failed.set_when_ms(run->whenMs), failed.set_site(in->failureSite);
      return failBatch(s, app, stream, failed);
    }
    // Nobody knows which stage it was: whatever is not there yet is given up.
    giveUpPanes(stream, *in, nullptr);
    for (const auto& stage : in->plan->view.stages()) {
      bool output = stage.sink == Stage::Sink::kOutput;
      bool state = in->plan->shapes[stage.index].state;
      const Run* run = in->own[stage.index].get();
      if (!(output || state) || !run || (run->absent == 0 && run->unfinished == 0)) continue;
      failed.set_stage(stage.index);
      failBatch(s, app, stream, failed);
      if (stream.running != in) return;
    }
  }
  if (!complete(*in)) return;
  decide(s, app, stream);
  pump(s, app, stream);
}

void failBatch(State& s, App& app, Stream& stream, const proto::Failed& failed) {
  InstancePtr in = stream.running;
  if (!in) return;
  std::string why = withSite(failed.message(), failed.site());
  bool goesOn = true;
  if (failed.when_ms() == in->whenMs) {
    goesOn = abandonBelow(*in, failed.stage(), why);
  } else if (!in->stateStages.empty()) {
    goesOn = false;
  } else {  // a value of an earlier batch: all that is not there yet may need it
    for (auto& output : in->outputs) {
      if (output.missing != 0 && output.abandoned.empty()) output.abandoned = why;
    }
  }
  giveUpPanes(stream, *in, &failed);
  s.warn(app, "batch " + std::to_string(in->whenMs) + ": " + why);
  if (goesOn) {
    if (!complete(*in)) return dropAbandoned(s, app, *in);
    decide(s, app, stream);
    return pump(s, app, stream);
  }
  Batch stopped;
  stopped.error = why, stopped.began = in->started, stopped.ended = s.now;
  tellDone(s, app, stream, in->whenMs, stopped, true);
  stopStream(s, app, stream, "batch " + std::to_string(in->whenMs) + ": " + why);
}

void publishBatches(State& s, App& app, Stream& stream) {
  for (auto& [whenMs, batch] : stream.batches) {
    if (!batch.filesBegun) {
      batch.filesBegun = true;
      publish(s, app, batch.files);
    }
    if (!batch.files.done()) break;  // of one output after the other, in order of time
  }
  if (!stream.functionRuns) runFunction(s, app, stream, false);
  while (!stream.batches.empty()) {
    auto first = stream.batches.begin();
    Batch& batch = first->second;
    if (!batch.filesBegun || !batch.files.done() || !batch.functions.empty()) return;
    if (batch.last) {
      if (!batch.files.error.empty()) s.warn(app, batch.files.error);
      stream.batches.erase(first);
      return;
    }
    if (batch.error.empty()) batch.error = batch.files.error;
    proto::JournalRecord record;
    auto& published = *record.mutable_published();
    published.set_app(app.id.value), published.set_stream(stream.number), published.set_when_ms(first->first);
    std::uint64_t sequence = s.commit(record);
    adaptRates(s, app, stream, batch, first->first);
    tellDone(s, app, stream, first->first, batch, false);
    stream.batches.erase(first);
    considerCheckpoint(s, app, stream);
    queueMarks(stream, sequence);
  }
}

bool finishRolledFiles(State& s, App& app, Stream& stream) {
  if (std::exchange(stream.rolledUp, true)) return false;
  const proto::Plan& plan = *stream.plan->plan;
  proto::Decided none;
  none.set_when_ms(stream.record->decidedMs);
  for (int i = 0; i < plan.outputs_size(); ++i) none.add_outputs()->set_output(std::uint32_t(i));
  Batch last;
  last.last = true, last.files.after = s.journal.last();
  last.files.instance.set_app(app.id.value), last.files.instance.set_stream(stream.number);
  last.files.instance.set_generation(stream.record->generation), last.files.instance.set_when_ms(stream.record->decidedMs + 1);
  addRolling(app, stream, plan, none, true, last.files);
  if (last.files.files.empty()) return false;
  stream.batches.emplace(stream.record->decidedMs + 1, std::move(last));
  publishBatches(s, app, stream);
  return !stream.batches.empty();
}

void takeOutputDone(State& s, App& app, Stream& stream, const proto::OutputDone& done) {
  auto found = stream.batches.find(done.when_ms());
  if (found == stream.batches.end() || found->second.functions.empty() || found->second.functions.front() != done.output()) return;
  proto::JournalRecord record;
  auto& ended = *record.mutable_output_ended();
  ended.set_app(app.id.value), ended.set_stream(stream.number), ended.set_when_ms(done.when_ms()), ended.set_output(done.output());
  ended.set_error(done.error());
  s.commit(record);
  tellOutputEnded(s, app, stream, done.when_ms(), done.output(), done.error());
  if (found->second.error.empty()) found->second.error = done.error();
  found->second.functions.pop_front();
  stream.functionRuns = false;
  pump(s, app, stream);
}

void rerunFunction(State& s, App& app, Stream& stream) {
  if (stream.functionRuns) runFunction(s, app, stream, true);
}

void recallBatches(State& s, App& app, Stream& stream) {
  for (const auto& [whenMs, record] : stream.record->batches) {
    if (!record.decided || record.published) continue;
    const proto::Plan& plan = planOf(stream, record);
    Batch& batch = stream.batches[whenMs];
    batch.began = batch.ended = s.now;
    countInputs(plan, record.allocated, nullptr, batch);
    proto::InstanceId id;
    id.set_app(app.id.value), id.set_when_ms(whenMs), id.set_stream(stream.number), id.set_generation(stream.record->generation);
    batch.files = publicationOf(app, plan, record.decision, id, record.decidedSequence);
    addRolling(app, stream, plan, record.decision, false, batch.files);
    std::string text;
    for (const auto& output : record.decision.outputs()) {
      text += output.lines();
      if (batch.error.empty()) batch.error = output.abandoned();
      bool function = plan.outputs(int(output.output())).kind() == proto::OUTPUT_DRIVER;
      if (function && output.abandoned().empty() && !record.ended.contains(output.output())) batch.functions.push_back(output.output());
    }
    tellLines(s, app, record.logPosition, text);  // its place in the log is known: said again, it changes nothing
    stream.functionRuns |= !batch.functions.empty();  // the next driver is told that it may be a rerun
  }
}

void dropRunning(State& s, App& app, Stream& stream) {
  if (!stream.running) return;
  InstancePtr in = std::exchange(stream.running, nullptr);
  cancelAtExecutors(s, app, *in);
  retire(s, app, *in, false);
  tellJobOver(s, app, in->whenMs, in->id.stream(), "the stream was stopped");
}

void dropFunctions(Stream& stream) {
  for (auto& [whenMs, batch] : stream.batches) batch.functions.clear();
  stream.functionRuns = false;
}

}  // namespace sluice::master
