// Word count through the typed operators, on one thread and without the engine, beside the reference loop: what the operators themselves
// cost. ops_word_count_bench [ref|ops|both] [MiB]; instructions per word by `valgrind --tool=callgrind --toggle-collect='*measured*'`.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/ops/combine.h"
#include "sluice/ops/flat_map.h"
#include "sluice/ops/functors.h"
#include "sluice/ops/map.h"
#include "sluice/split.h"
#include "tests/bench/reference/word_count.h"
#include "tests/bench/text.h"
#include "tests/unit/operator_harness.h"

namespace {

using sluice::Chunk;
using sluice::Step;
using sluice::StepOperator;

struct Counted {
  std::size_t words = 0, different = 0;
};

std::unique_ptr<StepOperator> made(const sluice::OpRef& ref) {
  return std::unique_ptr<StepOperator>(static_cast<StepOperator*>(ref.desc->make(ref.captures.data(), ref.captures.size())));
}

// Drives `in` through operators i, i + 1, … as the runner does: depth first, one virtual call a chunk.
void drive(const std::vector<std::unique_ptr<StepOperator>>& chain, std::size_t i, Chunk in, sluice::TaskContext& task) {
  for (;;) {
    Chunk out;
    Step step = chain[i]->process(in, out, task);
    if (out.size != 0 && i + 1 < chain.size()) drive(chain, i + 1, out, task);
    if (step != Step::kHaveMore) return;
  }
}

// Outside of the measured function: callgrind finds that by its name, which would be part of theirs.
constexpr auto split = [](std::string_view line) { return sluice::split(line, ' '); };
constexpr auto pair = [](std::string_view word) { return std::pair(word, 1L); };

[[gnu::noinline]] Counted measuredOps(std::string_view text) {
  using View = std::string_view;
  using Pair = std::pair<View, long>;
  std::vector<std::unique_ptr<StepOperator>> chain;
  chain.push_back(made(sluice::ops::FlatMap<View, View, std::remove_cv_t<decltype(split)>>::of(split)));
  chain.push_back(made(sluice::ops::Map<View, Pair, std::remove_cv_t<decltype(pair)>>::of(pair)));
  chain.push_back(made(sluice::ops::Combine<View, long, long, sluice::ops::AsValue<long>, std::plus<>>::of({}, {})));
  sluice::testing::Task task(0, std::size_t(1) << 30);
  std::vector<View> lines(sluice::chunkRecords(sizeof(View)));
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    std::size_t n = 0;
    while (n < lines.size() && at < end) {
      auto* newline = static_cast<const char*>(std::memchr(at, '\n', std::size_t(end - at)));
      const char* lineEnd = newline ? newline : end;
      lines[n++] = View(at, std::size_t(lineEnd - at));
      at = lineEnd + 1;
    }
    drive(chain, 0, {lines.data(), n}, task);
  }
  Counted counted;
  Step step;
  do {
    Chunk out;
    step = chain.back()->finish(out, task);
    for (std::size_t i = 0; i < out.size; ++i) counted.words += std::size_t(out.as<std::pair<std::string, long>>()[i].second);
    counted.different += out.size;
  } while (step == Step::kHaveMore);
  return counted;
}

[[gnu::noinline]] Counted measuredReference(std::string_view text) {
  Counted counted;
  for (const auto& [word, count] : sluice::bench::countWords(text, 1)) {
    counted.words += std::size_t(count);
    ++counted.different;
  }
  return counted;
}

double seconds(Counted (*run)(std::string_view), std::string_view text, Counted& counted) {
  auto start = std::chrono::steady_clock::now();
  counted = run(text);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  std::string which = argc > 1 ? argv[1] : "both";
  std::size_t bytes = (argc > 2 ? std::stoul(argv[2]) : 64) << 20;
  std::string text = sluice::bench::ZipfText(1).next(bytes);
  Counted reference, ops;
  double best[2] = {1e9, 1e9};
  for (int round = 0; round < (which == "both" ? 9 : 1); ++round) {
    if (which != "ops") best[0] = std::min(best[0], seconds(measuredReference, text, reference));
    if (which != "ref") best[1] = std::min(best[1], seconds(measuredOps, text, ops));
  }
  if (which != "ops") std::printf("reference  %zu words, %zu different, %.1f M words/s\n", reference.words, reference.different, double(reference.words) / best[0] / 1e6);
  if (which != "ref") std::printf("operators  %zu words, %zu different, %.1f M words/s\n", ops.words, ops.different, double(ops.words) / best[1] / 1e6);
  if (which == "both") {
    std::printf("speed against the reference: %.2f\n", best[0] / best[1]);
    if (reference.words != ops.words || reference.different != ops.different) return std::printf("the counts differ\n"), 1;
  }
}
