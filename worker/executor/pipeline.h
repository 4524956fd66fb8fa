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
  // Of a node's partition at a time, computed here; of some keys only where the node makes its records key by key. Objects that the cursors
  // pin go into `pins`.
  std::unique_ptr<Cursor> node(std::uint32_t id, std::int64_t whenMs, std::uint32_t partition, BucketRange range, PinBag& pins);
  // Of one input of a node, limited to some keys.
  std::unique_ptr<Cursor> input(std::uint32_t consumer, const PlanView::Input& input, BucketRange range, PinBag& pins);
  // Bytes of these keys that an input is made of (segments, kept values, sources), about; and whether it can be limited to some keys.
  std::uint64_t knownBytes(std::uint32_t consumer, const PlanView::Input& input, BucketRange range);
  bool keyed(std::uint32_t consumer, const PlanView::Input& input) const;

  TaskRun& run() { return run_; }

 private:
  void checkEqualPartitions(const NodePlace& place, const std::vector<PlanView::Input>& inputs);
  const TaskInputs::Shuffle& shuffle(std::uint32_t consumer, const PlanView::Input& input);
  const RowsPtr& kept(ValueId id);
  const TaskInputs::Source& source(ValueId id);

  TaskRun& run_;
  std::size_t nextShuffle_ = 0, nextKept_ = 0, nextSource_ = 0;  // where the search begins: they are asked for in order
};

}  // namespace sluice::executor
