// What a worker costs that has nothing to do.
#include "tests/bench/daemons.h"
#include "tests/bench/rows/rows.h"

namespace sluice::bench {
namespace {

class IdleWorker final : public Row {
 public:
  IdleWorker() : Row("idle-worker", "idle worker daemon, resident memory", Better::kLower, "MB") {}

  Outcome run(const Settings& settings) override {
    constexpr int kWorkers = 3;
    Daemons daemons(settings.scratch, kWorkers, 2, "512m");
    std::vector<double> megabytes;
    for (int i = 0; i < kWorkers; ++i) megabytes.push_back(residentMb(daemons.worker(i)));
    return {.figure = spreadOf(megabytes),
            .must = {30, ""},
            .aim = {20, ""},
            .notes = {"registered with a master; the master itself: " + std::to_string(int(residentMb(daemons.master()))) + " MB"}};
  }
};

}  // namespace

std::unique_ptr<Row> idleWorker() { return std::make_unique<IdleWorker>(); }

}  // namespace sluice::bench
