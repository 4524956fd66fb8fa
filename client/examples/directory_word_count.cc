#include <sluice/streaming.h>

// Counts words of the files that are moved into a directory (Spark's HdfsWordCount): DirectoryWordCount DIRECTORY
SLUICE_APPLICATION(DirectoryWordCount) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("DirectoryWordCount"), sluice::Seconds(1));
  ssc.textFileStream(args.at(0))
      .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
      .map([](std::string_view word) { return std::pair(word, 1L); })
      .reduceByKey(std::plus<>())
      .print();
  ssc.start();
  ssc.awaitTermination();
}
