#include "worker/executor/place.h"

namespace sluice {
namespace executor {

namespace {
constinit thread_local Place threadPlace{};
}  // namespace

Place& currentPlace() { return threadPlace; }

}  // namespace executor

inline namespace SLUICE_ABI {

TaskContext* currentTask() { return executor::threadPlace.task; }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
