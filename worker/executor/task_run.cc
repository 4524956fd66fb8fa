#include "worker/executor/task_run.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <new>

#include "common/thrown.h"
#include "sluice/error.h"
#include "worker/executor/file_reader.h"
#include "worker/executor/map_guard.h"
#include "worker/executor/pipeline.h"
#include "worker/executor/sinks.h"
#include "worker/executor/spill_file.h"
#include "worker/executor/sources.h"

namespace sluice::executor {

namespace {

std::string oneLine(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

}  // namespace

TaskRun::TaskRun(const TaskSpec& spec, Runtime& runtime)
    : spec_(spec), runtime_(runtime), resources_(runtime.taskResources()), lastingBytes_(runtime.store(), runtime.taskShareBytes() / 4), begunUs_(runtime.microseconds()) {
  batch_ = Time(spec.whenMs > 0 ? spec.whenMs : 0);
  partition_ = int(spec.partition), attempt_ = int(spec.attempt);
  stage_ = spec.launch ? int(spec.launch->first_stage() + spec.stage) : int(spec.stage);
  Place& place = currentPlace();
  outer_ = place;
  place = {{}, spec.whenMs, spec.partition, this};
}

TaskRun::~TaskRun() {
  cursor_.reset();
  dropLocals();
  store().free(std::uint64_t(charged_));
  if (large_) store().trim();
  currentPlace() = outer_;
}

TaskDone TaskRun::run() {
  TaskDone done;
  takeCutFile();
  try {
    pull(done);
  } catch (...) {
    caught(done);
  }
  if (std::string cut = takeCutFile(); !cut.empty() && done.end != TaskDone::End::kCancelled) {
    failAfterAll(done, proto::DOMAIN_SYSTEM, cutShort(cut));
  }
  done_ = &done;
  tellListeners(done);
  if (spec_.measured) done.metrics = taskMetrics();
  if (done.end == TaskDone::End::kDone) done.updates = std::move(updates_);
  done.inputRecords = records_, done.inputBytes = bytes_;
  done.reads = std::move(reads_);
  return done;
}

void TaskRun::pull(TaskDone& done) {
  checkCancelled();
  const proto::Node& root = plan().view.node(plan().view.stages()[spec_.stage].root);
  currentPlace().in = {root.name().c_str(), root.site().c_str()};
  from_ = {root.uid(), spec_.partition};
  if (spec_.gate) meeting_.emplace(*spec_.gate, *this).begin();
  pipeline_ = std::make_unique<Pipeline>(*this);
  std::unique_ptr<Sink> sink = makeSink(*this);
  cursor_ = pipeline_->root();
  Chunk chunk;
  while (cursor_->next(chunk) && sink->write(chunk)) checkCancelled();
  cursor_.reset();
  source_ = nullptr;
  for (const auto& file : lasting_) file->check();  // all that were open, wherever their reader stopped: records may be views of them
  dropLocals();  // what operators put aside may still add to accumulators
  sink->finish(done);
}

int TaskRun::numPartitions() const { return int(plan().view.tasks(plan().view.stages()[spec_.stage], spec_.whenMs, *spec_.facts)); }

void TaskRun::addListener(TaskListener* listener, bool ofFailure) {
  std::unique_ptr<TaskListener> owned(listener);
  if (ofFailure ? hasFailed_ : completed_) return owned->onEnd(*this, ofFailure ? why_ : std::string_view());
  (ofFailure ? onFailure_ : onCompletion_).push_back(std::move(owned));
}

// All of them are told, whatever one of them throws; that is added to what the task failed of, or makes it fail.
void TaskRun::tellListeners(TaskDone& done) {
  std::string thrown;
  auto tell = [&](std::vector<std::unique_ptr<TaskListener>>& listeners, std::string_view why) {
    while (!listeners.empty()) {
      auto listener = std::move(listeners.back());
      listeners.pop_back();
      try {
        listener->onEnd(*this, why);
        continue;
      } catch (const std::exception& error) {
        thrown += (thrown.empty() ? "" : "; ") + oneLine(wordsOf(error));
      } catch (...) {
        thrown += (thrown.empty() ? "" : "; ") + nameOfThrown();
      }
    }
  };
  hasFailed_ = done.end != TaskDone::End::kDone;
  if (hasFailed_) why_ = done.end == TaskDone::End::kCancelled ? "the task was cancelled" : done.message;
  if (hasFailed_) tell(onFailure_, why_);
  completed_ = true;
  tell(onCompletion_, {});
  try {
    dropLocals();  // what they added to accumulators
  } catch (const std::exception& error) {
    thrown += (thrown.empty() ? "" : "; ") + oneLine(wordsOf(error));
  }
  if (thrown.empty() || done.end == TaskDone::End::kCancelled) return;
  if (done.end == TaskDone::End::kFailed) {
    done.message += "; and a listener threw: " + thrown;
    return;
  }
  failAfterAll(done, proto::DOMAIN_USER, "a listener of the task threw: " + thrown);
}

void TaskRun::failAfterAll(TaskDone& done, proto::Domain domain, std::string_view what) {
  if (!done.staged.empty()) ::unlink(done.staged.c_str());
  done = {};
  fail(done, domain, what);
}

void TaskRun::dropLocals() {
  while (!locals_.empty()) {
    Local local = locals_.back();
    locals_.pop_back();
    if (local.value && local.drop) local.drop(local.value);
  }
}

// Called in a catch block: the place is still where the exception came from.
void TaskRun::caught(TaskDone& done) {
  try {
    throw;
  } catch (const TaskCancelled&) {
    done.end = TaskDone::End::kCancelled;
  } catch (const InputGone&) {
    done.missing = goneInputs();
    fail(done, proto::DOMAIN_LOST, "an input was dropped to make room for others; it is computed again");
  } catch (const Error& error) {
    bool ours = error.kind() == ErrorKind::kUnavailable || error.kind() == ErrorKind::kLost;
    fail(done, ours ? proto::DOMAIN_SYSTEM : proto::DOMAIN_USER, error.what());
  } catch (const std::bad_alloc&) {
    fail(done, proto::DOMAIN_USER, "out of memory");
  } catch (const std::exception& error) {
    fail(done, proto::DOMAIN_USER, wordsOf(error));
  } catch (...) {
    fail(done, proto::DOMAIN_USER, nameOfThrown());
  }
}

void TaskRun::fail(TaskDone& done, proto::Domain domain, std::string_view what) {
  const NodePlace& place = currentPlace().in;
  done.end = TaskDone::End::kFailed;
  done.domain = domain;
  if (place.name) done.site = std::string(place.name) + " at " + place.site;
  done.message = (done.site.empty() ? "" : done.site + ": ") + oneLine(what);
  // Chunks of one record say which it was; larger ones only how far the source had been read.
  std::string record = domain == proto::DOMAIN_USER && source_ ? source_->describe(0) : "";
  if (!record.empty()) done.message += (spec_.cautious ? " (" : " (at or after ") + record + ")";
}

std::vector<ValueId> TaskRun::goneInputs() {
  std::vector<ValueId> gone;
  for (const auto& kept : spec_.inputs.kept) {
    if (!store().present(*kept.rows)) gone.push_back(kept.id);
  }
  return gone;
}

std::optional<std::string_view> TaskRun::getLocalProperty(std::string_view key) const {
  if (!spec_.launch) return std::nullopt;
  for (const auto& property : spec_.launch->properties()) {
    if (property.key() == key) return property.value();
  }
  return std::nullopt;
}

NodePart TaskRun::nodePart() const {
  const NodePlace& place = currentPlace().in;
  const PlanView& view = plan().view;
  NodePart part{int(place.partition), int(view.partitions(place.node, place.whenMs, *spec_.facts)), {}};
  if (view.node(place.node).slide_ms() > 0) part.time = Time(place.whenMs);
  return part;
}

bool TaskRun::hold(std::int64_t bytes) {
  held_ += bytes;
  mostHeld_ = std::max(mostHeld_, held_);
  std::int64_t beyond = std::max<std::int64_t>(held_ - std::int64_t(memoryShare()), 0);
  if (beyond < charged_) store().free(std::uint64_t(charged_ - beyond)), large_ = true;
  else store().charge(beyond - charged_);
  charged_ = beyond;
  if (bytes > 0 && beyond > 0) store().makeRoom();
  return beyond <= store().budgetBytes();
}

Spill* TaskRun::newSpill() {
  spills_.push_back(std::make_unique<OperatorSpill>(store()));
  return spills_.back().get();
}

std::string_view TaskRun::broadcast(std::uint64_t id) {
  for (const auto& [pinned, bytes] : spec_.inputs.broadcasts) {
    if (pinned == id) return bytes.view();
  }
  Bytes value;
  if (!runtime_.broadcast(id, value)) {
    throwError(ErrorKind::kLost, "the broadcast value " + std::to_string(id) + " is not here any more");
  }
  broadcasts_.push_back(value);
  return value.view();
}

StateStore* TaskRun::state() {
  if (state_) return state_.get();
  const Stage& stage = plan().view.stages()[spec_.stage];
  const NodeCode& code = plan().codeOf(stage.root);
  if (stage.sink != Stage::Sink::kKeep || !code.op || code.op->form != OpDesc::Form::kStateful) return nullptr;
  std::int64_t beforeMs = spec_.whenMs - plan().view.node(stage.root).slide_ms();
  RowsPtr before;
  for (const auto& kept : spec_.inputs.kept) {
    if (kept.id == ValueId{stage.root, beforeMs, spec_.partition}) before = kept.rows->state;
  }
  state_ = std::make_unique<StateSession>(runtime_, stage.root, spec_.partition, std::move(before), beforeMs, spec_.whenMs);
  return state_.get();
}

RowsPtr TaskRun::commitState() {
  state();
  return state_->commit();
}

std::string TaskRun::file(std::string_view name) {
  std::string names;
  if (spec_.template_->captures) {
    for (const auto& file : spec_.template_->captures->files()) {
      if (file.name() == name && !file.archive().empty()) return runtime_.archive(file, broadcast(file.broadcast()));
      if (file.name() == name) return runtime_.file(file.broadcast(), file.name(), broadcast(file.broadcast()));
      names += (names.empty() ? "" : ", ") + file.name();
    }
  }
  throwError(ErrorKind::kInvalidArgument, "no file '" + std::string(name) + "' was added with Context::addFile before this job" +
                                              (names.empty() ? "" : "; there are: " + names));
}

void*& TaskRun::local(std::uint64_t key, void (*drop)(void*)) {
  for (Local& local : locals_) {
    if (local.key == key) return local.value;
  }
  locals_.push_back({key, nullptr, drop});
  return locals_.back().value;
}

TaskMetrics TaskRun::taskMetrics() const {
  TaskMetrics metrics;
  metrics.executorRunTime = (runtime_.microseconds() - begunUs_) / 1000;
  for (const auto& spill : spills_) metrics.memoryBytesSpilled += std::int64_t(spill->bytes()), metrics.diskBytesSpilled += std::int64_t(spill->bytesOnDisk());
  metrics.diskBytesSpilled += std::int64_t(lastingBytes_.bytesOnDisk());
  metrics.peakExecutionMemory = mostHeld_;
  metrics.inputMetrics = {std::int64_t(bytes_), std::int64_t(records_)};
  const Stage& stage = plan().view.stages()[spec_.stage];
  for (const auto& kept : spec_.inputs.kept) {
    if (!kept.rows || kept.id.node == stage.root) continue;  // its own past
    metrics.inputMetrics.bytesRead += std::int64_t(kept.rows->bytes), metrics.inputMetrics.recordsRead += std::int64_t(kept.rows->rows);
  }
  for (const auto& shuffle : spec_.inputs.shuffles) {
    for (const RowsPtr& rows : shuffle.maps) {
      if (!rows) continue;
      metrics.shuffleReadMetrics.totalBytesRead += std::int64_t(rows->bytes), metrics.shuffleReadMetrics.recordsRead += std::int64_t(rows->rows);
    }
  }
  if (!done_ || done_->end != TaskDone::End::kDone) return metrics;
  if (done_->segments) {
    for (const Rows& rows : *done_->segments) {
      metrics.shuffleWriteMetrics.bytesWritten += std::int64_t(rows.bytes), metrics.shuffleWriteMetrics.recordsWritten += std::int64_t(rows.rows);
    }
  }
  if (!done_->staged.empty()) metrics.outputMetrics = {std::int64_t(done_->outputBytes), std::int64_t(done_->outputRows)};
  if (done_->rows && stage.sink == Stage::Sink::kOutput) metrics.resultSize = std::int64_t(done_->rows->bytes);
  return metrics;
}

void TaskRun::accumulate(std::uint64_t id, std::string_view encoded) { updates_.emplace_back(id, encoded); }

}  // namespace sluice::executor
