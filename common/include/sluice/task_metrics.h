// What a task did: TaskContext::taskMetrics(), and in SluiceListener::onTaskEnd. Spark's names; what has no meaning here is left out
// (garbage collection, deserialising, waiting for fetches: tasks begin when all they read is there).
#pragma once
#include <cstdint>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Of sources and of persisted data: bytes as they were stored, text files by their lines' bytes.
struct InputMetrics {
  std::int64_t bytesRead = 0, recordsRead = 0;
};

// Of files that are saved.
struct OutputMetrics {
  std::int64_t bytesWritten = 0, recordsWritten = 0;
};

// Encoded rows; what the map side had combined already is one record.
struct ShuffleReadMetrics {
  std::int64_t totalBytesRead = 0, recordsRead = 0;
};

struct ShuffleWriteMetrics {
  std::int64_t bytesWritten = 0, recordsWritten = 0;
};

struct TaskMetrics {
  std::int64_t executorRunTime = 0;      // milliseconds on its slot
  std::int64_t resultSize = 0;           // bytes for the driver
  std::int64_t memoryBytesSpilled = 0;   // of records that operators (sorts) put aside, as they were in memory, encoded
  std::int64_t diskBytesSpilled = 0;     // what that took on disk, and decompressed text that was put aside
  std::int64_t peakExecutionMemory = 0;  // bytes that operators held at once of what cannot be put aside (groups, whole partitions)
  InputMetrics inputMetrics;
  OutputMetrics outputMetrics;
  ShuffleReadMetrics shuffleReadMetrics;
  ShuffleWriteMetrics shuffleWriteMetrics;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
