// The physical operators' interface. An operator handles chunks; the runner owns control, call sites and errors, and no operator
// stands on another's stack (but for pull operators, whose user code reads cursors).
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/resource_information.h"
#include "sluice/state_store.h"
#include "sluice/task_metrics.h"
#include "sluice/time.h"
#include "sluice/type_desc.h"

namespace sluice {
inline namespace SLUICE_ABI {

// A run of records of one type. Whoever made it owns the records and destroys them at its next call; a consumer may move from them.
struct Chunk {
  void* data = nullptr;
  std::size_t size = 0;
  template <class T> T* as() const { return static_cast<T*>(data); }
};

// How many records a chunk holds at most: enough to forget the virtual call, few enough for the L1 cache.
constexpr std::size_t chunkRecords(std::size_t recordSize) {
  std::size_t fit = 16 * 1024 / (recordSize ? recordSize : 1);
  return fit < 1 ? 1 : fit > 1024 ? 1024 : fit;
}

enum class Step {
  kNeedInput,  // all of the input chunk is used up (out may hold records)
  kHaveMore,   // out is full; call again with the same input
  kFinished,   // no more records will be wanted or made: stop the source
};

// A temporary run of rows that did not fit into memory; written once, then read from the start, any number of times.
class SLUICE_EXPORT Spill {
 public:
  virtual ~Spill();
  virtual void write(std::string_view rows) = 0;
  virtual void rewind() = 0;
  // Reads up to n bytes into `to`; 0 at the end.
  virtual std::size_t read(char* to, std::size_t n) = 0;
};

// A partition of a source: a receiver, a directory, a broker's partition …
struct SourcePartition {
  std::string_view uid;  // of the source's node, or of the stage where the records come from an exchange or a kept value
  std::uint32_t partition = 0;
};

// Where the node of the operator that is running stands. Under a union, coalesce or cartesian its partition is not the task's.
struct NodePart {
  int partition = 0;
  int partitions = 1;  // that the node has
  Time time;           // of a stream's value; Time() in batch jobs
};

class TaskContext;
class ResourceHost;
class BarrierHost;

// Told when its task ends. `why`: what it failed of; empty for completion listeners, which are told of failed tasks as well.
class SLUICE_EXPORT TaskListener {
 public:
  virtual ~TaskListener();
  virtual void onEnd(TaskContext& task, std::string_view why) = 0;
};

// What a running task can ask of the engine. One thread uses it. Its address is valid during the task only.
class SLUICE_EXPORT TaskContext {
 public:
  virtual ~TaskContext();
  // The context of the task that runs on this thread; null in the driver.
  static TaskContext* get();
  static int getPartitionId() { return get() ? get()->partition_ : 0; }

  // Of a stream's batch, also where a job of the driver computes it; Time() in jobs of a Context.
  Time batchTime() const { return batch_ == Time() ? nodePart().time : batch_; }
  int partition() const { return partition_; }
  virtual NodePart nodePart() const = 0;
  int attempt() const { return attempt_; }     // from 1
  // In Spark's words.
  int partitionId() const { return partition_; }
  int attemptNumber() const { return attempt_ - 1; }  // 0: the first try
  int stageId() const { return stage_; }
  // Unlike any other of the application, also when the task is tried again.
  std::int64_t taskAttemptId() const { return std::int64_t(stage_) << 32 | std::int64_t(partition_ & 0xfffff) << 12 | (attempt_ & 0xfff); }
  virtual int numPartitions() const { return 1; }  // tasks of the stage
  // Whether it was cancelled; user code that takes long over a record may ask, and return.
  bool isInterrupted() const { return cancelled(); }
  bool isCompleted() const { return completed_; }  // in listeners
  bool isFailed() const { return hasFailed_; }     // likewise

  // f(TaskContext&) is called when the task ends, however it does. If it throws, the task has failed.
  template <class F> TaskContext& addTaskCompletionListener(F f) {
    struct Listener final : TaskListener {
      explicit Listener(F f) : f(std::move(f)) {}
      void onEnd(TaskContext& task, std::string_view) override { f(task); }
      F f;
    };
    return addListener(new Listener(std::move(f)), false), *this;
  }
  // f(TaskContext&, std::string_view why) is called when the task ends by an error, or is cancelled.
  template <class F> TaskContext& addTaskFailureListener(F f) {
    struct Listener final : TaskListener {
      explicit Listener(F f) : f(std::move(f)) {}
      void onEnd(TaskContext& task, std::string_view why) override { f(task, why); }
      F f;
    };
    return addListener(new Listener(std::move(f)), true), *this;
  }
  // Takes ownership. Called at once if the task has ended that way already.
  virtual void addListener(TaskListener* listener, bool ofFailure) = 0;

  // True once the result is not wanted any more; checked by the runner after each chunk.
  virtual bool cancelled() const = 0;
  // What the driver's thread had set with Context::setLocalProperty when it began the job; valid during the task.
  virtual std::optional<std::string_view> getLocalProperty(std::string_view key) const = 0;
  // The record (index in the current input chunk) at which the operator is about to let an exception pass.
  virtual void failedAt(std::size_t record) = 0;
  // Bytes that the operators of this task may hold before they spill, flush or emit.
  virtual std::size_t memoryShare() const = 0;
  // An operator holds so many bytes more (or fewer) that it cannot spill. What goes beyond the task's share displaces other data; false:
  // it is more than the executor's whole memory, and the operator should say what it holds.
  virtual bool hold(std::int64_t bytes) = 0;
  virtual Spill* newSpill() = 0;  // owned by the task
  // The bytes of a broadcast value, valid during the task. Throws Error(kLost) if no executor has it any more.
  virtual std::string_view broadcast(std::uint64_t id) = 0;
  // Path of a file that Context::addFile has shipped. Throws Error(kInvalidArgument) if there is none of that name.
  virtual std::string file(std::string_view name) = 0;
  // Where the records of the current chunk come from.
  virtual SourcePartition sourcePartition() const { return {}; }
  // The state by key of the node that this task makes (OpDesc::Form::kStateful); null elsewhere.
  virtual StateStore* state() { return nullptr; }
  // A per-task slot for decoded broadcast values and the like: freed by `drop` when the task ends.
  virtual void*& local(std::uint64_t key, void (*drop)(void*)) = 0;
  // What this task has of the executor's resources, by sluice.task.resource.NAME.amount:
  // resources().at("gpu").addresses.
  virtual const ResourceMap& resources() const;
  // What the executor keeps for the application's functions (sluice/executor_resource.h); null where nothing is kept.
  virtual ResourceHost* resourceHost() { return nullptr; }
  // Where the tasks of its barrier stage meet; null in other stages.
  virtual BarrierHost* barrierHost() { return nullptr; }
  // Adds an encoded partial value to an accumulator; counted once per partition when the task's result is.
  virtual void accumulate(std::uint64_t id, std::string_view encoded) = 0;
  // What it has done up to now; in listeners, all of it. Sources count when they have been read.
  virtual TaskMetrics taskMetrics() const { return {}; }

 protected:
  Time batch_;
  int partition_ = 0, attempt_ = 0, stage_ = 0;
  bool completed_ = false, hasFailed_ = false;
};

// TaskContext::get()
SLUICE_EXPORT TaskContext* currentTask();

// Reads chunks of the previous operator, a shuffle, a kept value …
class SLUICE_EXPORT Cursor {
 public:
  virtual ~Cursor();
  // The next non-empty chunk, valid until the next call; false at the end.
  virtual bool next(Chunk& out) = 0;
};

class SLUICE_EXPORT Operator {
 public:
  virtual ~Operator();
};

// One input, one output, driven chunk by chunk.
class SLUICE_EXPORT StepOperator : public Operator {
 public:
  virtual Step process(Chunk in, Chunk& out, TaskContext& task) = 0;
  // Called after the last input until it returns something other than kHaveMore: what an aggregation held back comes out here.
  virtual Step finish(Chunk& out, TaskContext&) {
    out = {};
    return Step::kFinished;
  }
};

// Any number of inputs, which it reads as it likes: mapPartitions, sort, merge, cogroup, zip.
// Inputs come in the order of the node's edges, and for an edge with several time shifts from the smallest shift to the greatest.
class SLUICE_EXPORT PullOperator : public Operator {
 public:
  // Fills `out` with the next records (valid until the next call); false at the end.
  virtual bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) = 0;
};

// A partitioner: names the reducers of an exchange's records by their keys.
class SLUICE_EXPORT KeyPlacer : public Operator {
 public:
  // n records of `stride` bytes, whose keys lie `stride` apart from firstKey on.
  virtual void place(const void* firstKey, std::size_t stride, std::size_t n, std::uint32_t* to) = 0;
};

// Constant descriptor of an operator type, shipped as (image, offset) together with the bytes of what its function captured.
struct OpDesc {
  static constexpr std::uint64_t kMagic = 0x4f64'7079'5474'6c53;
  enum class Form : std::uint32_t {
    kStep,       // make() gives a StepOperator
    kPull,       // make() gives a PullOperator
    kPullByKey,  // likewise, and its result over all keys is the concatenation of its results over disjoint sets of keys:
                 // when its input does not fit into memory the engine runs it once per set
    kPlacer,     // make() gives a KeyPlacer
    kStateful,   // make() gives a PullOperator that has its node's past as TaskContext::state() in place of an input
  };
  std::uint64_t magic;
  const char* signature;  // for messages
  Form form;
  std::uint32_t captureSize;  // bytes expected by make; kEncodedCaptures if they are encoded values of any size
  Operator* (*make)(const char* captures, std::size_t size);
  static constexpr std::uint32_t kEncodedCaptures = ~0u;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
