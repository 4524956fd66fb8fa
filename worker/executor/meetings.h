// Tasks of barrier stages that wait for each other: what the master is told of them, and whom it lets go on.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "worker/executor/control.h"
#include "worker/executor/gate.h"

namespace sluice::executor {

// Used on the strand alone.
class Meetings {
 public:
  explicit Meetings(Control& control) : control_(control) {}
  ~Meetings();

  // Gives the task a gate if its stage is one.
  void prepare(const Task& task, const std::shared_ptr<TaskSpec>& spec);
  void onOpen(const proto::BarrierOpen& open);
  // The task has ended. The master's message that it ended well; null: it needs none.
  std::shared_ptr<Envelope> ended(const TaskSpec& spec, bool well);
  // What the master may have missed.
  void tellAgain();

 private:
  struct Waiting {
    std::weak_ptr<const TaskSpec> spec;
    std::shared_ptr<Envelope> asked;  // the last thing; null: it does not wait
  };
  void ask(const std::weak_ptr<const TaskSpec>& spec, std::uint32_t round, const std::string& call, std::string text);

  Control& control_;
  std::map<const TaskSpec*, Waiting> tasks_;  // that run
};

}  // namespace sluice::executor
