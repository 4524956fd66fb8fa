// Instructions a word, by callgrind: the same on every machine and under every load. The cost of starting is taken off by counting two
// texts and dividing the difference.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/bench/child.h"
#include "tests/bench/reference/word_count.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/text.h"

namespace sluice::bench {
namespace {

double instructionsOf(const std::string& with, const std::string& text, const std::string& scratch) {
  std::string out = scratch + "/callgrind.out";
  runToEnd({"valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, builtBinary("sluice-bench"), "count-words", "--with", with, text}, scratch, 600);
  std::ifstream in(out);
  for (std::string line; std::getline(in, line);)
    if (line.rfind("summary:", 0) == 0) return std::stod(line.substr(8));
  throw std::runtime_error("callgrind wrote no summary");
}

double wordsIn(const std::string& path) {
  long words = 0;
  MappedFile file(path);
  for (const auto& [word, count] : countWords(file.text(), 1)) words += count;
  return double(words);
}

class Instructions final : public Row {
 public:
  Instructions()
      : Row("word-count-instructions", "instructions per record of the first row (callgrind), against the plain reference", Better::kLower, "x") {}

  Outcome run(const Settings& settings) override {
    std::string small = zipfFile(settings.scratch, settings.full ? 8'000'000 : 3'000'000), large = zipfFile(settings.scratch, settings.full ? 24'000'000 : 9'000'000);
    double words = wordsIn(large) - wordsIn(small);
    auto perWord = [&](const std::string& with) {
      return (instructionsOf(with, large, settings.scratch) - instructionsOf(with, small, settings.scratch)) / words;
    };
    double plain = perWord("plain"), engine = perWord("engine");
    double ratio = engine / plain;
    char note[120];
    std::snprintf(note, sizeof note, "plain program: %.0f instructions a word; engine: %.0f", plain, engine);
    return {.figure = {ratio, ratio, ratio}, .must = {1.2, ""}, .aim = {0.65, ""}, .notes = {note}};
  }
};

}  // namespace

std::unique_ptr<Row> wordCountInstructions() { return std::make_unique<Instructions>(); }

}  // namespace sluice::bench
