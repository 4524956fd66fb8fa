// The master's machine on one core: placements a second with 500 executors, and whether a task costs the same among many executors.
#include <cstdio>
#include <string>

#include "tests/bench/rows/rows.h"
#include "tests/bench/scheduled_job.h"

namespace sluice::bench {
namespace {

// Nanoseconds a task, the median of a few jobs.
double costOfTask(ScheduledJob& job, int jobs) {
  std::vector<double> seconds;
  for (int i = 0; i < jobs; ++i) seconds.push_back(job.run());
  return spreadOf(seconds).median * 1e9 / double(job.tasks());
}

std::string line(std::uint32_t executors, Spread nanoseconds) {
  char text[120];
  std::snprintf(text, sizeof text, "%u executors of 16 slots: %.0f ns a task [%.0f..%.0f], %u tasks a job", executors, nanoseconds.median,
                nanoseconds.low, nanoseconds.high, executors * 16 * 3);
  return text;
}

class Placements final : public Row {
 public:
  Placements()
      : Row("scheduling-core", "scheduling core, 500 simulated executors of 16 slots, 3 stages: placements a second on one core",
            Better::kHigher, "M/s") {}
  Outcome run(const Settings& settings) override {
    ScheduledJob job(500);
    std::vector<double> rounds;
    for (int round = 0; round < settings.rounds; ++round) rounds.push_back(costOfTask(job, 9));
    Spread cost = spreadOf(rounds);
    return {.figure = {1e3 / cost.median, 1e3 / cost.high, 1e3 / cost.low},
            .must = {2, ""},
            .aim = {10, ""},
            .notes = {line(500, cost), "time inside the master's machine, from RunJob to JobDone on an installed plan; messages are built, not sent"}};
  }
};

class Flatness final : public Row {
 public:
  Flatness()
      : Row("scheduling-flat", "the same, cost of a task: the dearest of 100 and 1,000 executors (--full: and 10,000) against 10",
            Better::kLower, "x") {}
  Outcome run(const Settings& settings) override {
    Outcome outcome{.must = {1.5, "flat"}, .aim = {1.5, "flat, to 10,000"}, .shortened = !settings.full};
    ScheduledJob few(10);
    std::vector<double> costsOfFew;
    for (std::uint32_t executors : {100u, 1000u, 10'000u}) {
      if (executors > 1000 && !settings.full) continue;
      ScheduledJob many(executors);
      std::vector<double> costs, ratios;
      for (int round = 0; round < settings.rounds; ++round) {
        costsOfFew.push_back(costOfTask(few, 49));
        costs.push_back(costOfTask(many, 5));
        ratios.push_back(costs.back() / costsOfFew.back());
      }
      outcome.notes.push_back(line(executors, spreadOf(costs)));
      if (Spread ratio = spreadOf(ratios); ratio.median > outcome.figure.median) outcome.figure = ratio;
    }
    outcome.notes.insert(outcome.notes.begin(), line(10, spreadOf(costsOfFew)));
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Row> schedulingCore() { return std::make_unique<Placements>(); }
std::unique_ptr<Row> schedulingFlat() { return std::make_unique<Flatness>(); }

}  // namespace sluice::bench
