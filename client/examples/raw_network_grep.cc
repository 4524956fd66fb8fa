#include <sluice/streaming.h>

#include <cstdio>
#include <stdexcept>

// Counts the lines with "the" in several streams of raw blocks, as RawTextSender sends them: RawNetworkGrep STREAMS HOST PORT BATCH-MILLISECONDS
SLUICE_APPLICATION(RawNetworkGrep) {
  long streams = args.number(0), port = args.number(2);
  if (port < 1 || port > 65535) throw std::runtime_error("there is no port " + args.at(2) + "; give 1 to 65535");
  sluice::StreamingContext ssc(sluice::Conf().setAppName("RawNetworkGrep"), sluice::Milliseconds(args.number(3)));
  std::vector<sluice::DStream<std::string>> raw;
  for (long i = 0; i < streams; ++i) {
    raw.push_back(ssc.rawSocketStream<std::string>(args.at(1), std::uint16_t(port), sluice::StorageLevel::MEMORY_ONLY_SER_2));
  }
  ssc.union_(raw).filter([](const std::string& line) { return line.find("the") != std::string::npos; }).count().foreachRDD([](const auto& rdd) {
    for (std::int64_t count : rdd.collect()) std::printf("Grep count: %ld\n", long(count));
    std::fflush(stdout);
  });
  ssc.start();
  ssc.awaitTermination();
}
