#include "master/pass.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "common/preferred_places.h"
#include "master/locality.h"
#include "master/progress.h"
#include "master/stages.h"

namespace sluice::master {
namespace {

constexpr std::size_t kToldLost = 100'000;  // remembered lost blocks of a stream
constexpr std::uint32_t kRestoring = ~0u;  // owner of a part that is read from a checkpoint

const Instance::Retry* retryOf(const Instance& in, const Run& run, std::uint32_t partition) {
  for (const auto& retry : in.retries) {
    if (retry.run == &run && retry.partition == partition) return &retry;
  }
  return nullptr;
}

}  // namespace

Pass::Pass(State& s, App& app, Instance& instance) : s_(s), app_(app), in_(instance), pass_(++s.passes) {
  auto stream = app.streams.find(instance.id.stream());
  if (stream != app.streams.end()) stream_ = stream->second.get();
}

void Pass::run() {
  if (in_.over || app_.up.empty()) return;
  member_.assign(app_.executors.size(), 0);
  bool any = false;
  if (in_.placement) {
    for (std::uint32_t member : in_.placement->members()) any |= member_[member] = app_.isUp(member), allUsable_ &= member_[member];
  }
  if (!any || std::exchange(in_.wantsSlots, false)) {  // none of those it began with is left, or they are too few
    in_.placement = placementOf(s_, app_, in_.facts->defaultPartitions);
    member_.assign(app_.executors.size(), 0), allUsable_ = true;
    for (std::uint32_t member : in_.placement->members()) member_[member] = app_.isUp(member);
  }
  in_.waitsForGang = false;
  if (in_.own.empty()) in_.own.resize(in_.plan->view.stages().size());
  wantBlocked();
  for (auto& output : in_.outputs) {
    if (!output.abandoned.empty()) continue;
    Run& run = *runOf(in_.plan, in_.plan->view.stages()[output.stage], in_.whenMs);
    if (output.wanted.empty()) {
      wantWhole(run);
    } else {
      for (std::uint32_t p : output.wanted) want(run, p);
    }
  }
  for (std::uint32_t stage : in_.stateStages) wantWhole(*runOf(in_.plan, in_.plan->view.stages()[stage], in_.whenMs));
  wantPanes();
  while (!open_.empty()) {
    Run* run = open_.back();
    open_.pop_back();
    run->queued = false;
    expand(*run);
  }
  // Parents first: cached datasets, then batches in order, then the job's own; within a time by stage.
  std::sort(looked_.begin(), looked_.end(), [](const Run* a, const Run* b) {
    auto rank = [](const Run* r) { return std::tuple(r->whenMs < 0, r->whenMs, r->plan->hash(), r->stage); };
    return rank(a) < rank(b);
  });
  for (std::size_t i = 0; i < looked_.size(); ++i) {
    if (looked_[i]->wantsAll || !looked_[i]->wanted.empty() || !looked_[i]->found.empty()) place(*looked_[i]);
  }
  launchBlocked();
  tellMoved();
  send();
}

// ---- finding what is missing ----

// Batches of a stream that the driver plans are made by the plans of their own, with what their functions held then; null: of another.
const BatchRecord* Pass::plannedAt(std::int64_t whenMs) const {
  if (whenMs <= 0 || !stream_ || !stream_->record) return nullptr;
  auto batch = stream_->record->batches.find(whenMs);
  return batch == stream_->record->batches.end() || !batch->second.plan ? nullptr : &batch->second;
}

RunPtr Pass::makeRun(const std::shared_ptr<Template>& plan, const Stage& stage, std::int64_t whenMs) {
  auto run = std::make_shared<Run>();
  run->plan = plan, run->stage = stage.index, run->whenMs = whenMs;
  if (const BatchRecord* batch = plannedAt(whenMs); batch && batch->plan->template_hash() == plan->hash()) {
    auto& older = captures_[whenMs];  // one for all runs of a batch, which are launched together
    if (whenMs != in_.whenMs && !older) older = std::make_shared<const proto::Captures>(batch->allocated.captures());
    run->captures = whenMs == in_.whenMs ? in_.captures : older;
  }
  run->begun = stream_ && whenMs > 0 && whenMs <= stream_->recalledMs;
  const Facts& facts = *in_.facts;
  if (plan->timeless) {
    if (plan->timelessPartitions != facts.defaultPartitions) {
      plan->timelessPartitions = facts.defaultPartitions;
      plan->timelessTasks.clear();
      for (const auto& each : plan->view.stages()) plan->timelessTasks.push_back(plan->view.tasks(each, whenMs, facts));
    }
    run->reset(plan->timelessTasks[stage.index]);
  } else {
    run->reset(plan->view.tasks(stage, whenMs, facts));
  }
  if (stage.sink == Stage::Sink::kExchange) {
    const auto& edge = plan->view.node(stage.exchange.node).edges(int(stage.exchange.edge));
    std::uint32_t reducers =
        edge.exchange() == proto::EXCHANGE_GATHER ? 1 : plan->view.partitions(stage.exchange.node, whenMs, facts);
    run->reducers = in_.placement->places(reducers).at;
    if (in_.job && plan == in_.plan && whenMs == in_.whenMs && !stage.barrier) {
      auto named = in_.exchanges.find(stage.exchange.node);
      if (named != in_.exchanges.end()) run->lasting = {named->second, stage.exchange.edge, facts.defaultPartitions};
    }
  }
  return run;
}

Run* Pass::runOf(const std::shared_ptr<Template>& readerPlan, const Stage& readerStage, std::int64_t whenMs) {
  bool own = whenMs == in_.whenMs && readerPlan == in_.plan;
  if (own && in_.own[readerStage.index]) {
    Run* run = in_.own[readerStage.index].get();
    begin(*run);
    return run;
  }
  RunPtr run;
  bool shared = whenMs >= 0 && readerStage.sink != Stage::Sink::kOutput;
  if (shared) {
    bool keep = readerStage.sink == Stage::Sink::kKeep;
    run = keep ? app_.values.keep(readerStage.root, whenMs) : app_.values.exchange(readerStage.exchange, whenMs);
    if (!run) {
      std::shared_ptr<Template> plan = readerPlan;
      if (const BatchRecord* batch = whenMs == in_.whenMs ? nullptr : plannedAt(whenMs)) {
        auto found = app_.templates.find(batch->plan->template_hash());
        plan = found != app_.templates.end() ? found->second : templateOf(app_, batch->plan, std::make_shared<proto::Captures>(batch->allocated.captures()));
      }
      const Stage* stage = keep ? plan->view.keepStage(readerStage.root) : plan->view.exchangeStage(readerStage.exchange);
      run = stage ? makeRun(plan, *stage, whenMs) : makeRun(readerPlan, readerStage, whenMs);
      if (keep) app_.values.addKeep(readerStage.root, run);
      else app_.values.addExchange(readerStage.exchange, run);
    } else if (whenMs == 0 && run->plan != readerPlan && run->unfinished == 0) {
      run->plan = readerPlan, run->stage = readerStage.index;  // the same lineage; this plan is installed anyway
    }
  } else {
    run = makeRun(readerPlan, readerStage, whenMs);
  }
  if (own) in_.own[readerStage.index] = run;
  in_.used.push_back(run);
  if (shared && whenMs == 0 && readerStage.sink == Stage::Sink::kExchange && (run->users.empty() || run->users.back() != in_.whenMs)) {
    run->users.push_back(in_.whenMs);
  }
  begin(*run);
  return run.get();
}

void Pass::begin(Run& run) {
  if (run.pass == pass_) return;
  run.pass = pass_;
  run.queued = run.wholeAsked = run.inputsAsked = run.wantsAll = run.unblocked = false;
  run.hadParts = run.begun;
  run.expanded = 0;
  run.wanted.clear(), run.found.clear(), run.reread.clear();
  looked_.push_back(&run);
}

// Where an earlier job left what the part is to make. Looked for once: a task that was sent already may still wait where it is said to lie.
std::uint32_t Pass::foundAt(const Run& run, std::uint32_t partition) const {
  if (run.lasting.node == 0 || run.parts[partition].attempt != 0) return kNowhere;
  std::uint32_t at = app_.mapOutputs.at(run.lasting, partition, run);
  return usable(at, kNowhere) ? at : kNowhere;
}

const TaskReads& Pass::alignedReads(Run& run) {
  if (run.reads) return *run.reads;
  Template& plan = *run.plan;
  if (plan.timeless) {
    auto& cached = plan.timelessReads[run.stage];
    if (!cached) cached = std::make_unique<TaskReads>(plan.view.reads(run.shape(), run.whenMs, 0, *in_.facts));
    run.reads = cached.get();
  } else {
    run.ownReads = std::make_unique<TaskReads>(plan.view.reads(run.shape(), run.whenMs, 0, *in_.facts));
    run.reads = run.ownReads.get();
  }
  return *run.reads;
}

const Pass::Reads& Pass::resolve(const Run& run, const TaskReads& reads) {
  resolved_.reads = &reads;
  resolved_.shuffles.clear(), resolved_.kept.clear();
  const PlanView& view = run.plan->view;
  for (const auto& shuffle : reads.shuffles) {
    resolved_.shuffles.push_back(runOf(run.plan, *view.exchangeStage(shuffle.exchange), run.plan->timeless ? run.whenMs : shuffle.whenMs));
  }
  for (const auto& kept : reads.kept) resolved_.kept.push_back(runOf(run.plan, *view.keepStage(kept.node), kept.whenMs));
  return resolved_;
}

void Pass::want(Run& run, std::uint32_t partition) {
  if (partition >= run.parts.size() || run.wantsAll) return;
  Part& part = run.parts[partition];
  if (part.state == PartState::kAbsent) {
    if (run.shape().sink == Stage::Sink::kKeep && restore(run, partition)) return;
    if (run.shape().barrier) return wantTogether(run);
    part.at = foundAt(run, partition);
    part.found = part.at != kNowhere;
    run.move(part, PartState::kPlaced);
    part.owner = in_.serial;
    if (part.found) return run.found.push_back(partition);  // and what it was made from is not asked for
    run.wanted.push_back(partition);
  } else if (part.state != PartState::kLaunched || part.found || run.inputsAsked) {
    return;
  }
  if (!run.queued) run.queued = true, open_.push_back(&run);
}

void Pass::wantPanes() {
  // The plan of a batch may lack what its function did not use.
  auto planOf = [&](const Instance::Pane& pane) { return in_.plan->view.keepStage(pane.node) || !stream_ ? in_.plan : stream_->plan; };
  std::erase_if(in_.panes, [&](const auto& pane) { return !planOf(pane)->view.keepStage(pane.node); });
  for (auto& pane : in_.panes) {
    auto plan = planOf(pane);
    Run* run = runOf(plan, *plan->view.keepStage(pane.node), pane.whenMs);
    pane.run = app_.values.keep(pane.node, pane.whenMs);
    wantWhole(*run);
  }
}

void Pass::wantWhole(Run& run) {
  if (run.wholeAsked || (run.absent == 0 && run.unfinished == 0)) return;
  run.wholeAsked = true;
  if (run.absent == run.parts.size() && !restorable(run) && !app_.mapOutputs.any(run.lasting, run)) {
    run.wantsAll = true;
    run.absent = 0, run.unfinished = std::uint32_t(run.parts.size());
    if (!run.queued) run.queued = true, open_.push_back(&run);
    return;
  }
  for (std::uint32_t p = 0; p < run.parts.size(); ++p) want(run, p);
}

// What its missing tasks read must be there; what unfinished ones wait for must not be missing either.
void Pass::expand(Run& run) {
  bool first = !run.inputsAsked;
  run.inputsAsked = true;
  bool repair = first && !run.wantsAll && run.unfinished > run.wanted.size() + run.found.size();
  if (run.traits().aligned) {
    resolve(run, alignedReads(run));
    if (first) {
      for (Run* exchange : resolved_.shuffles) wantWhole(*exchange);
    }
    if (resolved_.kept.empty()) return;
    if (run.wantsAll) {
      for (std::size_t i = 0; i < resolved_.kept.size(); ++i) {
        if (resolved_.kept[i]->parts.size() == run.parts.size()) {
          wantWhole(*resolved_.kept[i]);
        } else {
          for (std::uint32_t p = 0; p < run.parts.size(); ++p) want(*resolved_.kept[i], run.reads->kept[i].partition + p);
        }
      }
      return;
    }
    for (std::uint32_t p = 0; repair && p < run.parts.size(); ++p) recheck(run, p, resolved_, p);
    for (; run.expanded < run.wanted.size(); ++run.expanded) wantKept(resolved_, run.wanted[run.expanded]);
    return;
  }
  for (std::uint32_t p = 0; repair && p < run.parts.size(); ++p) {
    if (run.parts[p].state != PartState::kLaunched || run.parts[p].found) continue;
    TaskReads own = run.plan->view.reads(run.shape(), run.whenMs, p, *in_.facts);
    for (Run* exchange : resolve(run, own).shuffles) wantWhole(*exchange);
    recheck(run, p, resolved_, 0);
  }
  if (run.wantsAll && run.wanted.empty()) {
    for (std::uint32_t p = 0; p < run.parts.size(); ++p) run.wanted.push_back(p);
  }
  for (; run.expanded < run.wanted.size(); ++run.expanded) {
    TaskReads own = run.plan->view.reads(run.shape(), run.whenMs, run.wanted[run.expanded], *in_.facts);
    for (Run* exchange : resolve(run, own).shuffles) wantWhole(*exchange);
    wantKept(resolved_, 0);
  }
}

void Pass::wantKept(const Reads& reads, std::uint32_t shift) {
  for (std::size_t i = 0; i < reads.kept.size(); ++i) want(*reads.kept[i], reads.reads->kept[i].partition + shift);
}

// A launched task may wait on its executor for a value that another task there was to make. If that one is gone, or was placed
// elsewhere after a failure, the task has to start over with it.
void Pass::recheck(Run& run, std::uint32_t partition, const Reads& reads, std::uint32_t shift) {
  Part& part = run.parts[partition];
  if (part.state != PartState::kLaunched || part.found || part.owner != in_.serial) return;
  bool again = false;
  for (std::size_t i = 0; i < reads.kept.size(); ++i) {
    std::uint32_t p = reads.reads->kept[i].partition + shift;
    if (p >= reads.kept[i]->parts.size()) continue;
    const Part& value = reads.kept[i]->parts[p];
    if (value.state == PartState::kDone) continue;
    again |= value.state == PartState::kAbsent || value.at != part.at;
    want(*reads.kept[i], p);
  }
  if (!again) return;
  run.move(part, PartState::kAbsent);
  want(run, partition);
}

bool Pass::restorable(const Run& run) const {
  if (run.shape().sink != Stage::Sink::kKeep || run.whenMs <= 0 || !stream_ || !stream_->record) return false;
  const auto& checkpoints = stream_->record->checkpoints;
  return std::any_of(checkpoints.begin(), checkpoints.end(), [&](const auto& c) { return !c.of(run.shape().root, run.whenMs).empty(); });
}

// What a kept checkpoint holds, a version of a state or a pane, is read rather than computed.
bool Pass::restore(Run& run, std::uint32_t partition) {
  if (run.whenMs <= 0 || !stream_ || !stream_->record) return false;
  StreamRecord& record = *stream_->record;
  const proto::CheckpointFile *state = nullptr, *pane = nullptr;
  for (auto checkpoint = record.checkpoints.rbegin(); checkpoint != record.checkpoints.rend(); ++checkpoint) {
    for (const auto& file : checkpoint->of(run.shape().root, run.whenMs, partition)) {
      auto& found = file.pane() ? pane : state;
      if (!found) found = &file;
    }
  }
  if (!state && !pane) return false;
  std::uint32_t at = (*in_.placement->places(std::uint32_t(run.parts.size())).at)[partition];
  if (!usable(at, kNowhere)) at = another(at, kNowhere);
  Part& part = run.parts[partition];
  run.move(part, PartState::kPlaced);
  part.at = at, part.owner = kRestoring;
  auto same = [&](const auto& entry) { return entry.first == at && entry.second->message.restore().when_ms() == run.whenMs; };
  auto open = std::find_if(restores_.rbegin(), restores_.rend(), same);
  if (open == restores_.rend()) {
    restores_.emplace_back(at, messageOf(&proto::Message::mutable_restore, [&](proto::Restore& restore) {
      restore.set_app(app_.id.value), restore.set_when_ms(run.whenMs), restore.set_directory(record.plan->checkpoint_directory());
    }));
    open = restores_.rbegin();
  }
  for (const auto* file : {state, pane}) {
    if (file) *open->second->message.mutable_restore()->add_files() = *file;
  }
  return true;
}

// ---- placing ----

std::uint32_t Pass::another(std::uint32_t standard, std::uint32_t avoid) const {
  const auto& members = in_.placement->members();
  auto at = std::size_t(std::find(members.begin(), members.end(), standard) - members.begin());
  for (std::size_t i = 1; i <= members.size(); ++i) {
    std::uint32_t member = members[(at + i) % members.size()];
    if (usable(member, avoid)) return member;
  }
  return avoid;  // the only one left
}

std::uint32_t Pass::chooseHolder(const proto::InputList& inputs, std::uint32_t avoid) {
  if (inputs.inputs_size() == 0) return kNowhere;
  if (load_.empty()) load_.resize(app_.executors.size());
  std::uint32_t best = kNowhere;
  for (std::uint64_t id : inputs.inputs(0).holders()) {
    Executor* holder = app_.executor(id);
    if (!holder || !usable(holder->index, avoid)) continue;
    auto weigh = [&](std::uint32_t e) { return std::uint64_t(load_[e] + 1) * 1000 / std::max(app_.executors[e]->slots, 1u); };
    if (best == kNowhere || weigh(holder->index) < weigh(best)) best = holder->index;
  }
  if (best != kNowhere) ++load_[best];
  return best;
}

std::uint32_t Pass::choose(const Reads& reads, std::uint32_t shift, std::uint32_t standard, std::uint32_t avoid) {
  for (std::size_t i = 0; i < reads.kept.size(); ++i) {
    std::uint32_t p = reads.reads->kept[i].partition + shift;
    if (p >= reads.kept[i]->parts.size()) continue;
    const Part& part = reads.kept[i]->parts[p];
    if (part.state != PartState::kAbsent && usable(part.at, avoid)) return part.at;
  }
  for (std::size_t i = 0; i < reads.shuffles.size(); ++i) {
    if (reads.shuffles[i]->traits().broadcast) continue;  // is everywhere
    std::uint32_t r = reads.reads->shuffles[i].reducer + shift;
    const auto& reducers = *reads.shuffles[i]->reducers;
    if (r < reducers.size() && usable(reducers[r], avoid)) return reducers[r];
  }
  for (const auto& source : reads.reads->sources) {
    const proto::InputList* inputs = inputsOf({source.node, source.whenMs, source.partition + shift});
    std::uint32_t holder = inputs ? chooseHolder(*inputs, avoid) : kNowhere;
    if (holder != kNowhere) return holder;
  }
  return usable(standard, avoid) ? standard : another(standard, avoid);
}

// The reducer's segments have to come to this executor.
void Pass::readAt(Run& exchange, std::uint32_t reducer, std::uint32_t place) {
  if (reducer >= exchange.reducers->size() || (exchange.traits().broadcast && !exchange.hadParts)) return;
  if (exchange.hadParts) exchange.reread.push_back(reducer);
  std::uint32_t primary = (*exchange.reducers)[reducer];
  if (primary == place) return;
  if (!exchange.traits().oneReader && usable(primary, kNowhere)) {  // somebody else may read there
    std::pair<std::uint32_t, std::uint32_t> also{reducer, place};
    if (std::find(exchange.also.begin(), exchange.also.end(), also) == exchange.also.end()) exchange.also.push_back(also);
    return;
  }
  auto changed = std::make_shared<std::vector<std::uint32_t>>(*exchange.reducers);
  (*changed)[reducer] = place;
  exchange.reducers = std::move(changed);
}

// Kept values that it reads from elsewhere are there, or it has to wait. On its own executor the tasks of one Launch wait for each other.
bool Pass::ready(const Reads& reads, std::uint32_t shift, std::uint32_t place) const {
  for (std::size_t i = 0; i < reads.kept.size(); ++i) {
    std::uint32_t p = reads.reads->kept[i].partition + shift;
    if (p >= reads.kept[i]->parts.size()) continue;
    const Part& part = reads.kept[i]->parts[p];
    // What a barrier stage keeps is there as a whole: a job that ended before would give up the rest, and with it all of it.
    if (reads.kept[i]->shape().barrier && reads.kept[i]->absent + reads.kept[i]->unfinished > 0) return false;
    if (part.state == PartState::kDone) continue;
    if (part.state != PartState::kLaunched || part.at != place || part.owner != in_.serial) return false;
  }
  return true;
}

void Pass::placeTask(Run& run, std::uint32_t partition, const Reads& reads, std::uint32_t shift, std::uint32_t standard,
                     std::vector<std::uint32_t>* room) {
  Part& part = run.parts[partition];
  std::uint32_t avoid = kNowhere;
  if (!in_.retries.empty()) {
    if (const auto* retry = retryOf(in_, run, partition)) avoid = retry->avoid;
  }
  part.at = choose(reads, shift, standard, avoid);
  if (room) part.at = roomFor(part.at, avoid, *room);
  for (std::size_t i = 0; i < reads.shuffles.size(); ++i) readAt(*reads.shuffles[i], reads.reads->shuffles[i].reducer + shift, part.at);
  if (reads.kept.empty() || ready(reads, shift, part.at)) {
    launch(run, partition, reads, shift);
  } else {
    in_.blocked.emplace_back(&run, partition);
  }
}

// The usual case at full speed: a whole stage that nothing pulls from its standard places.
bool Pass::placeAll(Run& run) {
  if (!run.traits().aligned || run.traits().wishes || !in_.retries.empty() || !allUsable_) return false;
  const Reads& reads = resolve(run, alignedReads(run));
  if (!reads.kept.empty() || (stream_ && !reads.reads->sources.empty())) return false;
  const auto& places = in_.placement->places(std::uint32_t(run.parts.size()));
  for (Run* exchange : reads.shuffles) {
    if (exchange->hadParts || !exchange->also.empty()) return false;
    if (!exchange->traits().broadcast && exchange->reducers != places.at) return false;
  }
  Group& group = this->group(run, false);
  if (std::find(group.whens.begin(), group.whens.end(), run.whenMs) == group.whens.end()) group.whens.push_back(run.whenMs);
  const auto& members = in_.placement->members();
  for (std::size_t m = 0; m < members.size(); ++m) {
    const auto& own = places.of[m];
    if (own.empty()) continue;
    auto* tasks = launchTo(group, members[m]).mutable_tasks();
    int count = tasks->stage_size() + int(own.size());
    tasks->mutable_stage()->Resize(count, run.stage);
    tasks->mutable_when_ms()->Resize(count, run.whenMs);
    tasks->mutable_partition()->Add(own.begin(), own.end());
    auto* attempts = tasks->mutable_attempt();
    attempts->Reserve(count);
    for (std::uint32_t p : own) attempts->AddAlreadyReserved(run.parts[p].attempt + 1u);
  }
  const std::uint32_t* at = places.at->data();
  for (Part& part : run.parts) {
    part.at = *at++, part.owner = in_.serial, part.state = PartState::kLaunched;
    ++part.attempt;
  }
  return true;
}

void Pass::place(Run& run) {
  if (run.shape().barrier) return placeGang(run);
  run.begun = true;
  for (std::uint32_t p : run.found) launchFound(run, p);
  if (run.wantsAll) {
    if (placeAll(run)) return;
    run.wanted.clear();
    for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
      run.parts[p].state = PartState::kPlaced, run.parts[p].at = kNowhere, run.parts[p].owner = in_.serial;
      run.wanted.push_back(p);
    }
  }
  std::sort(run.wanted.begin(), run.wanted.end());
  auto places = in_.placement->places(std::uint32_t(run.parts.size())).at;
  if (run.traits().wishes) places = wishedPlaces(run, std::move(places));
  if (run.traits().aligned) {
    const Reads& reads = resolve(run, alignedReads(run));
    for (std::uint32_t p : run.wanted) placeTask(run, p, reads, p, (*places)[p]);
    return;
  }
  for (std::uint32_t p : run.wanted) {
    TaskReads own = run.plan->view.reads(run.shape(), run.whenMs, p, *in_.facts);
    placeTask(run, p, resolve(run, own), 0, (*places)[p]);
  }
}

