// Where in the application a thread is: which operator's code runs, for which batch and partition. Error messages and
// crash records are made of it.
#pragma once
#include <cstdint>

#include "sluice/abi.h"
#include "sluice/operator.h"

namespace sluice::executor {

// A partition of a node at a time. The texts live as long as the task's template.
struct NodePlace {
  const char* name = nullptr;  // "map"; null: outside any operator
  const char* site = nullptr;  // "wordcount.cc:12"
  std::uint32_t node = 0, partition = 0;
  std::int64_t whenMs = 0;
};

// Trivial and thread-local: a signal handler reads it without locks.
struct Place {
  NodePlace in;
  std::int64_t whenMs = 0;  // of the batch (> 0) or minus the job's number
  std::uint32_t partition = 0;  // the task's
  TaskContext* task = nullptr;
};

// The place of the calling thread; may be changed by whoever enters user code, which puts it back afterwards.
SLUICE_INTERNAL Place& currentPlace();

}  // namespace sluice::executor
