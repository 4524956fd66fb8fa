#include "worker/executor/gate.h"

#include <utility>

#include "sluice/error.h"
#include "worker/executor/task_run.h"

namespace sluice::executor {

namespace {
constexpr std::int64_t kLookUs = 20'000;  // how often one who waits looks whether its task was cancelled
}

bool Gate::wait(const char* call, std::string_view text, const TaskContext& task, Opened& opened) {
  if (!ask_) throwError(ErrorKind::kIllegalState, "the tasks of a barrier stage wait for each other and cannot run in the simulated cluster; use another shape");
  MutexLock lock(mutex_);
  if (closed_) return false;
  std::uint32_t round = round_;
  lock.unlock();
  ask_(round, call, std::string(text));  // it may open the gate on this very thread
  lock.lock();
  while (!opened_) {
    if (closed_ || task.cancelled()) return false;
    changed_.waitFor(mutex_, kLookUs);
  }
  opened = *opened_;
  if (opened.error.empty()) opened_.reset(), ++round_;  // an error is for whoever comes later as well
  return true;
}

void Gate::open(std::uint32_t round, Opened opened) {
  MutexLock lock(mutex_);
  if (round != round_ || opened_) return;
  opened_ = std::move(opened);
  changed_.notifyAll();
}

void Gate::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.notifyAll();
}

std::vector<std::string> Meeting::meet(const char* call, std::string_view text) {
  Gate::Opened opened;
  if (!gate_.wait(call, text, task_, opened)) throw TaskCancelled{};
  if (!opened.error.empty()) throwError(ErrorKind::kUserCode, opened.error);
  return std::move(opened.texts);
}

}  // namespace sluice::executor
