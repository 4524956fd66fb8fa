// Where a task of a barrier stage waits for the others.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mutex.h"
#include "sluice/abi.h"
#include "sluice/barrier_host.h"
#include "sluice/operator.h"

namespace sluice::executor {

// The task's thread waits, the machine's strand opens.
class SLUICE_INTERNAL Gate {
 public:
  struct Opened {
    std::vector<std::string> texts;  // by partition
    std::string error;               // it stays closed for ever
  };
  using Ask = std::function<void(std::uint32_t round, std::string call, std::string text)>;  // from the task's thread
  // `ask` null: tasks cannot wait where this executor runs.
  explicit Gate(Ask ask) : ask_(std::move(ask)) {}

  // False: the task was cancelled, or its executor is no more.
  bool wait(const char* call, std::string_view text, const TaskContext& task, Opened& opened);
  void open(std::uint32_t round, Opened opened);
  void close();  // nobody will open it any more

 private:
  const Ask ask_;
  Mutex mutex_;
  CondVar changed_;
  std::uint32_t round_ GUARDED_BY(mutex_) = 0;  // that is waited for, or comes next
  std::optional<Opened> opened_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

// The gate as the functions of a task see it; used by its thread.
class SLUICE_INTERNAL Meeting final : public BarrierHost {
 public:
  Meeting(Gate& gate, const TaskContext& task) : gate_(gate), task_(task) {}
  // The first of all meetings: each task has its slot.
  void begin() { addresses_ = meet("the start of the stage", {}); }
  std::vector<std::string> meet(const char* call, std::string_view text) override;
  const std::vector<std::string>& addresses() const override { return addresses_; }

 private:
  Gate& gate_;
  const TaskContext& task_;
  std::vector<std::string> addresses_;
};

}  // namespace sluice::executor
