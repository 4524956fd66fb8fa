// Lines that hold a word, of a text that comes over a socket as fast as it is taken, against receiving the same bytes and doing nothing.
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "sluice/streaming.h"
#include "tests/bench/batch_watch.h"
#include "tests/bench/feed.h"
#include "tests/bench/reference/raw_receive.h"
#include "tests/bench/rows/rows.h"

namespace sluice::bench {
namespace {

constexpr std::string_view kWord = "hquvbz";

// Seconds from the connection until a batch has published the last line.
double grep(std::uint64_t lines) {
  FeedOptions options;
  options.lines = lines;
  Feed feed(options);
  std::atomic<std::int64_t> found{0};
  StreamingContext stream(Conf().setAppName("sluice-bench").setMaster("local[2]"), Milliseconds(100));
  stream.socketTextStream("127.0.0.1", feed.port())
      .filter([](std::string_view line) { return line.find(kWord) != std::string_view::npos; })
      .foreachRDD([&found](auto matches) { found += matches.count(); });
  BatchWatch watch(stream);
  feed.start();
  stream.start();
  std::uint64_t seen = 0;
  for (std::size_t batches = 1; seen < lines; ++batches) {
    if (!watch.wait(batches, 30)) throw std::runtime_error("no batch for 30 s after " + std::to_string(seen) + " lines");
    seen += watch.batches()[batches - 1].records;
  }
  double seconds = now() - feed.begin();
  stream.stop(true, false);
  if (found == 0) throw std::runtime_error("no line was found");
  return seconds;
}

class SocketGrep final : public Row {
 public:
  SocketGrep() : Row("socket-grep", "grep of a socket stream, local[2], speed against a raw receive of the same bytes", Better::kHigher, "x") {}

  Outcome run(const Settings& settings) override {
    const std::uint64_t lines = settings.full ? 60'000'000 : 20'000'000;
    double megabytes = 0;
    Comparison seconds = interleave(
        settings.rounds,
        [&] {
          RawReceive raw = receiveLines(lines);
          megabytes = double(raw.bytes) / 1e6;
          return raw.seconds;
        },
        [&] { return grep(lines); });
    char note[160];
    std::snprintf(note, sizeof note, "%.0f MB; raw receive: %.0f MB/s; engine: %.0f MB/s, from the connection to the last line's batch (100 ms batches)",
                  megabytes, megabytes / seconds.a.median, megabytes / seconds.b.median);
    return {.figure = seconds.ratio, .must = {0.5, ""}, .aim = {0.9, ""}, .shortened = !settings.full, .notes = {note}};
  }
};

}  // namespace

std::unique_ptr<Row> socketGrep() { return std::make_unique<SocketGrep>(); }

}  // namespace sluice::bench