// The standard places, but for those tasks that would rather be elsewhere.
std::shared_ptr<const std::vector<std::uint32_t>> Pass::wishedPlaces(Run& run, std::shared_ptr<const std::vector<std::uint32_t>> standard) {
  std::vector<std::uint32_t> members;
  for (std::uint32_t member : in_.placement->members()) {
    if (usable(member, kNowhere)) members.push_back(member);
  }
  std::vector<Wish> wishes;
  for (std::uint32_t p : run.wanted) {
    TaskReads reads = run.plan->view.reads(run.shape(), run.whenMs, p, *in_.facts);
    wishes.push_back({preferredPlaces(run.plan->view, reads), (*standard)[p]});
  }
  std::vector<std::uint32_t> given(app_.executors.size());
  for (const Part& part : run.parts) {
    if (part.at != kNowhere && part.state != PartState::kAbsent) ++given[part.at];
  }
  auto granted = grantWishes(app_, members, given, wishes);
  auto places = std::make_shared<std::vector<std::uint32_t>>(*standard);
  for (std::size_t i = 0; i < granted.size(); ++i) (*places)[run.wanted[i]] = granted[i];
  return places;
}

// ---- tasks held back ----

void Pass::wantBlocked() {
  auto blocked = in_.blocked;  // a barrier stage that begins anew takes its own out
  for (auto [run, p] : blocked) {
    if (run->parts[p].state != PartState::kPlaced || run->parts[p].owner != in_.serial) continue;
    begin(*run);
    TaskReads own = run->plan->view.reads(run->shape(), run->whenMs, p, *in_.facts);
    const Reads& reads = resolve(*run, own);
    for (Run* exchange : reads.shuffles) wantWhole(*exchange);
    for (std::size_t i = 0; i < reads.kept.size(); ++i) want(*reads.kept[i], own.kept[i].partition);
  }
}

