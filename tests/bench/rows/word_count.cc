// Word count of a text in the page cache against the plain program: in one process, and on real processes with the shuffle between them.
#include <cstdio>
#include <string>

#include "tests/bench/engine_words.h"
#include "tests/bench/reference/word_count.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/text.h"

namespace sluice::bench {
namespace {

class WordCount final : public Row {
 public:
  WordCount(std::string name, std::string what, std::string master, double must, double aim)
      : Row(std::move(name), std::move(what), Better::kHigher, "x"), master_(std::move(master)), must_(must), aim_(aim) {}

  Outcome run(const Settings& settings) override {
    std::string path = zipfFile(settings.scratch, settings.full ? 400'000'000 : 100'000'000);
    MappedFile file(path);
    double megabytes = double(file.text().size()) / 1e6;
    Context context = benchContext(master_);
    checkCounts(countWithEngine(context, path), file.text());
    Comparison seconds = interleave(
        settings.rounds, [&] { return timed([&] { countWords(file.text(), 2); }); },
        [&] { return timed([&] { countWithEngine(context, path); }); });
    context.stop();
    char note[160];
    std::snprintf(note, sizeof note, "%.0f MB of text; plain program, 2 threads: %.0f MB/s; engine: %.0f MB/s (medians)", megabytes,
                  megabytes / seconds.a.median, megabytes / seconds.b.median);
    return {.figure = seconds.ratio, .must = {must_, ""}, .aim = {aim_, ""}, .notes = {note}};
  }

 private:
  std::string master_;
  double must_, aim_;
};

}  // namespace

std::unique_ptr<Row> wordCountLocal() {
  return std::make_unique<WordCount>("word-count-local", "word count, local[2], text in page cache, speed against the plain reference", "local[2]", 0.8, 2.0);
}
std::unique_ptr<Row> wordCountCluster() {
  return std::make_unique<WordCount>("word-count-cluster", "word count on master + 2 executor processes with the shuffle, speed against the plain reference",
                                     "local-cluster[2,1,2048]", 0.4, 1.0);
}

}  // namespace sluice::bench
