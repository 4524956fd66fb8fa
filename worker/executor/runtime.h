// The data plane of one executor, shared by its slots and its control: the store, broadcast values and the body of a task.
// Thread-safe. It knows nothing of messages and peers; the machine gives each task all that it reads.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"
#include "common/state_db.h"
#include "sluice/task_metrics.h"
#include "worker/executor/code.h"
#include "worker/executor/machine.h"
#include "worker/executor/map_outputs.h"
#include "worker/executor/resources.h"
#include "worker/executor/state_tables.h"
#include "worker/executor/store.h"
#include "worker/executor/task_resources.h"

namespace sluice::executor {

// What came of a task.
struct TaskDone {
  enum class End : std::uint8_t { kDone, kFailed, kCancelled };
  End end = End::kDone;

  proto::Domain domain = proto::DOMAIN_SYSTEM;  // kFailed: whose fault …
  std::string message, site;                    // … what happened, in one line, and "map at wordcount.cc:12"
  std::vector<ValueId> missing;                 // DOMAIN_LOST: kept values that went before they were read

  std::shared_ptr<const std::vector<Rows>> segments;  // of an exchange stage, by reducer
  RowsPtr rows;                                       // of a kept value, or of an output's results
  std::vector<std::string> lines;                     // OUTPUT_PRINT
  std::string staged;                                 // OUTPUT_FILES: path of the part file
  std::uint64_t outputRows = 0, outputBytes = 0;
  std::vector<std::pair<std::uint64_t, std::string>> updates;  // accumulators
  std::uint64_t inputRecords = 0, inputBytes = 0;              // read from sources
  struct Read {
    ValueId source;
    std::uint64_t records, bytes;
  };
  std::vector<Read> reads;  // of sources that did not say how many records they have
  TaskMetrics metrics;      // if the task was to be measured
};

struct RuntimeOptions {
  std::uint32_t slots = 1;
  std::uint64_t memoryBytes = 512ull << 20;
  std::string spillDirectory;  // exists
  StateDbOpener states;        // of states on disk; null: in memory
  ResourceMap resources;         // that it has
  ResourceAmounts taskResources;  // that each task gets
  std::int64_t (*clock)() = nullptr;  // microseconds, by which tasks are measured; null: they seem to take no time
};

class SLUICE_INTERNAL Runtime {
 public:
  Runtime(RuntimeOptions options, CodeResolver& code);
  ~Runtime();
  Runtime(const Runtime&) = delete;

  // Runs on a slot's thread; never throws.
  TaskDone runTask(const TaskSpec& task);

  Store& store() { return store_; }
  MapOutputs& mapOutputs() { return mapOutputs_; }
  StateTables& states() { return states_; }
  // A table that stands for this version of a state; null: an empty one.
  std::unique_ptr<StateTable> newState(RowsPtr version);
  CodeResolver& code() { return code_; }
  Resources& resources() { return resources_; }
  TaskResources& taskResources() { return taskResources_; }
  // 0 without a clock.
  std::int64_t microseconds() const { return clock_ ? clock_() : 0; }
  // What one task may hold in its operators' tables, and in segments that it is writing.
  std::uint64_t taskShareBytes() const { return taskShare_; }

  // Path of a file with these contents and this name; made once, in the executor's folder. Throws Error(kUnavailable).
  std::string file(std::uint64_t id, const std::string& name, std::string_view contents);

  // Folder of that name with what the archive holds, unpacked once. Throws Error(kUnavailable).
  std::string archive(const proto::ShippedFile& file, std::string_view contents);

  void putBroadcast(std::uint64_t id, Bytes value);
  void dropBroadcast(std::uint64_t id);
  // False: not here.
  bool broadcast(std::uint64_t id, Bytes& value);

 private:
  CodeResolver& code_;
  const std::uint64_t taskShare_;
  const StateDbOpener openStates_;
  std::int64_t (*const clock_)();
  Store store_;
  MapOutputs mapOutputs_;
  TaskResources taskResources_;
  StateTables states_;
  Mutex mutex_;
  absl::flat_hash_map<std::uint64_t, Bytes> broadcasts_ GUARDED_BY(mutex_);
  Mutex filesMutex_;
  std::map<std::pair<std::uint64_t, std::string>, std::string> files_ GUARDED_BY(filesMutex_);  // paths, by broadcast value and name
  std::shared_ptr<StateDb> statesOnDisk_ GUARDED_BY(mutex_);  // opened with the first
  std::uint32_t statesMade_ GUARDED_BY(mutex_) = 0;
  Resources resources_;  // closed first, by the application's code
};

}  // namespace sluice::executor
