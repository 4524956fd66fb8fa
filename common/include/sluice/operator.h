// The physical operators' interface. An operator handles chunks; the runner owns control, call sites and errors, and no operator
// stands on another's stack (but for pull operators, whose user code reads cursors).
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/state_store.h"
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

// What a running task can ask of the engine. One thread uses it. Its address is valid during the task only.
class SLUICE_EXPORT TaskContext {
 public:
  virtual ~TaskContext();
  Time batchTime() const { return batch_; }    // of a stream's batch; Time() in a job of a Context
  int partition() const { return partition_; }
  int attempt() const { return attempt_; }
  // True once the result is not wanted any more; checked by the runner after each chunk.
  virtual bool cancelled() const = 0;
  // What the driver's thread had set with Context::setLocalProperty when it began the job; valid during the task.
  virtual std::optional<std::string_view> getLocalProperty(std::string_view key) const = 0;
  // The record (index in the current input chunk) at which the operator is about to let an exception pass.
  virtual void failedAt(std::size_t record) = 0;
  // Bytes that the operators of this task may hold before they spill, flush or emit.
  virtual std::size_t memoryShare() const = 0;
  virtual Spill* newSpill() = 0;  // owned by the task
  // The bytes of a broadcast value, valid during the task. Throws Error(kLost) if no executor has it any more.
  virtual std::string_view broadcast(std::uint64_t id) = 0;
  // Where the records of the current chunk come from.
  virtual SourcePartition sourcePartition() const { return {}; }
  // The state by key of the node that this task makes (OpDesc::Form::kStateful); null elsewhere.
  virtual StateStore* state() { return nullptr; }
  // A per-task slot for decoded broadcast values and the like: freed by `drop` when the task ends.
  virtual void*& local(std::uint64_t key, void (*drop)(void*)) = 0;
  // Adds an encoded partial value to an accumulator; counted once per partition when the task's result is.
  virtual void accumulate(std::uint64_t id, std::string_view encoded) = 0;

 protected:
  Time batch_;
  int partition_ = 0, attempt_ = 0;
};

// The context of the task that runs on this thread; null outside tasks.
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
