// A stage, as the status tracker and listeners tell of it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

struct StageInfo {
  int stageId = 0;
  int currentAttemptId = 0;
  std::int64_t submissionTime = 0;  // milliseconds since 1970
  std::string name;                 // "reduceByKey at main.cc:12"
  int numTasks = 0;
  // Of the status tracker:
  int numActiveTasks = 0, numCompletedTasks = 0, numFailedTasks = 0;
  // Of listeners, once it is over:
  std::optional<std::int64_t> completionTime;
  std::optional<std::string> failureReason;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
