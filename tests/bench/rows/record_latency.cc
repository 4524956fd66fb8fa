// From the moment a record is due at the socket to the moment the driver hears that its batch is published, at 70 % of the highest rate
// that was held. Open loop: the source does not wait, and a late record counts from when it was due.
#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "tests/bench/rows/rows.h"
#include "tests/bench/word_stream.h"

namespace sluice::bench {
namespace {

constexpr const char* kMaster = "local-cluster[3,1,512]";
constexpr std::int64_t kIntervalMs = 20;

class RecordLatency final : public Row {
 public:
  RecordLatency()
      : Row("record-latency", "record in at the socket to result out, p99, at 70 % of the highest rate held, open loop", Better::kLower, "intervals") {}

  Outcome run(const Settings& settings) override {
    Outcome outcome{.must = {3, ""}, .aim = {1.5 + 1.0 / kIntervalMs, "1.5 + 1 ms"}, .shortened = !settings.full};
    double highest = 0;
    for (double rate = 250'000; rate <= 64'000'000; rate *= 2) {
      Held held = holds(kMaster, Milliseconds(kIntervalMs), rate, settings.full ? 20 : 3);
      if (!held.held) break;
      highest = rate;
    }
    if (highest == 0) throw std::runtime_error("not even 250,000 words/s were held");
    std::vector<double> p99;
    std::vector<double> p50, last;
    for (int round = 0; round < (settings.full ? 9 : 3); ++round) {
      std::vector<double> latency = measure(0.7 * highest, settings.full ? 20 : 5);
      p50.push_back(latency[latency.size() / 2]);
      p99.push_back(latency[latency.size() * 99 / 100] / double(kIntervalMs));
      last.push_back(latency.back());
    }
    outcome.figure = spreadOf(p99);
    char note[200];
    std::snprintf(note, sizeof note, "%d ms batches, 3 executors, %.2f M words/s (highest held, in steps of 2: %.2f); p50 %.1f ms, p99 %.1f ms, slowest %.1f ms", int(kIntervalMs),
                  0.7 * highest / 1e6, highest / 1e6, spreadOf(p50).median, outcome.figure.median * double(kIntervalMs), spreadOf(last).high);
    outcome.notes.push_back(note);
    return outcome;
  }

 private:
  // Milliseconds of each hundredth line, sorted. Lines come in order, so the count of records says which batch a line is in.
  static std::vector<double> measure(double wordsPerSecond, double seconds) {
    WordStream words(kMaster, Milliseconds(kIntervalMs), wordsPerSecond);
    auto wanted = std::size_t((seconds + 1) * 1e3 / double(kIntervalMs));
    if (!words.watch().wait(wanted, 10 * seconds + 30)) throw std::runtime_error("batches stopped coming");
    double wallOfBegin = wallMs() - (now() - words.feed().begin()) * 1e3;
    std::vector<double> latency;
    std::uint64_t line = 0;
    for (const auto& batch : words.watch().batches()) {
      for (std::uint64_t end = line + batch.records; line < end; line += std::min<std::uint64_t>(100, end - line)) {
        double due = wallOfBegin + double(line) / words.linesPerSecond() * 1e3;
        if (due - wallOfBegin > 1000) latency.push_back(batch.publishedMs - due);  // the first second warms up
      }
    }
    if (latency.empty()) throw std::runtime_error("no records were counted");
    std::sort(latency.begin(), latency.end());
    return latency;
  }
};

}  // namespace

std::unique_ptr<Row> recordLatency() { return std::make_unique<RecordLatency>(); }

}  // namespace sluice::bench
