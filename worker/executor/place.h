// Where in the application a thread is: which operator's code runs, for which batch and partition. Error messages and
// crash records are made of it.
#pragma once
#include <cstdint>

#include "sluice/abi.h"
#include "sluice/operator.h"

namespace sluice::executor {

// Trivial and thread-local: a signal handler reads it without locks. The texts live as long as the task's template.
struct Place {
  const char* name = nullptr;  // "map"; null: outside any operator
  const char* site = nullptr;  // "wordcount.cc:12"
  std::int64_t whenMs = 0;     // of the batch (> 0) or minus the job's number
  std::uint32_t partition = 0;
  TaskContext* task = nullptr;
};

// The place of the calling thread; may be changed by whoever enters user code, which puts it back afterwards.
SLUICE_INTERNAL Place& currentPlace();

}  // namespace sluice::executor
