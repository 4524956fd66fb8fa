// The master's machine alone, with executors that are only messages: what a placement costs.
#pragma once
#include <cstdint>
#include <memory>

namespace sluice::bench {

// Owns a master's machine, its driver and `executors` simulated executors of 16 slots, which answer at once. One thread uses it.
class ScheduledJob {
 public:
  // A job of three stages with one task a slot in each: source, exchange, exchange.
  explicit ScheduledJob(std::uint32_t executors);
  ~ScheduledJob();
  // Runs the job once more, on the installed plan. Gives the seconds spent inside the machine, from RunJob to JobDone.
  double run();
  std::uint64_t tasks() const;  // of one job

 private:
  class Simulated;
  std::unique_ptr<Simulated> simulated_;
};

}  // namespace sluice::bench
