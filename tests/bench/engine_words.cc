#include "tests/bench/engine_words.h"

#include <functional>
#include <stdexcept>
#include <string_view>

#include "sluice/split.h"
#include "tests/bench/reference/word_count.h"

namespace sluice::bench {

// Each round does all of the work: a second job over a dataset would find what the first has shuffled.
Context benchContext(const std::string& master) {
  return Context(Conf().setAppName("sluice-bench").setMaster(master).set("sluice.shuffle.reuse", "false"));
}

EngineCounts countWithEngine(Context& context, const std::string& path) {
  return context.textFile(path)
      .flatMap([](std::string_view line) { return sluice::split(line, ' '); })
      .map([](std::string_view word) { return std::pair(word, 1L); })
      .reduceByKey(std::plus<>())
      .collect();
}

void checkCounts(const EngineCounts& counts, std::string_view text) {
  WordCounts expected = countWords(text, 2);
  if (counts.size() != expected.size())
    throw std::runtime_error("wrong result: " + std::to_string(counts.size()) + " words instead of " + std::to_string(expected.size()));
  for (const auto& [word, count] : counts) {
    auto found = expected.find(std::string_view(word));
    if (found == expected.end() || found->second != count) throw std::runtime_error("wrong result: the count of '" + word + "'");
  }
}

}  // namespace sluice::bench
