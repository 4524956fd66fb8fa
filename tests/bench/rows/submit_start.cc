// From the shell's fork to a stream whose timer is armed.
#include "tests/bench/child.h"
#include "tests/bench/rows/rows.h"

namespace sluice::bench {
namespace {

class SubmitStart final : public Row {
 public:
  SubmitStart() : Row("submit-start", "sluice-submit --master local[2] to start() returned and the timer armed", Better::kLower, "ms") {}

  Outcome run(const Settings& settings) override {
    std::vector<std::string> command = {builtBinary("sluice-submit"), "--master", "local[2]", "--class", "StartAndStop",
                                        builtLibrary("libsluice_bench_applications.so")};
    std::vector<double> milliseconds;
    for (int i = -1; i < settings.rounds; ++i) {
      double from = now();
      Child submit(command, settings.scratch + "/stderr.txt");
      submit.waitForLine("started", 20);
      if (i >= 0) milliseconds.push_back((now() - from) * 1e3);
    }
    return {.figure = spreadOf(milliseconds), .must = {300, ""}, .aim = {50, ""}};
  }
};

}  // namespace

std::unique_ptr<Row> submitStart() { return std::make_unique<SubmitStart>(); }

}  // namespace sluice::bench
