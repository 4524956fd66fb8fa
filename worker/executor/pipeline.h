// The tree of cursors behind a stage: from its root down to the segments, kept values and sources that a task reads.
#pragma once
#include <cstdint>
#include <memory>

#include "worker/executor/task_run.h"

namespace sluice::executor {

class Pipeline {
 public:
  explicit Pipeline(TaskRun& run) : run_(run) {}
  // The records of the task's stage.
  std::unique_ptr<Cursor> root();
  // Of a node's partition at a time, computed here. Objects that the cursors pin go into `pins`.
  std::unique_ptr<Cursor> node(std::uint32_t id, std::int64_t whenMs, std::uint32_t partition, PinBag& pins);
  // Of one input of a node, limited to some keys.
  std::unique_ptr<Cursor> input(std::uint32_t consumer, const PlanView::Input& input, BucketRange range, PinBag& pins);
  // Bytes that an input is known to have (segments and kept values), and whether it can be limited to some keys.
  std::uint64_t knownBytes(std::uint32_t consumer, const PlanView::Input& input);
  bool keyed(std::uint32_t consumer, const PlanView::Input& input) const;

  TaskRun& run() { return run_; }

 private:
  const TaskInputs::Shuffle& shuffle(std::uint32_t consumer, const PlanView::Input& input);
  const RowsPtr& kept(ValueId id);
  const TaskInputs::Source& source(ValueId id);

  TaskRun& run_;
  std::size_t nextShuffle_ = 0, nextKept_ = 0, nextSource_ = 0;  // where the search begins: they are asked for in order
};

}  // namespace sluice::executor