void Pass::launchBlocked() {
  auto blocked = std::exchange(in_.blocked, {});
  for (auto [run, p] : blocked) {
    Part& part = run->parts[p];
    if (part.state != PartState::kPlaced || part.owner != in_.serial) continue;
    TaskReads own = run->plan->view.reads(run->shape(), run->whenMs, p, *in_.facts);
    const Reads& reads = resolve(*run, own);
    if (ready(reads, 0, part.at)) {
      begin(*run);
      run->unblocked = true;
      launch(*run, p, reads, 0);
    } else {
      in_.blocked.emplace_back(run, p);
    }
  }
}

// ---- launching ----

Pass::Group& Pass::group(const Run& run, bool cautious) {
  const auto& captures = run.captures ? run.captures : run.plan == in_.plan ? in_.captures : run.plan->captures;
  for (auto& group : groups_) {
    if (group.plan == run.plan && group.captures == captures && group.cautious == cautious) return group;
  }
  groups_.push_back({run.plan, captures, cautious, std::vector<Outgoing>(app_.executors.size()), {}, {}});
  return groups_.back();
}

proto::Launch& Pass::launchTo(Group& group, std::uint32_t executor) {
  Outgoing& out = group.byExecutor[executor];
  if (!out.launch) {
    out.envelope = std::make_shared<Envelope>();
    out.launch = out.envelope->message.mutable_launch();
    group.executors.push_back(executor);
  }
  return *out.launch;
}

