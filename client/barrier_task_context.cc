#include "sluice/barrier_task_context.h"

#include "client/plan_node.h"
#include "sluice/barrier_host.h"
#include "sluice/error.h"

namespace sluice {
inline namespace SLUICE_ABI {

BarrierTaskContext BarrierTaskContext::get() {
  TaskContext* task = currentTask();
  BarrierHost* host = task ? task->barrierHost() : nullptr;
  if (!host) {
    throwError(ErrorKind::kIllegalState, "BarrierTaskContext::get: " + std::string(task ? "this task is of no barrier stage" : "no task runs on this thread") +
                                             "; call it in a function of rdd.barrier().mapPartitions");
  }
  return BarrierTaskContext(*task, *host);
}

void BarrierTaskContext::barrier() const { host_->meet("barrier()", {}); }
std::vector<std::string> BarrierTaskContext::allGather(std::string_view message) const { return host_->meet("allGather()", message); }

std::vector<BarrierTaskInfo> BarrierTaskContext::getTaskInfos() const {
  std::vector<BarrierTaskInfo> infos;
  for (const auto& address : host_->addresses()) infos.push_back({address});
  return infos;
}

namespace detail {
void runTogether(const NodeRef& node) { node->barrier = true; }
}  // namespace detail

}  // inline namespace SLUICE_ABI
}  // namespace sluice
