// Starts a stream, says so and goes: how long sluice-submit takes until start() has returned.
#include <sluice/streaming.h>

#include <cstdio>

SLUICE_APPLICATION(StartAndStop) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("StartAndStop"), sluice::Seconds(1));
  ssc.socketTextStream("localhost", 9)
      .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
      .map([](std::string_view word) { return std::pair(word, 1L); })
      .reduceByKey(std::plus<>())
      .print();
  ssc.start();
  std::puts("started");
  std::fflush(stdout);
  ssc.stop();
}
