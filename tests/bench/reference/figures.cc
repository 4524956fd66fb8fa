#include "tests/bench/reference/figures.h"

#include <cstdio>

#include "tests/bench/reference/raw_receive.h"
#include "tests/bench/reference/synced_write.h"
#include "tests/bench/reference/tcp.h"
#include "tests/bench/reference/word_count.h"
#include "tests/bench/text.h"

namespace sluice::bench {
namespace {

Spread rounds(int count, const std::function<double()>& one) {
  std::vector<double> values;
  for (int i = -1; i < count; ++i) {
    double value = one();
    if (i >= 0) values.push_back(value);
  }
  return spreadOf(values);
}

double pingOnce(int oneCore, int otherCore) { return spreadOf(pingTcp(3000, oneCore, otherCore)).median * 1e6; }

void print(const char* what, Spread figure, const char* unit) {
  std::printf("%-44s %8.1f %-5s [%.1f..%.1f]\n", what, figure.median, unit, figure.low, figure.high);
  std::fflush(stdout);
}

}  // namespace

Ping pingAcrossCores(int count) {
  auto [one, other] = twoCores();
  return {rounds(count, [one = one, other = other] { return pingOnce(one, other); }), one != other};
}

Spread syncedWriteMicroseconds(const Settings& settings) {
  return rounds(settings.rounds, [&] { return spreadOf(writeSynced(settings.scratch, 300)).median * 1e6; });
}

void printReferences(const Settings& settings) {
  constexpr std::size_t kBytes = 100'000'000;
  MappedFile file(zipfFile(settings.scratch, kBytes));
  double megabytes = double(file.text().size()) / 1e6;
  for (int threads : {1, 2}) {
    std::string what = "plain word count, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    print(what.c_str(), rounds(settings.rounds, [&] { return megabytes / timed([&] { countWords(file.text(), threads); }); }), "MB/s");
  }
  print("raw receive over loopback TCP", rounds(settings.rounds, [] {
          RawReceive raw = receiveLines(20'000'000);
          return double(raw.bytes) / 1e6 / raw.seconds;
        }), "MB/s");
  print("blocking TCP round trip, two cores, p50", pingAcrossCores(settings.rounds).microseconds, "us");
  print("blocking TCP round trip, one core, p50", rounds(settings.rounds, [] { return pingOnce(twoCores().first, twoCores().first); }), "us");
  print("RocksDB write with sync, p50", syncedWriteMicroseconds(settings), "us");
}

}  // namespace sluice::bench
