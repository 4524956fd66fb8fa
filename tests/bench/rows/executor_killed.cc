// How late the next output is when one executor of four dies in the middle of a batch.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "tests/bench/daemons.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/word_stream.h"

namespace sluice::bench {
namespace {

class ExecutorKilled final : public Row {
 public:
  ExecutorKilled() : Row("executor-killed", "kill -9 of one executor of four at 1 s batches: the next output is late by", Better::kLower, "ms") {}

  Outcome run(const Settings& settings) override {
    std::vector<double> late, usual, processing;
    int rounds = settings.full ? 9 : 3;
    for (int round = 0; round < rounds; ++round) {
      Daemons daemons(settings.scratch, 4, 1, "512m");
      WordStream words(daemons.url(), Seconds(1), 1'000'000);
      if (!words.watch().wait(4, 30)) throw std::runtime_error("no batches before the kill");
      std::vector<pid_t> executors = daemons.executors();
      if (executors.size() != 4) throw std::runtime_error(std::to_string(executors.size()) + " executors instead of four");
      std::sort(executors.begin(), executors.end());
      // A batch has just been published; its successor's work begins at the next tick. The kill falls into it.
      std::size_t before = words.watch().count();
      double tick = double(words.watch().batches().back().whenMs) + 1000;
      while (wallMs() < tick + 5) words.watch().wait(before + 1, (tick + 5 - wallMs()) / 1e3);
      kill(executors[std::size_t(round) % 4], SIGKILL);
      if (!words.watch().wait(before + 3, 60)) throw std::runtime_error("no batch came after the kill");
      auto batches = words.watch().batches();
      std::vector<double> calm;
      for (std::size_t i = 1; i < before; ++i) {
        calm.push_back(batches[i].latenessMs());
        processing.push_back(batches[i].processingUs / 1e3);
      }
      usual.push_back(spreadOf(calm).median);
      double worst = 0;
      for (std::size_t i = before; i < before + 3; ++i) worst = std::max(worst, batches[i].latenessMs());
      late.push_back(worst - usual.back());
    }
    double replay = spreadOf(processing).median;
    char note[200];
    std::snprintf(note, sizeof note, "1 M words/s, each executor killed in turn 5 ms after a tick; a batch is usually published %.1f ms after its tick; worst of the next 3 batches",
                  spreadOf(usual).median);
    return {.figure = spreadOf(late), .must = {1000, ""}, .aim = {1.5 * replay + 50, "1.5 batches + 50 ms"}, .shortened = !settings.full, .notes = {note}};
  }
};

}  // namespace

std::unique_ptr<Row> executorKilled() { return std::make_unique<ExecutorKilled>(); }

}  // namespace sluice::bench