const proto::InputList* Pass::inputsOf(const ValueId& source) const {
  if (!stream_ || !stream_->record) return nullptr;
  auto batch = stream_->record->batches.find(source.whenMs);
  if (batch == stream_->record->batches.end()) return nullptr;
  for (const auto& allocation : batch->second.allocated.sources()) {
    if (allocation.node() == source.node && int(source.partition) < allocation.partitions_size()) {
      return &allocation.partitions(int(source.partition));
    }
  }
  return nullptr;
}

void Pass::addInputs(proto::Launch& launch, const ValueId& source) {
  const proto::InputList* inputs = inputsOf(source);
  if (!inputs) return;
  auto* part = launch.add_sources();
  part->set_node(source.node), part->set_when_ms(source.whenMs), part->set_partition(source.partition);
  for (const auto& input : inputs->inputs()) {
    if (input.has_block()) {
      bool held = false;
      for (std::uint64_t holder : input.holders()) {
        const Executor* executor = app_.executor(holder);
        held |= executor && app_.isUp(executor->index);
      }
      if (!held) {
        lost_[{source.whenMs, input.block().source()}][{input.block().incarnation(), input.block().sequence()}] = input.records();
        continue;
      }
    }
    *part->add_inputs() = input;
  }
}

void Pass::launch(Run& run, std::uint32_t partition, const Reads& reads, std::uint32_t shift) {
  Part& part = run.parts[partition];
  bool cautious = false;
  if (!in_.retries.empty()) {
    if (const auto* retry = retryOf(in_, run, partition)) cautious = retry->cautious;
  }
  Group& group = this->group(run, cautious);
  proto::Launch& launch = launchTo(group, part.at);
  addTask(run, partition, group, *launch.mutable_tasks());
  for (std::size_t i = 0; i < reads.kept.size(); ++i) {
    std::uint32_t p = reads.reads->kept[i].partition + shift;
    if (p >= reads.kept[i]->parts.size() || reads.kept[i]->parts[p].at == part.at) continue;
    auto* route = launch.add_kept();
    route->set_node(reads.reads->kept[i].node), route->set_when_ms(reads.reads->kept[i].whenMs), route->set_partition(p);
    route->set_executor(app_.executors[reads.kept[i]->parts[p].at]->id.value);
  }
  for (const auto& source : reads.reads->sources) addInputs(launch, {source.node, source.whenMs, source.partition + shift});
}

