// Where a stage's records go: segments of an exchange, a kept value, or one of the kinds of output.
#pragma once
#include <memory>
#include <string>

#include "sluice/operator.h"
#include "worker/executor/task_run.h"

namespace sluice::executor {

class Sink {
 public:
  virtual ~Sink() = default;
  // False: no more records are wanted.
  virtual bool write(Chunk in) = 0;
  virtual void finish(TaskDone& done) = 0;
};

std::unique_ptr<Sink> makeSink(TaskRun& run);

// How many segments each map partition of an exchange has.
std::size_t reducersOf(const PlanView& view, ExchangeId exchange, const Facts& facts);

}  // namespace sluice::executor
