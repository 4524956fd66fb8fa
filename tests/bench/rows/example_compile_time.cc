// How long a user waits for the compiler after a change of one file.
#include <filesystem>

#include "tests/bench/child.h"
#include "tests/bench/rows/rows.h"

namespace sluice::bench {
namespace {

class ExampleCompileTime final : public Row {
 public:
  ExampleCompileTime()
      : Row("example-compile-time", "word count example, compile time of its one file (-O2)", Better::kLower, "s") {}

  Outcome run(const Settings& settings) override {
    std::string source = SLUICE_SOURCE_DIR "/client/examples/network_word_count.cc";
    if (!std::filesystem::exists(source)) throw NotYet("client/examples/network_word_count.cc is not there");
    std::vector<std::string> command = {SLUICE_CXX_COMPILER, "-std=c++20", "-O2", "-fPIC", "-c", source, "-o", settings.scratch + "/example.o",
                                        "-I" SLUICE_SOURCE_DIR "/client/include", "-I" SLUICE_SOURCE_DIR "/common/include"};
    std::vector<double> seconds;
    for (int i = -1; i < settings.rounds; ++i) {
      double took = runToEnd(command, settings.scratch, 120);
      if (i >= 0) seconds.push_back(took);
    }
    return {.figure = spreadOf(seconds), .must = {2, ""}, .aim = {1, ""}};
  }
};

}  // namespace

std::unique_ptr<Row> exampleCompileTime() { return std::make_unique<ExampleCompileTime>(); }

}  // namespace sluice::bench
