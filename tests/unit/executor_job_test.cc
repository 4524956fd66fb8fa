// Two-stage jobs from plans made by hand, through machines and data planes, on one executor and on three.
#include <chrono>

#include "executor_fleet.h"
#include "sluice/ops/combine.h"
#include "sluice/ops/flat_map.h"
#include "sluice/ops/map.h"
#include "sluice/split.h"

namespace sluice::executor::testing {
namespace {

using Count = std::pair<std::string, std::int64_t>;
using CountView = std::pair<std::string_view, std::int64_t>;

auto sum = [](std::int64_t a, std::int64_t b) { return a + b; };
auto same = [](std::int64_t a) { return a; };
auto toWords = [](std::string_view line) { return split(line, ' '); };
auto toPair = [](std::string_view word) { return std::pair(word, std::int64_t(1)); };

void wordCount(PlanMaker& plan, std::vector<std::string> texts) {
  std::vector<std::pair<std::string, std::uint64_t>> partitions;
  for (std::string& text : texts) partitions.emplace_back(std::move(text), 0);
  auto& lines = plan.source<std::string_view>(std::move(partitions), true);
  auto& words = plan.step<std::string_view>(lines, ops::FlatMap<std::string_view, std::string_view, decltype(toWords)>::of(toWords), "flatMap");
  auto& pairs = plan.step<CountView>(words, ops::Map<std::string_view, CountView, decltype(toPair)>::of(toPair), "map");
  auto& combined = plan.step<Count>(
      pairs, ops::Combine<std::string_view, std::int64_t, std::int64_t, decltype(same), decltype(sum)>::of(same, sum), "reduceByKey");
  auto& merged = plan.exchange<CountView, Count>(combined, proto::EXCHANGE_HASH,
                                                 ops::Merge<std::string, std::int64_t, decltype(sum)>::of(sum), "reduceByKey");
  plan.output(merged, proto::OUTPUT_RESULTS);
}

std::map<std::string, std::int64_t> counts(const Fleet& fleet) {
  std::map<std::string, std::int64_t> all;
  for (const auto& [partition, records] : fleet.results<Count>()) {
    for (const auto& [word, n] : records) EXPECT_TRUE(all.emplace(word, n).second) << word << " came twice";
  }
  return all;
}

const std::map<std::string, std::int64_t> kExpected{{"a", 3}, {"b", 2}, {"c", 1}, {"long-word-number-one", 2}};
const std::vector<std::string> kTexts{"a b\r\na long-word-number-one\n", "c\nb a\n\nlong-word-number-one"};

TEST(ExecutorJob, WordCountOnOne) {
  Fleet fleet(1);
  PlanMaker plan;
  wordCount(plan, kTexts);
  fleet.install(plan, 2);
  ASSERT_EQ(fleet.ofKind(proto::Message::kInstalled).size(), 1u);
  fleet.launchAll(-1);
  fleet.settle();
  auto found = counts(fleet);
  found.erase("");
  EXPECT_EQ(found, kExpected);
  auto prepared = fleet.ofKind(proto::Message::kPrepared);
  ASSERT_EQ(prepared.size(), 1u);
  EXPECT_EQ(prepared[0]->message.prepared().input_records(), 6u);
  EXPECT_EQ(prepared[0]->message.prepared().tasks().stage_size(), 2);
}

TEST(ExecutorJob, WordCountOnThree) {
  Fleet fleet(3);
  PlanMaker plan;
  wordCount(plan, kTexts);
  fleet.install(plan, 5);
  fleet.launchAll(-1);
  fleet.settle();
  auto found = counts(fleet);
  found.erase("");
  EXPECT_EQ(found, kExpected);
}

TEST(ExecutorJob, SmallestJobAgainAndAgain) {
  Fleet fleet(1);
  PlanMaker plan;
  wordCount(plan, {"a", "b"});
  fleet.install(plan, 2);
  std::vector<double> micros;
  for (int job = 1; job <= 2000; ++job) {
    fleet.toMaster.clear();
    auto start = std::chrono::steady_clock::now();
    fleet.launchAll(-job);
    fleet.settle();
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    ASSERT_EQ(counts(fleet).size(), 2u);
    auto [envelope, release] = compose(&proto::Message::mutable_release);
    release->add_instances(-job);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  }
  std::sort(micros.begin(), micros.end());
  RecordProperty("p50_us", std::to_string(micros[micros.size() / 2]));
  std::printf("smallest two-stage job: p50 %.1f us, p99 %.1f us\n", micros[micros.size() / 2], micros[micros.size() * 99 / 100]);
}

}  // namespace
}  // namespace sluice::executor::testing
