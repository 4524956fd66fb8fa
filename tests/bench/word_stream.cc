#include "tests/bench/word_stream.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "sluice/split.h"
#include "tests/bench/row.h"

namespace sluice::bench {
namespace {

constexpr double kWordsPerLine = 10;

FeedOptions paced(double linesPerSecond) {
  FeedOptions options;
  options.rate = linesPerSecond;
  options.slice = 0.0005;
  return options;
}

}  // namespace

WordStream::WordStream(const std::string& master, Duration interval, double wordsPerSecond)
    : linesPerSecond_(wordsPerSecond / kWordsPerLine), feed_(paced(linesPerSecond_)) {
  // A receiver closes its block at each tick; the block interval only bounds it below.
  stream_ = std::make_unique<StreamingContext>(Conf().setAppName("sluice-bench").setMaster(master), interval);
  stream_->socketTextStream("127.0.0.1", feed_.port())
      .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
      .map([](std::string_view word) { return std::pair(word, 1L); })
      .reduceByKey(std::plus<>())
      .foreachPartition([](auto& counts) {
        long words = 0;
        while (counts.hasNext()) words += counts.next().second;
        if (words < 0) throw std::runtime_error("counts below zero");
      });
  watch_ = std::make_unique<BatchWatch>(*stream_);
  feed_.start();
  stream_->start();
}

WordStream::~WordStream() {
  stream_->stop(true, false);
  feed_.stop();
}

Held holds(const std::string& master, Duration interval, double wordsPerSecond, double seconds) {
  WordStream words(master, interval, wordsPerSecond);
  double from = now();
  for (std::size_t seen = 0; now() - from < seconds; seen = words.watch().count())
    if (!words.watch().wait(seen + 1, std::max(5.0, 10 * double(interval.milliseconds()) / 1e3))) return {};
  double end = wallMs();
  auto batches = words.watch().batches();
  std::vector<double> lateness;
  for (const auto& batch : batches)
    if (double(batch.whenMs) > end - seconds * 1e3 / 4) lateness.push_back(batch.latenessMs());
  if (lateness.empty()) return {};
  std::sort(lateness.begin(), lateness.end());
  Held held;
  held.p50Ms = lateness[lateness.size() / 2];
  held.p99Ms = lateness[lateness.size() * 99 / 100];
  held.batches = batches.size();
  held.held = held.p50Ms <= 3 * double(interval.milliseconds()) + 5;
  return held;
}

}  // namespace sluice::bench