void Pass::launchFound(Run& run, std::uint32_t partition) {
  Group& group = this->group(run, false);
  addTask(run, partition, group, *launchTo(group, run.parts[partition].at).mutable_found());
}

void Pass::addTask(Run& run, std::uint32_t partition, Group& group, proto::Tasks& tasks) {
  Part& part = run.parts[partition];
  tasks.add_stage(run.stage), tasks.add_when_ms(run.whenMs), tasks.add_partition(partition), tasks.add_attempt(++part.attempt);
  if (group.whens.empty() || group.whens.back() != run.whenMs) {
    if (std::find(group.whens.begin(), group.whens.end(), run.whenMs) == group.whens.end()) group.whens.push_back(run.whenMs);
  }
  run.move(part, PartState::kLaunched);
}

// Senders learn where reducers are that the epoch does not put there, and which they have to serve again.
void Pass::tellMoved() {
  for (Run* run : looked_) {
    bool sends = run->wantsAll || !run->wanted.empty() || !run->found.empty() || !run->reread.empty() || run->unblocked;
    if (!run->reducers || !sends) continue;
    const auto& standard = in_.placement->places(std::uint32_t(run->reducers->size())).at;
    const Stage& stage = run->shape();
    auto route = [&](std::uint32_t reducer, std::uint32_t at) {
      proto::Route& to = moved_.emplace_back();
      to.set_node(stage.exchange.node), to.set_when_ms(run->whenMs), to.set_partition(reducer);
      to.set_executor(app_.executors[at]->id.value);
    };
    std::sort(run->reread.begin(), run->reread.end());
    bool usual = run->reducers == standard && run->also.empty();
    if (usual && run->reread.empty()) continue;
    for (std::uint32_t r = 0; r < run->reducers->size(); ++r) {
      bool again = std::binary_search(run->reread.begin(), run->reread.end(), r);
      bool also = std::any_of(run->also.begin(), run->also.end(), [&](const auto& entry) { return entry.first == r; });
      if (!again && !also && (*run->reducers)[r] == (*standard)[r]) continue;
      if (app_.isUp((*run->reducers)[r])) route(r, (*run->reducers)[r]);
      for (const auto& [reducer, at] : run->also) {
        if (reducer == r && app_.isUp(at)) route(r, at);
      }
    }
    if (run->reread.empty()) continue;
    Group& holders = group(*run, false);
    for (const Part& part : run->parts) {
      if ((part.state == PartState::kLaunched || part.state == PartState::kDone) && app_.isUp(part.at)) launchTo(holders, part.at);
    }
  }
}

