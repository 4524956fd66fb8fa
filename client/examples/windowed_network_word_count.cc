#include <sluice/streaming.h>

// Counts the words of the last 30 seconds every 10 seconds: WindowedNetworkWordCount HOST PORT [plain | inverse [CHECKPOINT-DIRECTORY]]
SLUICE_APPLICATION(WindowedNetworkWordCount) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("WindowedNetworkWordCount"), sluice::Seconds(1));
  auto ones = ssc.socketTextStream(args.at(0), args.at(1))
                  .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
                  .map([](std::string_view word) { return std::pair(word, 1L); });
  if (args.get(2, "plain") == "inverse") {
    // The new window is the old one, plus what entered, minus what left; words that are gone are forgotten.
    ssc.checkpoint(args.get(3, "checkpoint"));
    auto some = [](const auto& count) { return count.second != 0; };
    ones.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), sluice::Seconds(30), sluice::Seconds(10), 0, some).print();
  } else {
    ones.reduceByKeyAndWindow(std::plus<>(), sluice::Seconds(30), sluice::Seconds(10)).print();
  }
  ssc.start();
  ssc.awaitTermination();
}
