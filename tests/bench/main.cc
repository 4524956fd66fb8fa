// sluice-bench: prints the budget table (see README.md in this folder), and plays the text sources that demos and benchmarks need.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "sluice/executor_entry.h"
#include "tests/bench/child.h"
#include "tests/bench/engine_words.h"
#include "tests/bench/feed.h"
#include "tests/bench/reference/figures.h"
#include "tests/bench/reference/word_count.h"
#include "tests/bench/row.h"
#include "tests/bench/table.h"
#include "tests/bench/text.h"

namespace sluice::bench {
namespace {

// A folder for the files of this run.
class Scratch {
 public:
  Scratch() : path_((std::filesystem::temp_directory_path() / "sluice-bench-XXXXXX").string()) {
    if (!mkdtemp(path_.data())) throw std::runtime_error("cannot make a folder in $TMPDIR; set TMPDIR to a writable one");
  }
  ~Scratch() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

int refuseRow(const std::string& name, const std::vector<std::unique_ptr<Row>>& rows) {
  std::fprintf(stderr, "sluice-bench: there is no row '%s'; the rows are:\n", name.c_str());
  for (const auto& row : rows) std::fprintf(stderr, "  %s\n", row->name().c_str());
  return 2;
}

// 0: every row measured meets its "must"; 1: one missed it or failed.
int printTable(Settings settings, const std::vector<std::string>& wanted) {
  std::vector<std::unique_ptr<Row>> rows = allRows();
  for (const std::string& name : wanted)
    if (std::none_of(rows.begin(), rows.end(), [&](const auto& row) { return row->name() == name; })) return refuseRow(name, rows);
  Scratch scratch;
  settings.scratch = scratch.path();
  bool good = true;
  printHead(stdout);
  for (const auto& row : rows) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), row->name()) == wanted.end()) continue;
    Verdict verdict;
    try {
      verdict = printRow(stdout, *row, row->run(settings));
    } catch (const NotYet& missing) {
      verdict = printRow(stdout, *row, {.absent = std::string("not yet: ") + missing.what()});
    } catch (const std::exception& error) {
      verdict = printFailure(stdout, *row, error.what());
    }
    if (verdict == Verdict::kMissed || verdict == Verdict::kFailed) good = false;
  }
  return good ? 0 : 1;
}

void writeText(std::uint64_t bytes, std::uint64_t seed) {
  ZipfText text(seed);
  for (std::uint64_t written = 0; written < bytes;) {
    std::string piece = text.next(std::min<std::uint64_t>(bytes - written, 8 << 20));
    if (std::fwrite(piece.data(), 1, piece.size(), stdout) != piece.size()) throw std::runtime_error("cannot write to stdout");
    written += piece.size();
  }
}

void runReferences(Settings settings) {
  Scratch scratch;
  settings.scratch = scratch.path();
  printReferences(settings);
}

int playFeed(const FeedOptions& options) {
  Feed feed(options);
  std::printf("%u\n", unsigned(feed.port()));
  std::fflush(stdout);
  feed.run();
  std::fprintf(stderr, "fed %llu lines\n", static_cast<unsigned long long>(feed.sent()));
  return 0;
}

// One word count of a file, for callgrind and perf.
void countOnce(const std::string& with, const std::string& master, const std::string& path) {
  std::size_t words = 0;
  if (with == "plain") {
    MappedFile file(path);
    words = countWords(file.text(), 2).size();
  } else {
    Context context = benchContext(master);
    words = countWithEngine(context, path).size();
  }
  std::printf("%zu words\n", words);
}

int run(int argc, char** argv) {
  CLI::App app("Measures Sluice against its budgets; without a subcommand it prints the table.", "sluice-bench");
  Settings settings;
  std::vector<std::string> rows;
  app.add_flag("--full", settings.full, "acceptance figures: long rows at full length (about an hour)");
  app.add_option("--row", rows, "only this row (repeatable)");
  app.add_option("--rounds", settings.rounds, "rounds of each interleaved comparison")->check(CLI::Range(1, 1000));

  FeedOptions source;
  CLI::App* feeding = app.add_subcommand("feed", "send lines of text to whoever connects; the port is printed first");
  feeding->add_option("--port", source.port, "port to listen on; 0 picks a free one");
  feeding->add_option("--rate", source.rate, "lines per second; 0: as fast as they are taken")->check(CLI::NonNegativeNumber);
  feeding->add_option("--lines", source.lines, "stop after so many lines");
  feeding->add_option("--seconds", source.seconds, "stop so long after the first connection")->check(CLI::NonNegativeNumber);
  feeding->add_option("--from", source.from, "files and folders of text; else words by Zipf's law");
  feeding->add_option("--seed", source.seed, "of the made text");

  CLI::App* references = app.add_subcommand("references", "run the reference programs alone: what this machine gives today");

  std::uint64_t bytes = 0, seed = 1;
  CLI::App* generating = app.add_subcommand("generate-text", "write words by Zipf's law to stdout");
  generating->add_option("--bytes", bytes, "how much")->required()->transform(CLI::AsSizeValue(false));
  generating->add_option("--seed", seed, "the same bytes for the same seed");
  std::string with = "engine", master = "local[2]", path;
  CLI::App* counting = app.add_subcommand("count-words", "one word count of a file, to be run under callgrind or perf");
  counting->add_option("--with", with, "engine or plain")->check(CLI::IsMember({"engine", "plain"}));
  counting->add_option("--master", master, "of the engine");
  counting->add_option("file", path, "text")->required()->check(CLI::ExistingFile);
  app.require_subcommand(0, 1);
  CLI11_PARSE(app, argc, argv);

  if (*feeding)
    return playFeed(source);
  else if (*generating)
    writeText(bytes, seed);
  else if (*counting)
    countOnce(with, master, path);
  else if (*references)
    runReferences(settings);
  else
    return printTable(settings, rows);
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::runIfExecutor(argc, argv);  // clusters of processes run this executable again as their executor
  try {
    return sluice::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice-bench: %s\n", error.what());
    return 1;
  }
}
