// One run of a task on a slot's thread: what its operators may ask of the engine, and the loop from the pipeline to the sink.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/operator.h"
#include "worker/executor/gate.h"
#include "worker/executor/lasting_bytes.h"
#include "worker/executor/place.h"
#include "worker/executor/rows_cursor.h"
#include "worker/executor/runtime.h"
#include "worker/executor/state_session.h"

namespace sluice::executor {

class FileReader;
class OperatorSpill;
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
  // Files that records may still point into when they have been read.
  std::vector<std::unique_ptr<FileReader>>& lasting() { return lasting_; }
  LastingBytes& lastingBytes() { return lastingBytes_; }
  // The source that read last: what an error names.
  void reading(SourceCursor* source) { source_ = source; }
  void readingPartition(SourcePartition partition) { from_ = partition; }
  // `told`: the source itself says how many records it has.
  void countInput(ValueId source, std::uint64_t records, std::uint64_t bytes, bool told) {
    records_ += records, bytes_ += bytes;
    if (!told) reads_.push_back({source, records, bytes});
  }
  void checkCancelled() const {
    if (cancelled()) throw TaskCancelled{};
  }

  bool cancelled() const override {
    return (spec_.cancelled && spec_.cancelled->load(std::memory_order_relaxed)) || spec_.stopped.load(std::memory_order_relaxed);
  }
  NodePart nodePart() const override;
  int numPartitions() const override;
  void addListener(TaskListener* listener, bool ofFailure) override;
  std::optional<std::string_view> getLocalProperty(std::string_view key) const override;
  void failedAt(std::size_t record) override { failedRecord_ = record, failed_ = true; }
  std::size_t memoryShare() const override { return std::size_t(runtime_.taskShareBytes() / 2); }
  bool hold(std::int64_t bytes) override;
  Spill* newSpill() override;
  std::string_view broadcast(std::uint64_t id) override;
  std::string file(std::string_view name) override;
  const ResourceMap& resources() const override { return resources_.taken; }
  ResourceHost* resourceHost() override { return &runtime_.resources(); }
  BarrierHost* barrierHost() override { return meeting_ ? &*meeting_ : nullptr; }
  SourcePartition sourcePartition() const override { return from_; }
  StateStore* state() override;
  // The version after this task.
  RowsPtr commitState();
  void*& local(std::uint64_t key, void (*drop)(void*)) override;
  void accumulate(std::uint64_t id, std::string_view encoded) override;
  TaskMetrics taskMetrics() const override;

 private:
  struct Local {
    std::uint64_t key;
    void* value;
    void (*drop)(void*);
  };
  void pull(TaskDone& done);
  void dropLocals();
  void tellListeners(TaskDone& done);
  void fail(TaskDone& done, proto::Domain domain, std::string_view what);
  // The same when its output may be there already.
  void failAfterAll(TaskDone& done, proto::Domain domain, std::string_view what);
  void caught(TaskDone& done);
  std::vector<ValueId> goneInputs();

  const TaskSpec& spec_;
  Runtime& runtime_;
  const ResourceLease resources_;  // until the application's code is done with it
  Place outer_;
  PinBag pins_;
  LastingBytes lastingBytes_;
  std::vector<std::unique_ptr<FileReader>> lasting_;
  std::list<Local> locals_;  // stable addresses
  std::vector<std::unique_ptr<TaskListener>> onFailure_, onCompletion_;
  std::string why_;  // it failed
  std::vector<std::unique_ptr<OperatorSpill>> spills_;
  std::vector<Bytes> broadcasts_;
  std::vector<std::pair<std::uint64_t, std::string>> updates_;
  std::unique_ptr<StateSession> state_;
  std::optional<Meeting> meeting_;  // of a barrier stage
  SourceCursor* source_ = nullptr;
  SourcePartition from_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<Cursor> cursor_;  // outlives the exception that passed through it: an error names its source
  std::int64_t held_ = 0, mostHeld_ = 0, charged_ = 0;  // by operators; beyond the share
  bool large_ = false;  // operators held more than that and gave it back
  const std::int64_t begunUs_;
  const TaskDone* done_ = nullptr;  // once its pipeline has ended
  std::size_t failedRecord_ = 0;
  bool failed_ = false;
  std::uint64_t records_ = 0, bytes_ = 0;
  std::vector<TaskDone::Read> reads_;
};

}  // namespace sluice::executor
