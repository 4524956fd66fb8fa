#include <sluice/streaming.h>

// Counts words since the start of the text: StatefulNetworkWordCount HOST PORT [CHECKPOINT-DIRECTORY]
SLUICE_APPLICATION(StatefulNetworkWordCount) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("StatefulNetworkWordCount"), sluice::Seconds(1));
  ssc.checkpoint(args.get(2, "checkpoint"));
  auto words = ssc.socketTextStream(args.at(0), args.at(1)).flatMap([](std::string_view line) { return sluice::split(line, ' '); });
  auto totals = words.map([](std::string_view word) { return std::pair(word, 1L); })
                    .updateStateByKey([](const std::vector<long>& ones, std::optional<long> total) {
                      return std::optional(total.value_or(0) + long(ones.size()));
                    });
  totals.print();
  ssc.start();
  ssc.awaitTermination();
}
