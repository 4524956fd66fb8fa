#include <sluice/sluice.h>

#include <cstdio>

// Counts the words of text files, prints the ten most frequent and writes them all: WordCount PATHS [OUTPUT-DIRECTORY]
SLUICE_APPLICATION(WordCount) {
  sluice::Context context(sluice::Conf().setAppName("WordCount"));
  auto counts = context.textFile(args.at(0))
                    .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
                    .map([](std::string_view word) { return std::pair(word, 1L); })
                    .reduceByKey(std::plus<>());
  auto byCount = counts.sortBy([](const auto& count) { return count.second; }, false);
  for (const auto& [word, count] : byCount.take(10)) std::printf("%s: %ld\n", word.c_str(), count);
  if (args.size() > 1) byCount.saveAsTextFile(args[1]);
}