void Pass::fill(proto::Launch& launch, const Group& group, const proto::Launch& common, std::uint32_t k) const {
  *launch.mutable_instance() = in_.id;
  launch.set_k(k);
  launch.set_template_hash(group.plan->hash());
  launch.set_captures_version(common.captures_version());
  launch.set_epoch(in_.placement->number());
  launch.set_zero_ms(in_.facts->zeroMs);
  launch.set_cautious(group.cautious);
  launch.set_allocated_sequence(in_.allocatedSequence);
  launch.set_decided_ms(common.decided_ms());
  if (common.counts_size()) *launch.mutable_counts() = common.counts();
  if (common.marks_size()) *launch.mutable_marks() = common.marks();
  for (const auto& route : moved_) *launch.add_moved() = route;
  if (in_.properties) *launch.mutable_properties() = *in_.properties;
  if (in_.pool) *launch.mutable_pool() = *in_.pool;
  launch.set_order(in_.order);
  launch.set_first_stage(firstStage(app_, in_, *group.plan));
  if (group.plan != in_.plan) return;
  for (const auto& [node, name] : in_.exchanges) launch.add_exchange_nodes(node), launch.add_exchange_ids(name);
}

void Pass::tellLost() {
  for (const auto& [of, blocks] : lost_) {
    std::uint64_t records = 0, told = 0;
    for (const auto& [block, count] : blocks) {
      records += count;
      if (stream_) told += !stream_->toldLost.insert({of.second, block.first, block.second}).second;
    }
    if (told == blocks.size()) continue;
    if (stream_ && stream_->toldLost.size() > kToldLost) stream_->toldLost.clear();
    s_.warn(app_, "data lost: no executor holds " + std::to_string(blocks.size()) + " blocks of source " + std::to_string(of.second) + " (" +
                     std::to_string(records) + " records); batch " + std::to_string(of.first) + " ms goes on without them");
  }
}

