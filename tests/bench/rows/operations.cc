// Sort, join and group of a batch job against the plain programs.
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>

#include "tests/bench/engine_words.h"
#include "tests/bench/reference/operations.h"
#include "tests/bench/rows/rows.h"

namespace sluice::bench {
namespace {

using Pair = std::pair<std::int64_t, std::int64_t>;

std::uint64_t sortWithEngine(Context& context, std::int64_t n) {
  auto sorted = context.range(n).map([](std::int64_t i) { return scattered(i); }).sortBy([](std::int64_t x) { return x; });
  auto parts = sorted.glom().collect();
  std::uint64_t sum = 0, p = 0;
  for (const auto& part : parts) {
    for (std::int64_t value : part) sum += std::uint64_t(value) ^ p++;
  }
  return sum;
}

std::uint64_t joinWithEngine(Context& context, std::int64_t n, std::int64_t keys) {
  auto left = context.range(n).map([keys](std::int64_t i) { return Pair(scattered(i) % keys, i); });
  auto right = context.range(n).map([keys, n](std::int64_t i) { return Pair(scattered(n + i) % keys, i); });
  return left.join(right).map([](const auto& joined) { return std::uint64_t(joined.second.first ^ joined.second.second); }).fold(0, std::plus<>());
}

std::uint64_t groupWithEngine(Context& context, std::int64_t n, std::int64_t keys) {
  return context.range(n)
      .map([keys](std::int64_t i) { return Pair(scattered(i) % keys, i); })
      .groupByKey()
      .map([](const std::pair<std::int64_t, std::vector<std::int64_t>>& group) {
        std::int64_t greatest = 0;
        for (std::int64_t value : group.second) greatest = value > greatest ? value : greatest;
        return group.second.size() * std::uint64_t(greatest);
      })
      .fold(0, std::plus<>());
}

class Operation final : public Row {
 public:
  using Plain = std::function<std::uint64_t(std::int64_t n)>;
  using Engine = std::function<std::uint64_t(Context&, std::int64_t n)>;
  Operation(std::string name, std::string what, std::int64_t n, Plain plain, Engine engine)
      : Row(std::move(name), std::move(what), Better::kHigher, "x"), n_(n), plain_(std::move(plain)), engine_(std::move(engine)) {}

  Outcome run(const Settings& settings) override {
    std::int64_t n = settings.full ? n_ * 4 : n_;
    Context context = benchContext("local[2]");
    if (engine_(context, n) != plain_(n)) throw std::runtime_error("wrong result: the engine's sum is not the plain program's");
    Comparison seconds = interleave(settings.rounds, [&] { return timed([&] { plain_(n); }); }, [&] { return timed([&] { engine_(context, n); }); });
    context.stop();
    char note[160];
    std::snprintf(note, sizeof note, "%.1f M records; plain program, 2 threads: %.1f M/s; engine: %.1f M/s (medians)", double(n) / 1e6,
                  double(n) / 1e6 / seconds.a.median, double(n) / 1e6 / seconds.b.median);
    return {.figure = seconds.ratio, .must = kNoBound, .aim = kNoBound, .notes = {note}};
  }

 private:
  std::int64_t n_;
  Plain plain_;
  Engine engine_;
};

}  // namespace

std::unique_ptr<Row> sortRow() {
  return std::make_unique<Operation>("sort", "sortBy of numbers, local[2], collected, speed against std::sort in two halves and a merge", 4'000'000,
                                     [](std::int64_t n) { return sortedSum(n); }, [](Context& context, std::int64_t n) { return sortWithEngine(context, n); });
}
std::unique_ptr<Row> joinRow() {
  return std::make_unique<Operation>("join", "join of two datasets of pairs, each key on both sides about once, local[2], speed against the plain program", 1'000'000,
                                     [](std::int64_t n) { return joinedSum(n, n); }, [](Context& context, std::int64_t n) { return joinWithEngine(context, n, n); });
}
std::unique_ptr<Row> groupRow() {
  return std::make_unique<Operation>("group", "groupByKey of 40 values a key, local[2], speed against the plain program", 4'000'000,
                                     [](std::int64_t n) { return groupedSum(n, n / 40); }, [](Context& context, std::int64_t n) { return groupWithEngine(context, n, n / 40); });
}

}  // namespace sluice::bench
