// The shortest batch interval that a word count of 100,000 words a second holds with synced decisions on three executors.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "tests/bench/rows/rows.h"
#include "tests/bench/word_stream.h"

namespace sluice::bench {
namespace {

constexpr const char* kMaster = "local-cluster[3,1,512]";
constexpr double kWords = 100'000;

class SteadyInterval final : public Row {
 public:
  SteadyInterval()
      : Row("steady-interval", "batch interval that holds for 10 minutes, word count of 100,000 words/s, synced decisions, 3 executors",
            Better::kLower, "ms") {}

  Outcome run(const Settings& settings) override {
    Outcome outcome{.must = {5, ""}, .aim = {1, ""}, .shortened = !settings.full};
    // Short tries find it; the one that holds is then tried for its full time.
    for (int interval : {1, 2, 3, 5, 10, 20, 50, 100, 200, 500}) {
      Held held = holds(kMaster, Milliseconds(interval), kWords, 8);
      outcome.notes.push_back(describe(interval, 8, held));
      if (!held.held) continue;
      double seconds = settings.full ? 600 : 30;
      held = holds(kMaster, Milliseconds(interval), kWords, seconds);
      outcome.notes.push_back(describe(interval, seconds, held));
      if (!held.held) continue;
      outcome.figure = {double(interval), double(interval), double(interval)};
      return outcome;
    }
    throw std::runtime_error("no interval up to 500 ms was held");
  }

 private:
  static std::string describe(int interval, double seconds, const Held& held) {
    char text[160];
    std::snprintf(text, sizeof text, "%d ms for %.0f s: %s; %zu batches, published after the tick: p50 %.1f ms, p99 %.1f ms in the last quarter", interval,
                  seconds, held.held ? "held" : "fell behind", held.batches, held.p50Ms, held.p99Ms);
    return text;
  }
};

}  // namespace

std::unique_ptr<Row> steadyInterval() { return std::make_unique<SteadyInterval>(); }

}  // namespace sluice::bench
