// How tasks of a barrier stage meet. Applications use sluice/barrier_task_context.h.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Of one task; its thread alone uses it.
class SLUICE_EXPORT BarrierHost {
 public:
  virtual ~BarrierHost();
  // Waits until all tasks of the stage have made the same call. What each of them said, by partition. Ends by an exception when the task is
  // cancelled; throws Error(kUserCode) when the others can never come.
  virtual std::vector<std::string> meet(const char* call, std::string_view text) = 0;
  // Of the executors that run the tasks, by partition.
  virtual const std::vector<std::string>& addresses() const = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