void Pass::tellLaunches(const Group& group) {
  std::vector<std::pair<std::uint32_t, const proto::Tasks*>> tasks;
  for (std::uint32_t executor : group.executors) tasks.emplace_back(executor, &group.byExecutor[executor].launch->tasks());
  tellLaunched(s_, app_, in_, group.plan, tasks);
}

void Pass::send() {
  tellLost();
  in_.repairing |= in_.k > 0 || !restores_.empty();
  for (const Group& group : groups_) {
    in_.repairing |= std::any_of(group.whens.begin(), group.whens.end(), [&](std::int64_t when) { return when > 0 && when != in_.whenMs; });
  }
  const bool tellMarks = !app_.repairs();
  for (auto& [at, envelope] : restores_) {
    if (stream_) stream_->restores.emplace_back(at, envelope);
    s_.send(app_.executors[at]->peer(), envelope);
  }
  for (Group& group : groups_) {
    proto::Launch common;
    common.set_captures_version(group.captures ? group.captures->version() : 0);
    if (stream_ && stream_->record) {
      common.set_decided_ms(stream_->record->decidedMs);
      for (const auto& entry : stream_->record->retained) {
        if (!tellMarks) break;
        auto mark = stream_->marks.find(entry.node);
        if (mark == stream_->marks.end()) continue;
        auto* told = common.add_marks();
        told->set_node(entry.node), told->set_below_ms(mark->second);
      }
    }
    for (std::int64_t when : group.whens) {
      for (const auto& reach : group.plan->reach) {
        std::int64_t at = reach.absolute ? reach.back : when - reach.back;
        auto found = in_.facts->sources.find({reach.node, at});
        if (found == in_.facts->sources.end()) continue;
        auto* count = common.add_counts();
        count->set_node(reach.node), count->set_when_ms(at);
        if (found->second == Facts::kNoValue) count->set_no_value(true);
        else count->set_partitions(found->second);
      }
    }
    in_.launches.push_back({group.plan, group.captures, in_.placement});
    std::sort(group.executors.begin(), group.executors.end());
    if (group.plan->copies) {  // whoever is not in a plan has no session with those who are
      for (std::uint32_t index : in_.placement->members()) {
        if (!app_.isUp(index)) continue;
        install(s_, app_, *app_.executors[index], *group.plan, group.captures, *in_.placement);
        in_.participates(index);  // it is told when the copies may go
      }
    }
    if (app_.listening.on) tellLaunches(group);
    std::uint32_t k = in_.k++;
    for (std::uint32_t index : group.executors) {
      Executor& executor = *app_.executors[index];
      install(s_, app_, executor, *group.plan, group.captures, *in_.placement);
      Outgoing& out = group.byExecutor[index];
      s_.measures.tasksLaunched.add(std::uint64_t(out.launch->tasks().stage_size()));
      fill(*out.launch, group, common, k);
      in_.sent.emplace_back(index, out.envelope);
      in_.participates(index);
      s_.send(executor.peer(), std::move(out.envelope));
    }
  }
  if (!groups_.empty()) progressed(s_, app_);
}

}  // namespace sluice::master
