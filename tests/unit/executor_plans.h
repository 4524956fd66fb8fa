// Plans that several tests run.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "executor_fleet.h"
#include "sluice/ops/combine.h"
#include "sluice/ops/flat_map.h"
#include "sluice/ops/map.h"
#include "sluice/split.h"

namespace sluice::executor::testing {

using Count = std::pair<std::string, std::int64_t>;
using CountView = std::pair<std::string_view, std::int64_t>;

inline auto sum = [](std::int64_t a, std::int64_t b) { return a + b; };
inline auto same = [](std::int64_t a) { return a; };
inline auto toWords = [](std::string_view line) { return split(line, ' '); };
inline auto toPair = [](std::string_view word) { return std::pair(word, std::int64_t(1)); };

// Lines to (word, 1), summed where they were read or only where they arrive.
inline proto::Node& wordCount(PlanMaker& plan, std::vector<std::string> texts, bool combine = true, std::uint32_t partitions = 0) {
  std::vector<std::pair<std::string, std::uint64_t>> inputs;
  for (std::string& text : texts) inputs.emplace_back(std::move(text), 0);
  auto& lines = plan.source<std::string_view>(std::move(inputs), true);
  auto& words = plan.step<std::string_view>(lines, ops::FlatMap<std::string_view, std::string_view, decltype(toWords)>::of(toWords), "flatMap");
  proto::Node* pairs = &plan.step<CountView>(words, ops::Map<std::string_view, CountView, decltype(toPair)>::of(toPair), "map");
  if (combine) {
    pairs = &plan.step<Count>(
        *pairs, ops::Combine<std::string_view, std::int64_t, std::int64_t, decltype(same), decltype(sum)>::of(same, sum), "reduceByKey");
  }
  return plan.exchange<CountView, Count>(*pairs, proto::EXCHANGE_HASH, ops::Merge<std::string, std::int64_t, decltype(sum)>::of(sum),
                                         "reduceByKey", partitions);
}

inline std::map<std::string, std::int64_t> counts(const Fleet& fleet, std::uint32_t output = 0) {
  std::map<std::string, std::int64_t> all;
  for (const auto& [partition, records] : fleet.results<Count>(output)) {
    for (const auto& [word, n] : records) EXPECT_TRUE(all.emplace(word, n).second) << word << " came twice";
  }
  return all;
}

}  // namespace sluice::executor::testing
