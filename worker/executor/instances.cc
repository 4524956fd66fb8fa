#include "worker/executor/instances.h"

#include <unistd.h>

#include "worker/executor/directories.h"
#include "worker/executor/sinks.h"

namespace sluice::executor {

namespace {

constexpr Duration kReportInterval = Milliseconds(50);
constexpr Duration kCountInterval = Milliseconds(100);
constexpr std::uint64_t kSmallResultBytes = 64 << 10;
constexpr std::size_t kReleasedRemembered = 4096;

void setValue(proto::KeptValue& value, ValueId id, std::uint64_t executor) {
  value.set_node(id.node), value.set_when_ms(id.whenMs), value.set_partition(id.partition), value.set_executor(executor);
}

std::string inputOf(const Task& task, ValueId id) {
  const proto::Node& node = task.view().node(id.node);
  std::string text = "partition " + std::to_string(id.partition) + " of " + node.name() + " at " + node.site();
  return id.whenMs > 0 ? text + ", batch " + std::to_string(id.whenMs) + " ms," : text;
}

ExchangeUse useOf(const PlanView& view, ExchangeKey key, Scope scope) {
  return {key, view.markedNode(key.exchange), scope};
}

}  // namespace

bool Instances::released(Scope when) const { return released_.contains(when); }

bool Instances::broadcasts(const PlanView& view, ExchangeId exchange) {
  return view.node(exchange.node).edges(int(exchange.edge)).exchange() == proto::EXCHANGE_BROADCAST;
}

// ---- launching ----

void Instances::refuse(const proto::Launch& launch, const std::string& why) {
  for (const proto::Tasks* tasks : {&launch.tasks(), &launch.found()}) {
    for (int i = 0; i < tasks->stage_size(); ++i) {
      auto [envelope, failed] = compose(&proto::Message::mutable_failed);
      *failed->mutable_instance() = launch.instance();
      failed->set_k(launch.k()), failed->set_executor(control_.options.executor.value);
      failed->set_stage(tasks->stage(i)), failed->set_when_ms(tasks->when_ms(i));
      failed->set_partition(tasks->partition(i)), failed->set_attempt(tasks->attempt(i));
      failed->set_domain(proto::DOMAIN_SYSTEM), failed->set_message(why);
      control_.send(kMasterPeer, std::move(envelope));
    }
  }
}

void Instances::addFacts(Instance& instance, const proto::Launch& launch, const EnvelopePtr& envelope) {
  auto facts = instance.facts ? std::make_shared<Facts>(*instance.facts) : std::make_shared<Facts>();
  facts->zeroMs = launch.zero_ms();
  facts->defaultPartitions = std::max(instance.installed->epoch->default_partitions(), 1u);
  for (const auto& count : launch.counts()) {
    facts->sources[{count.node(), count.when_ms()}] = count.no_value() ? Facts::kNoValue : count.partitions();
  }
  instance.facts = std::move(facts);
  for (const auto& source : launch.sources()) {
    instance.sources[{source.node(), source.when_ms(), source.partition()}] = {&source, envelope};
  }
  for (const auto& route : launch.kept()) {
    ValueId id{route.node(), route.when_ms(), route.partition()};
    instance.keptAt[id] = route.executor();
    values_.locate(id, route.executor());
  }
}

void Instances::moveReducers(Instance& instance, const proto::Launch& launch) {
  const PlanView& view = instance.installed->plan->view;
  std::map<ExchangeKey, std::vector<std::pair<std::uint32_t, std::uint64_t>>> routes;
  for (const auto& route : launch.moved()) {
    if (view.position(route.node()) < 0) continue;
    const proto::Node& node = view.node(route.node());
    for (int e = 0; e < node.edges_size(); ++e) {
      if (node.edges(e).exchange() == proto::EXCHANGE_NONE) continue;
      ExchangeId exchange{route.node(), std::uint32_t(e)};
      bool one = broadcasts(view, exchange) || node.edges(e).exchange() == proto::EXCHANGE_GATHER;
      routes[{exchange, route.when_ms()}].emplace_back(one ? 0 : route.partition(), route.executor());
    }
  }
  for (const auto& [key, moved] : routes) shuffle_.move(useOf(view, key, instance.id.when_ms()), launch.epoch(), moved);
}

void Instances::onLaunch(const EnvelopePtr& envelope, std::shared_ptr<const Installed> installed) {
  const proto::Launch& launch = envelope->message.launch();
  Scope when = launch.instance().when_ms();
  if (released(when)) return;
  std::unique_ptr<Instance>& slot = instances_[when];
  if (slot && slot->id.stream() < launch.instance().stream()) {  // of a stream that has ended; this one goes on from an earlier checkpoint
    forget(*slot);
    slot = nullptr;
  }
  if (slot && (launch.instance().run() < slot->id.run() || (launch.instance().run() == slot->id.run() && launch.k() <= slot->k))) return;
  if (!slot) slot = std::make_unique<Instance>();
  Instance& instance = *slot;
  instance.id = launch.instance();
  instance.k = launch.k();
  instance.captures = launch.captures_version();
  instance.installed = std::move(installed);
  instance.cancelled->store(false, std::memory_order_relaxed);
  instance.launch = {envelope, &launch};
  addFacts(instance, launch, envelope);
  moveReducers(instance, launch);
  const proto::Tasks& tasks = launch.tasks();
  std::vector<TaskPtr> entered;
  entered.reserve(std::size_t(tasks.stage_size()));
  for (int i = 0; i < tasks.stage_size(); ++i) {
    if (tasks.stage(i) >= instance.installed->plan->view.stages().size()) continue;
    TaskKey key{instance.installed->plan->view.plan().template_hash(), tasks.stage(i), tasks.when_ms(i), tasks.partition(i)};
    if (TaskPtr task = enter(instance, key, tasks.attempt(i), launch.cautious())) entered.push_back(std::move(task));
  }
  for (const TaskPtr& task : entered) await(instance, task);
  const proto::Tasks& found = launch.found();
  for (int i = 0; i < found.stage_size(); ++i) {
    if (found.stage(i) >= instance.installed->plan->view.stages().size()) continue;
    TaskKey key{launch.template_hash(), found.stage(i), found.when_ms(i), found.partition(i)};
    if (TaskPtr task = enter(instance, key, found.attempt(i), false)) takeFound(instance, *task);
  }
  if (instance.unfinished == 0) sendReport(instance);
}

// A task that is asked for again while it is here goes on under its new attempt. Null: nothing is to be done.
TaskPtr Instances::enter(Instance& instance, TaskKey key, std::uint32_t attempt, bool cautious) {
  TaskPtr& task = instance.tasks[key];
  if (task && attempt < task->attempt) return nullptr;
  if (task) task->k = instance.k, task->found = false;
  // All tasks of a barrier stage begin anew together; none goes on by itself, or is left out because it was done.
  const bool together = instance.installed->plan->view.stages()[key.stage].barrier;
  if (together && task && task->spec) task->spec->stopped.store(true, std::memory_order_relaxed);
  if (task && !together && task->status == Task::Status::kDone && stillThere(instance, *task)) {
    task->attempt = attempt;
    return nullptr;
  }
  bool again = task && task->status < Task::Status::kDone;
  if (again) {
    task->attempt = attempt;
    return nullptr;
  }
  task = std::make_shared<Task>();
  task->instance = &instance, task->scope = instance.id.when_ms();
  task->stage = key.stage, task->partition = key.partition, task->whenMs = key.whenMs;
  task->attempt = attempt, task->cautious = cautious;
  task->installed = instance.installed, task->k = instance.k, task->captures = instance.captures;
  task->launch = instance.launch;
  ++instance.unfinished;
  const Stage& stage = task->view().stages()[key.stage];
  if (stage.sink == Stage::Sink::kKeep) values_.expect({stage.root, key.whenMs, key.partition}, 1);
  return task;
}

// Whether what a finished task made can still be had. If so the master is told of it once more.
bool Instances::stillThere(Instance& instance, const Task& task) {
  const PlanView& view = task.view();
  const Stage& stage = view.stages()[task.stage];
  if (stage.sink == Stage::Sink::kExchange) return shuffle_.has({stage.exchange, task.whenMs}, task.partition);
  if (stage.sink == Stage::Sink::kOutput) return false;  // results are small to make again, and a staged file may be gone
  ValueId id{stage.root, task.whenMs, task.partition};
  if (!values_.has(id)) return false;
  Envelope& envelope = reportOf(instance, task.k);
  proto::Prepared& report = *envelope.message.mutable_prepared();
  report.mutable_tasks()->add_stage(task.stage), report.mutable_tasks()->add_when_ms(task.whenMs);
  report.mutable_tasks()->add_partition(task.partition), report.mutable_tasks()->add_attempt(task.attempt);
  proto::KeptValue& kept = *report.add_kept();
  setValue(kept, id, control_.options.executor.value);
  kept.set_bytes(values_.read(id)->allBytes());
  return true;
}

// ---- map outputs that jobs leave behind ----

MapOutputId Instances::outputIdOf(const Task& task) {
  const Stage& stage = task.view().stages()[task.stage];
  const proto::Launch& launch = *task.launch;
  bool may = stage.sink == Stage::Sink::kExchange && task.whenMs < 0 && !stage.barrier;
  for (int i = 0; may && i < std::min(launch.exchange_nodes_size(), launch.exchange_ids_size()); ++i) {
    if (launch.exchange_nodes(i) != stage.exchange.node) continue;
    return {launch.exchange_ids(i), stage.exchange.edge, std::max(task.installed->epoch->default_partitions(), 1u)};
  }
  return {};
}

// As if the task had run, in no time and with nothing to tell of it.
void Instances::takeFound(Instance& instance, Task& task) {
  task.found = true;
  const Stage& stage = task.view().stages()[task.stage];
  MapOutputId id = outputIdOf(task);
  auto segments = id.node == 0 ? nullptr : control_.runtime.mapOutputs().find(id, task.partition);
  if (!segments || segments->size() != reducersOf(task.view(), stage.exchange, *instance.facts)) return fail(instance, task, proto::DOMAIN_LOST, "what an earlier job left is not here any more", {}, {});
  task.status = Task::Status::kDone;
  shuffle_.finished(useOf(task.view(), {stage.exchange, task.whenMs}, task.scope), task.partition, task.attempt, broadcasts(task.view(), stage.exchange),
                    std::shared_ptr<const proto::Epoch>(task.installed, task.installed->epoch.get()), std::move(segments));
  ended(instance, task);
}

// ---- inputs ----

std::vector<const proto::Input*> Instances::sourceInputs(const Instance& instance, const Task& task, ValueId id) const {
  std::vector<const proto::Input*> inputs;
  auto add = [&](const auto& list) {
    for (const proto::Input& input : list) inputs.push_back(&input);
  };
  if (auto it = instance.sources.find(id); it != instance.sources.end()) {
    add(it->second.source->inputs());
    return inputs;
  }
  const proto::Node& node = task.view().node(id.node);
  const proto::Source& source = node.source();
  if (source.kind() == proto::SOURCE_STATIC) {
    if (int(id.partition) < source.inputs_size()) inputs.push_back(&source.inputs(int(id.partition)));
  } else if (source.kind() == proto::SOURCE_BATCHES && node.slide_ms() > 0) {
    std::int64_t k = (id.whenMs - instance.facts->zeroMs) / node.slide_ms() - 1;
    if (k < 0 || k >= source.batches_size()) return inputs;
    const proto::InputList& batch = source.batches(int(k));
    if (int(id.partition) < batch.partitions_size()) add(batch.partitions(int(id.partition)).inputs());
    else if (batch.partitions_size() == 0 && int(id.partition) < batch.inputs_size()) inputs.push_back(&batch.inputs(int(id.partition)));
  }
  return inputs;
}

bool Instances::awaitSource(Instance& instance, const TaskPtr& task, ValueId id, std::vector<ValueId>& lost) {
  for (const proto::Input* input : sourceInputs(instance, *task, id)) {
    if (input->what_case() != proto::Input::kBlock) continue;
    BlockId block = BlockId::of(input->block());
    switch (values_.wantBlock(block, *input, id, task)) {
      case Values::Found::kHere: break;
      case Values::Found::kWaiting:
        ++task->waiting;
        instance.fetchedBlocks.push_back(block);
        break;
      case Values::Found::kLost: lost.push_back(id); return false;
    }
  }
  return true;
}

void Instances::await(Instance& instance, const TaskPtr& task) {
  const PlanView& view = task->view();
  const Stage& stage = view.stages()[task->stage];
  task->reads = view.reads(stage, task->whenMs, task->partition, *instance.facts);
  std::vector<ValueId> lost;
  for (const auto& shuffle : task->reads.shuffles) {
    const Stage* map = view.exchangeStage(shuffle.exchange);
    std::uint32_t maps = map ? view.tasks(*map, shuffle.whenMs, *instance.facts) : 0;
    std::uint32_t reducer = broadcasts(view, shuffle.exchange) ? 0 : shuffle.reducer;
    if (!shuffle_.want(useOf(view, {shuffle.exchange, shuffle.whenMs}, task->scope), reducer, maps, task)) ++task->waiting;
  }
  for (ValueId id : task->reads.kept) {
    auto at = instance.keptAt.find(id);
    switch (values_.want(id, at == instance.keptAt.end() ? 0 : at->second, task)) {
      case Values::Found::kHere: break;
      case Values::Found::kWaiting: ++task->waiting; break;
      case Values::Found::kLost: lost.push_back(id); break;
    }
  }
  for (ValueId id : task->reads.sources) awaitSource(instance, task, id, lost);
  if (const auto& captures = task->installed->captures) {
    for (std::uint64_t id : captures->broadcasts()) task->waiting += !broadcastValues_.want(id, task);
  }
  if (!lost.empty()) {
    forgetWaiting(task);
    fail(instance, *task, proto::DOMAIN_LOST, inputOf(*task, lost.front()) + " is not here and nobody has it", {}, lost);
  } else if (task->waiting == 0) {
    control_.woken.push_back(task);
  }
}

bool Instances::fillInputs(const Task& task, TaskSpec& spec, std::vector<ValueId>& missing) const {
  const Instance& instance = *task.instance;
  const PlanView& view = task.view();
  bool whole = true;
  spec.inputs.shuffles.reserve(task.reads.shuffles.size());
  for (const auto& shuffle : task.reads.shuffles) {
    std::uint32_t reducer = broadcasts(view, shuffle.exchange) ? 0 : shuffle.reducer;
    std::vector<RowsPtr> maps;
    whole = shuffle_.read({shuffle.exchange, shuffle.whenMs}, reducer, maps) && whole;
    for (const RowsPtr& rows : maps) spec.inputBytes += rows ? rows->bytes : 0;
    spec.inputs.shuffles.push_back({shuffle.exchange, shuffle.whenMs, shuffle.reducer, std::move(maps)});
  }
  for (ValueId id : task.reads.kept) {
    RowsPtr rows = values_.read(id);
    if (!rows) {  // let go since the task became ready
      missing.push_back(id);
      continue;
    }
    spec.inputBytes += rows->bytes;
    spec.inputs.kept.push_back({id, std::move(rows)});
  }
  for (ValueId id : task.reads.sources) {
    TaskInputs::Source source{id, {}};
    for (const proto::Input* input : sourceInputs(instance, task, id)) {
      TaskInputs::Part part{input, nullptr};
      if (input->what_case() == proto::Input::kBlock) part.block = values_.readBlock(BlockId::of(input->block()));
      spec.inputBytes += input->bytes();
      source.parts.push_back(std::move(part));
    }
    if (auto it = instance.sources.find(id); it != instance.sources.end()) spec.inputs.hold.push_back(it->second.hold);
    spec.inputs.sources.push_back(std::move(source));
  }
  if (const auto& captures = task.installed->captures) {
    for (std::uint64_t id : captures->broadcasts()) {
      Bytes value;
      if (control_.runtime.broadcast(id, value)) spec.inputs.broadcasts.emplace_back(id, std::move(value));
      else whole = whole && !broadcastValues_.fetchable(id);  // unpersisted since the task became ready
    }
  }
  return whole && missing.empty();
}

void Instances::forgetWaiting(const TaskPtr& task) {
  shuffle_.drop(task), values_.drop(task), broadcastValues_.drop(task);
}

// ---- running ----

void Instances::pump() {
  while (!control_.woken.empty() || !control_.lost.empty()) {
    auto lost = std::exchange(control_.lost, {});
    for (auto& [task, id, asked] : lost) {
      if (!task->instance || task->status != Task::Status::kWaiting) continue;
      forgetWaiting(task);
      fail(*task->instance, *task, proto::DOMAIN_LOST, inputOf(*task, id) + " could not be fetched from where it was", {}, {id}, asked);
    }
    auto woken = std::exchange(control_.woken, {});
    for (TaskPtr& task : woken) {
      if (!task->instance || task->status != Task::Status::kWaiting || task->waiting != 0) continue;
      task->status = Task::Status::kReady;
      ready_.add(std::move(task));
    }
  }
  // A few more than there are slots, so that a slot does not wait for the strand.
  while (running_ < control_.options.slots * 2) {
    TaskPtr task = ready_.take();
    if (!task) break;
    start(task);
  }
  tellStarts();
  if (someAreOver_) dropOver();
}

void Instances::start(const TaskPtr& task) {
  Instance& instance = *task->instance;
  auto spec = std::make_shared<TaskSpec>();
  spec->instance = instance.id;
  spec->k = task->k;
  spec->stage = task->stage, spec->partition = task->partition, spec->attempt = task->attempt, spec->whenMs = task->whenMs;
  spec->captures = task->captures;
  spec->cautious = task->cautious, spec->measured = listens_;
  spec->template_ = task->installed;
  spec->facts = instance.facts;
  spec->cancelled = instance.cancelled;
  spec->launch = task->launch;
  if (std::vector<ValueId> missing; !fillInputs(*task, *spec, missing)) {
    ready_.ended(*task->launch, task->stage);
    return fail(instance, *task, proto::DOMAIN_LOST, (missing.empty() ? "a broadcast value" : inputOf(*task, missing.front())) + " was let go before it was read", {}, missing);
  }
  task->status = Task::Status::kRunning;
  noteStart(instance, *task);
  ++running_, ++instance.running;
  meetings_.prepare(*task, spec);
  task->spec = spec;
  control_.effects.run(std::move(spec));
}

void Instances::onTaskDone(const TaskSpec& spec, TaskDone& done) {
  --running_;
  ready_.ended(*spec.launch, spec.stage);
  std::shared_ptr<Envelope> farewell = meetings_.ended(spec, done.end == TaskDone::End::kDone);
  auto found = instances_.find(spec.instance.when_ms());
  if (found == instances_.end() || found->second->cancelled != spec.cancelled) return left(spec);
  Instance& instance = *found->second;
  --instance.running;
  auto it = instance.tasks.find({spec.template_->plan->view.plan().template_hash(), spec.stage, spec.whenMs, spec.partition});
  if (it == instance.tasks.end() || it->second->status != Task::Status::kRunning) return;
  TaskPtr task = it->second;
  task->spec = nullptr;
  const bool overtaken = farewell && (spec.stopped || task->attempt != spec.attempt);  // its stage has begun anew without it
  if (done.end == TaskDone::End::kDone && !overtaken) {
    if (farewell) {
      instance.told.push_back(farewell);
      control_.send(kMasterPeer, std::move(farewell));
    }
    return finish(instance, *task, done);
  }
  if (!done.staged.empty()) instance.staged.push_back(std::move(done.staged));
  if (task->attempt != spec.attempt) {  // asked for again meanwhile
    task->status = Task::Status::kWaiting;
    control_.woken.push_back(task);
    return;
  }
  if ((done.end == TaskDone::End::kCancelled || overtaken) && spec.stopped) {
    return fail(instance, *task, proto::DOMAIN_CANCELLED, "it was killed", {}, {}, 0, &done.metrics);
  }
  if (done.end == TaskDone::End::kCancelled) return ended(instance, *task);
  for (ValueId id : done.missing) values_.forget(id);
  fail(instance, *task, done.domain, std::move(done.message), std::move(done.site), done.missing, 0, &done.metrics);
}

void Instances::finish(Instance& instance, Task& task, TaskDone& done) {
  const PlanView& view = task.view();
  const Stage& stage = view.stages()[task.stage];
  task.status = Task::Status::kDone;
  Envelope& envelope = reportOf(instance, task.k);
  proto::Prepared& report = *envelope.message.mutable_prepared();
  report.set_input_records(report.input_records() + done.inputRecords);
  report.set_input_bytes(report.input_bytes() + done.inputBytes);
  if (listens_) addRecord(task, done.metrics, *report.add_ended());
  for (const TaskDone::Read& read : done.reads) {
    if (instance.id.when_ms() <= 0) break;  // only batches tell
    proto::SourceRead& told = *report.add_reads();
    told.set_node(read.source.node), told.set_when_ms(read.source.whenMs), told.set_partition(read.source.partition);
    told.set_records(read.records), told.set_bytes(read.bytes);
  }
  bool exchange = stage.sink == Stage::Sink::kExchange;
  if (!exchange || !done.updates.empty()) {
    proto::Tasks& tasks = *report.mutable_tasks();
    for (auto& [id, value] : done.updates) {
      proto::Accumulate& update = *report.add_updates();
      update.set_id(id), update.set_value(std::move(value));
      report.add_update_tasks(std::uint32_t(tasks.stage_size()));
    }
    tasks.add_stage(task.stage), tasks.add_when_ms(task.whenMs);
    tasks.add_partition(task.partition), tasks.add_attempt(task.attempt);
  }
  if (exchange) {
    const ExchangeUse use = useOf(view, {stage.exchange, task.whenMs}, task.scope);
    if (MapOutputId id = outputIdOf(task); id.node != 0) {
      control_.runtime.mapOutputs().keep(id, task.partition, done.segments);
      shuffle_.lasts(use);
    }
    shuffle_.finished(use, task.partition, task.attempt, broadcasts(view, stage.exchange),
                      std::shared_ptr<const proto::Epoch>(task.installed, task.installed->epoch.get()), std::move(done.segments));
  } else if (stage.sink == Stage::Sink::kKeep) {
    keepOutput(instance, task, done, report);
  } else {
    addResult(instance, task, done, envelope, report);
  }
  ended(instance, task);
}

void Instances::keepOutput(Instance& instance, Task& task, TaskDone& done, proto::Prepared& report) {
  ValueId id{task.view().stages()[task.stage].root, task.whenMs, task.partition};
  proto::KeptValue& kept = *report.add_kept();
  setValue(kept, id, control_.options.executor.value);
  kept.set_bytes(done.rows->allBytes());
  values_.keep(id, std::move(done.rows));
  values_.expect(id, -1);
  std::uint32_t copies = task.view().node(id.node).keep().replicas();
  if (copies > 1) values_.copyTo(id, copies - 1, *task.installed->epoch);
}

void Instances::addResult(Instance& instance, const Task& task, TaskDone& done, Envelope& envelope, proto::Prepared& report) {
  const PlanView& view = task.view();
  const proto::Output& output = view.plan().outputs(int(view.stages()[task.stage].output));
  proto::Result& result = *report.add_results();
  result.set_output(output.index()), result.set_partition(task.partition), result.set_attempt(task.attempt);
  result.set_rows(done.outputRows), result.set_bytes(done.outputBytes), result.set_attachment(-1);
  result.set_executor(control_.options.executor.value);
  for (std::string& line : done.lines) result.add_lines(std::move(line));
  if (!done.staged.empty()) {
    instance.staged.push_back(done.staged);
    result.set_staged(std::move(done.staged));
  }
  if (!done.rows) return;
  Pin pin;
  bool small = done.rows->bytes <= kSmallResultBytes && done.rows->pieces.size() <= 1;
  if (small && (done.rows->pieces.empty() || control_.store().pinInMemory(done.rows->pieces[0].object, pin))) {
    result.set_attachment(int(envelope.attachments.size()));
    envelope.attachments.push_back(pin.bytes());
  } else {
    values_.addResult(task.scope, output.index(), task.partition, std::move(done.rows));
  }
}

void Instances::fail(Instance& instance, Task& task, proto::Domain domain, std::string message, std::string site,
                     const std::vector<ValueId>& missing, std::uint64_t asked, const TaskMetrics* metrics) {
  task.status = Task::Status::kFailed;
  auto [envelope, failed] = compose(&proto::Message::mutable_failed);
  *failed->mutable_instance() = instance.id;
  failed->set_k(task.k), failed->set_executor(control_.options.executor.value);
  failed->set_stage(task.stage), failed->set_when_ms(task.whenMs), failed->set_partition(task.partition);
  failed->set_attempt(task.attempt);
  failed->set_domain(domain), failed->set_message(std::move(message)), failed->set_site(std::move(site));
  for (ValueId id : missing) setValue(*failed->add_missing(), id, asked != 0 ? asked : control_.options.executor.value);
  if (listens_ && !task.found) addRecord(task, metrics ? *metrics : TaskMetrics(), *failed->mutable_record());
  instance.told.push_back(envelope);
  control_.send(kMasterPeer, std::move(envelope));
  const Stage& stage = task.view().stages()[task.stage];
  if (stage.sink == Stage::Sink::kKeep) values_.expect({stage.root, task.whenMs, task.partition}, -1);
  ended(instance, task);
}

// ---- reporting ----

Envelope& Instances::reportOf(Instance& instance, std::uint32_t k) {
  if (instance.report && instance.report->message.prepared().k() != k) sendReport(instance);
  if (!instance.report) {
    auto [envelope, prepared] = compose(&proto::Message::mutable_prepared);
    *prepared->mutable_instance() = instance.id;
    prepared->set_executor(control_.options.executor.value);
    prepared->set_k(k);
    instance.report = std::move(envelope);
  }
  return *instance.report;
}

void Instances::ended(Instance& instance, Task& task) {
  task.reads = {};
  if (--instance.unfinished == 0) return sendReport(instance);
  if (!instance.report || instance.timing) return;
  instance.timing = true;
  control_.effects.arm({kReportTimer, std::uint64_t(instance.id.when_ms())}, control_.now + kReportInterval);
}

void Instances::onReportTimer(Scope when) {
  auto it = instances_.find(when);
  if (it == instances_.end()) return;
  it->second->timing = false;
  sendReport(*it->second);
}

void Instances::sendReport(Instance& instance) {
  if (instance.timing) control_.effects.disarm({kReportTimer, std::uint64_t(instance.id.when_ms())});
  instance.timing = false;
  if (!instance.report) return;
  std::shared_ptr<Envelope> envelope = std::move(instance.report);
  instance.report = nullptr;
  instance.told.push_back(envelope);
  control_.send(kMasterPeer, std::move(envelope));
}

void Instances::tellAgain() {
  for (const auto& [when, instance] : instances_) {
    for (const auto& envelope : instance->told) control_.send(kMasterPeer, envelope);
  }
}

void Instances::listen(bool on) { listens_ = on; }

proto::TasksStarted& Instances::startsOf(const Instance& instance, std::uint32_t k) {
  auto same = [&](const auto& envelope) {
    const auto& starts = envelope->message.tasks_started();
    return starts.instance().when_ms() == instance.id.when_ms() && starts.instance().stream() == instance.id.stream() && starts.k() == k;
  };
  auto it = std::find_if(starts_.begin(), starts_.end(), same);
  if (it == starts_.end()) {
    auto [envelope, starts] = compose(&proto::Message::mutable_tasks_started);
    *starts->mutable_instance() = instance.id;
    starts->set_k(k), starts->set_executor(control_.options.executor.value);
    it = starts_.insert(starts_.end(), std::move(envelope));
  }
  return *(*it)->message.mutable_tasks_started();
}

void Instances::noteStart(const Instance& instance, Task& task) {
  if (!listens_) return;
  task.startedMs = control_.now.time().milliseconds();
  addRecord(task, {}, *startsOf(instance, task.k).add_tasks());
}

// Of an instance that is over: which of its tasks ended here, and that no other has to be waited for.
void Instances::tellLast(Instance& instance) {
  sendReport(instance);
  startsOf(instance, instance.k).set_last(true);
  tellStarts();
}

void Instances::tellStarts() {
  for (auto& envelope : std::exchange(starts_, {})) control_.send(kMasterPeer, std::move(envelope));
}

void Instances::addRecord(const Task& task, const TaskMetrics& metrics, proto::TaskRecord& record) const {
  record.set_stage(task.stage), record.set_when_ms(task.whenMs), record.set_partition(task.partition), record.set_attempt(task.attempt);
  record.set_started_ms(task.startedMs);
  if (task.status == Task::Status::kRunning) return;
  record.set_ended_ms(control_.now.time().milliseconds());
  auto& told = *record.mutable_metrics();
  told.set_run_us(std::uint64_t(metrics.executorRunTime) * 1000), told.set_result_bytes(std::uint64_t(metrics.resultSize));
  told.set_memory_spilled(std::uint64_t(metrics.memoryBytesSpilled)), told.set_disk_spilled(std::uint64_t(metrics.diskBytesSpilled));
  told.set_peak_memory(std::uint64_t(metrics.peakExecutionMemory));
  told.set_input_records(std::uint64_t(metrics.inputMetrics.recordsRead)), told.set_input_bytes(std::uint64_t(metrics.inputMetrics.bytesRead));
  told.set_output_records(std::uint64_t(metrics.outputMetrics.recordsWritten)), told.set_output_bytes(std::uint64_t(metrics.outputMetrics.bytesWritten));
  told.set_shuffle_read_records(std::uint64_t(metrics.shuffleReadMetrics.recordsRead));
  told.set_shuffle_read_bytes(std::uint64_t(metrics.shuffleReadMetrics.totalBytesRead));
  told.set_shuffle_written_records(std::uint64_t(metrics.shuffleWriteMetrics.recordsWritten));
  told.set_shuffle_written_bytes(std::uint64_t(metrics.shuffleWriteMetrics.bytesWritten));
}

void Instances::watch(bool on) {
  if (!on && !watched_) return;
  counted_.clear();
  storedTold_ = -1;
  watched_ = on;
  if (!on) return control_.effects.disarm({kCountTimer});
  onCountTimer();
}

void Instances::onCountTimer() {
  if (!watched_) return;
  tellCounts();
  control_.effects.arm({kCountTimer}, control_.now + kCountInterval);
}

void Instances::tellCounts() {
  auto [envelope, counts] = compose(&proto::Message::mutable_task_counts);
  decltype(counted_) now;
  for (const auto& [when, instance] : instances_) {
    for (const auto& [key, task] : instance->tasks) {
      if (task->found) continue;
      auto& [running, done] = now[{when, key.plan, key.stage, key.whenMs}];
      running += task->status == Task::Status::kRunning, done += task->status == Task::Status::kDone;
    }
  }
  for (const auto& [key, count] : now) {
    auto before = counted_.find(key);
    if (before != counted_.end() && before->second == count) continue;
    auto [when, plan, stage, stageMs] = key;
    auto& told = *counts->add_stages();
    *told.mutable_instance() = instances_[when]->id;
    told.set_template_hash(plan), told.set_stage(stage), told.set_when_ms(stageMs), told.set_running(count.first), told.set_done(count.second);
  }
  std::int64_t stored = control_.store().usedBytes();
  if (counts->stages_size() == 0 && stored == storedTold_) return;
  counted_ = std::move(now), storedTold_ = stored;
  counts->set_app(control_.options.app.value), counts->set_executor(control_.options.executor.value);
  counts->set_stored_bytes(std::uint64_t(std::max<std::int64_t>(stored, 0))), counts->set_memory_bytes(control_.options.memoryBytes);
  control_.send(kMasterPeer, std::move(envelope));
}

// ---- ending ----

void Instances::dropTask(Task& task, const TaskPtr& held) {
  if (task.status == Task::Status::kWaiting) forgetWaiting(held);
  const Stage& stage = task.view().stages()[task.stage];
  if (task.status < Task::Status::kDone && stage.sink == Stage::Sink::kKeep) {
    values_.expect({stage.root, task.whenMs, task.partition}, -1);
  }
  task.status = Task::Status::kDropped;
  task.instance = nullptr;
}

// A task that was cancelled has ended at last.
void Instances::left(const TaskSpec& spec) {
  auto it = leaving_.find(spec.instance.when_ms());
  if (it == leaving_.end() || it->second.token != spec.cancelled || --it->second.running > 0) return;
  control_.effects.disarm({kReapTimer, std::uint64_t(it->first)});
  leaving_.erase(it);
}

void Instances::stopTask(const proto::StopTask& stop) {
  auto found = instances_.find(stop.instance().when_ms());
  if (found == instances_.end()) return;
  auto it = found->second->tasks.find({stop.template_hash(), stop.stage(), stop.when_ms(), stop.partition()});
  if (it == found->second->tasks.end() || it->second->attempt != stop.attempt()) return;
  const TaskPtr& task = it->second;
  if (task->spec) {
    task->spec->stopped.store(true, std::memory_order_relaxed);
  } else if (task->status == Task::Status::kWaiting || task->status == Task::Status::kReady) {
    forgetWaiting(task);
    fail(*found->second, *task, proto::DOMAIN_CANCELLED, "it was killed", {}, {});
  }
}

void Instances::onReapTimer(Scope when) {
  auto it = leaving_.find(when);
  if (it == leaving_.end()) return;
  control_.effects.giveUp(std::to_string(it->second.running) + " task(s) of the cancelled job " + std::to_string(-when) + " did not stop within " +
                          std::to_string(it->second.killAfterMs) + " ms");
  leaving_.erase(it);
}

void Instances::cancel(const proto::InstanceId& id, std::uint64_t killAfterMs) {
  auto it = instances_.find(id.when_ms());
  if (it == instances_.end() || id.run() < it->second->id.run()) return;
  Instance& instance = *it->second;
  if (listens_) tellLast(instance);
  instance.cancelled->store(true, std::memory_order_relaxed);
  if (std::uint32_t running = std::exchange(instance.running, 0); running > 0 && killAfterMs > 0) {
    leaving_[id.when_ms()] = {instance.cancelled, running, killAfterMs};
    control_.effects.arm({kReapTimer, std::uint64_t(id.when_ms())}, control_.now + Milliseconds(std::int64_t(killAfterMs)));
  }
  instance.cancelled = std::make_shared<std::atomic<bool>>(false);  // of tasks launched later
  for (auto& [key, task] : instance.tasks) dropTask(*task, task);
  instance.tasks.clear();
  instance.unfinished = 0;
  instance.report = nullptr;
  instance.told.clear();
  if (std::exchange(instance.timing, false)) control_.effects.disarm({kReportTimer, std::uint64_t(id.when_ms())});
}

void Instances::release(Scope when) {
  released_.insert(when);
  if (released_.size() > kReleasedRemembered) released_.erase(std::prev(released_.end()));  // their times fall
  auto it = instances_.find(when);
  if (it == instances_.end()) return;
  forget(*it->second);
  instances_.erase(it);
}

void Instances::forget(Instance& instance) {
  cancel(instance.id);
  for (BlockId block : instance.fetchedBlocks) values_.dropBlock(block);
  if (instance.staged.empty()) return;
  control_.background([staged = std::move(instance.staged)] {
    for (const std::string& path : staged) ::unlink(path.c_str()), ::rmdir(parentOf(path).c_str());
  }, [] {});
}

void Instances::releaseBelow(std::uint32_t stream, std::int64_t belowMs) {
  for (auto it = instances_.upper_bound(0); it != instances_.end() && it->first < belowMs; ++it) {
    if (it->second->id.stream() == stream) it->second->over = someAreOver_ = true;
  }
}

void Instances::dropOver() {
  someAreOver_ = false;
  std::erase_if(instances_, [&](auto& entry) {
    Instance& instance = *entry.second;
    if (!instance.over) return false;
    if (instance.unfinished > 0) {
      someAreOver_ = true;
      return false;
    }
    forget(instance);
    return true;
  });
}

}  // namespace sluice::executor
