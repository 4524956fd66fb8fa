// What 200 executors cost the master's process, a message to each and one back: CPU time from /proc, so other processes do not count.
#include <cstdio>
#include <string>

#include "tests/bench/daemons.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/simulated_cluster.h"

namespace sluice::bench {
namespace {

class MasterCpu final : public Row {
 public:
  MasterCpu() : Row("master-cpu", "master CPU per executor and batch, 200 executors", Better::kLower, "us") {}

  Outcome run(const Settings& settings) override {
    constexpr std::uint32_t kExecutors = 200;
    Daemons master(settings.scratch, 0, 1, "512m");
    SimulatedCluster cluster(master.url(), kExecutors);
    for (int i = 0; i < 20; ++i) cluster.run();
    std::vector<double> microseconds;
    int jobs = settings.full ? 500 : 100;
    for (int round = 0; round < settings.rounds; ++round) {
      double before = cpuSecondsOf(master.master());
      for (int i = 0; i < jobs; ++i) cluster.run();
      microseconds.push_back((cpuSecondsOf(master.master()) - before) * 1e6 / jobs / kExecutors);
    }
    return {.figure = spreadOf(microseconds),
            .must = {30, ""},
            .aim = {8, ""},
            .shortened = !settings.full,
            .notes = {"jobs of 3 stages and 1,200 tasks on an installed plan; a Launch to and a Prepared from each simulated executor, a gRPC session each"}};
  }
};

}  // namespace

std::unique_ptr<Row> masterCpu() { return std::make_unique<MasterCpu>(); }

}  // namespace sluice::bench
