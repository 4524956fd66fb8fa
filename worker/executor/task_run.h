// One run of a task on a slot's thread: what its operators may ask of the engine, and the loop from the pipeline to the sink.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "sluice/operator.h"
#include "worker/executor/place.h"
#include "worker/executor/rows_cursor.h"
#include "worker/executor/runtime.h"
#include "worker/executor/state_session.h"

namespace sluice::executor {

class Pipeline;
class SourceCursor;

// Thrown inside a task that is not wanted any more.
struct TaskCancelled {};

class TaskRun final : public TaskContext {
 public:
  TaskRun(const TaskSpec& spec, Runtime& runtime);
  ~TaskRun() override;
  TaskDone run();

  const TaskSpec& spec() const { return spec_; }
  const PlanTemplate& plan() const { return *spec_.template_->plan; }
  Runtime& runtime() { return runtime_; }
  Store& store() { return runtime_.store(); }
  PinBag& pins() { return pins_; }
  // The source that read last: what an error names.
  void reading(SourceCursor* source) { source_ = source; }
  void readingPartition(SourcePartition partition) { from_ = partition; }
  void countInput(std::uint64_t records, std::uint64_t bytes) { records_ += records, bytes_ += bytes; }
  void checkCancelled() const {
    if (cancelled()) throw TaskCancelled{};
  }

  bool cancelled() const override { return spec_.cancelled && spec_.cancelled->load(std::memory_order_relaxed); }
  std::optional<std::string_view> getLocalProperty(std::string_view key) const override;
  void failedAt(std::size_t record) override { failedRecord_ = record, failed_ = true; }
  std::size_t memoryShare() const override { return std::size_t(runtime_.taskShareBytes() / 2); }
  Spill* newSpill() override;
  std::string_view broadcast(std::uint64_t id) override;
  SourcePartition sourcePartition() const override { return from_; }
  StateStore* state() override;
  // The version after this task.
  RowsPtr commitState();
  void*& local(std::uint64_t key, void (*drop)(void*)) override;
  void accumulate(std::uint64_t id, std::string_view encoded) override;

 private:
  struct Local {
    std::uint64_t key;
    void* value;
    void (*drop)(void*);
  };
  void pull(TaskDone& done);
  void dropLocals();
  void fail(TaskDone& done, proto::Domain domain, std::string_view what);
  void caught(TaskDone& done);
  std::vector<ValueId> goneInputs();

  const TaskSpec& spec_;
  Runtime& runtime_;
  Place outer_;
  PinBag pins_;
  std::list<Local> locals_;  // stable addresses
  std::vector<std::unique_ptr<Spill>> spills_;
  std::vector<Bytes> broadcasts_;
  std::vector<std::pair<std::uint64_t, std::string>> updates_;
  std::unique_ptr<StateSession> state_;
  SourceCursor* source_ = nullptr;
  SourcePartition from_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<Cursor> cursor_;  // outlives the exception that passed through it: an error names its source
  std::size_t failedRecord_ = 0;
  bool failed_ = false;
  std::uint64_t records_ = 0, bytes_ = 0;
};

}  // namespace sluice::executor
