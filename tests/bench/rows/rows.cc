#include "tests/bench/rows/rows.h"

namespace sluice::bench {

std::vector<std::unique_ptr<Row>> allRows() {
  std::vector<std::unique_ptr<Row>> rows;
  for (auto make : {wordCountLocal, wordCountCluster, wordCountInstructions, socketGrep, smallestLocalJob, smallestClusterJob, smallestClusterBatch,
                    steadyInterval, recordLatency, schedulingCore, schedulingFlat, masterCpu, submitStart, idleWorker, exampleCompileTime,
                    executorKilled, sortRow, joinRow, groupRow, windowBatch, stateBatch, stateHeld, stateHeldOnDisk})
    rows.push_back(make());
  return rows;
}

}  // namespace sluice::bench
