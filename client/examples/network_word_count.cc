#include <sluice/streaming.h>

// Counts words of each second's text: NetworkWordCount HOST PORT
SLUICE_APPLICATION(NetworkWordCount) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("NetworkWordCount"), sluice::Seconds(1));
  auto lines = ssc.socketTextStream(args.at(0), args.at(1));
  auto counts = lines.flatMap([](std::string_view line) { return sluice::split(line, ' '); })
                    .map([](std::string_view word) { return std::pair(word, 1L); })
                    .reduceByKey(std::plus<>());
  counts.print();
  ssc.start();
  ssc.awaitTermination();
}
