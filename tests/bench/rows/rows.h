// The rows, one file each.
#pragma once
#include <memory>

#include "tests/bench/row.h"

namespace sluice::bench {

std::unique_ptr<Row> wordCountLocal();
std::unique_ptr<Row> wordCountCluster();
std::unique_ptr<Row> wordCountInstructions();
std::unique_ptr<Row> socketGrep();
std::unique_ptr<Row> smallestLocalJob();
std::unique_ptr<Row> smallestClusterJob();
std::unique_ptr<Row> smallestClusterBatch();
std::unique_ptr<Row> steadyInterval();
std::unique_ptr<Row> recordLatency();
std::unique_ptr<Row> schedulingCore();
std::unique_ptr<Row> schedulingFlat();
std::unique_ptr<Row> masterCpu();
std::unique_ptr<Row> submitStart();
std::unique_ptr<Row> idleWorker();
std::unique_ptr<Row> exampleCompileTime();
std::unique_ptr<Row> executorKilled();
std::unique_ptr<Row> sortRow();
std::unique_ptr<Row> joinRow();
std::unique_ptr<Row> groupRow();
std::unique_ptr<Row> windowBatch();
std::unique_ptr<Row> stateBatch();
std::unique_ptr<Row> stateHeld();
std::unique_ptr<Row> stateHeldOnDisk();

}  // namespace sluice::bench
