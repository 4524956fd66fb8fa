#include "tests/bench/reference/word_count.h"

#include <cstring>
#include <thread>
#include <vector>

namespace sluice::bench {
namespace {

void countPart(std::string_view part, WordCounts& counts) {
  const char* at = part.data();
  const char* end = at + part.size();
  while (at < end) {
    auto* newline = static_cast<const char*>(std::memchr(at, '\n', std::size_t(end - at)));
    const char* lineEnd = newline ? newline : end;
    while (at < lineEnd) {
      auto* blank = static_cast<const char*>(std::memchr(at, ' ', std::size_t(lineEnd - at)));
      const char* wordEnd = blank ? blank : lineEnd;
      ++counts[std::string_view(at, std::size_t(wordEnd - at))];
      at = wordEnd + 1;
    }
    at = lineEnd + 1;
  }
}

}  // namespace

WordCounts countWords(std::string_view text, int threads) {
  std::vector<WordCounts> parts(static_cast<std::size_t>(threads));
  std::vector<std::thread> helpers;
  std::size_t from = 0;
  for (int i = 0; i < threads; ++i) {
    std::size_t to = text.size();
    if (i + 1 < threads) {
      to = text.find('\n', text.size() * std::size_t(i + 1) / std::size_t(threads));
      to = to == std::string_view::npos ? text.size() : to + 1;
    }
    std::string_view part = text.substr(from, to - from);
    WordCounts& counts = parts[std::size_t(i)];
    if (i + 1 < threads)
      helpers.emplace_back([part, &counts] { countPart(part, counts); });
    else
      countPart(part, counts);
    from = to;
  }
  for (std::thread& helper : helpers) helper.join();
  WordCounts& all = parts.back();
  for (int i = 0; i + 1 < threads; ++i)
    for (const auto& [word, count] : parts[std::size_t(i)]) all[word] += count;
  return std::move(all);
}

}  // namespace sluice::bench
