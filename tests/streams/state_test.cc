// updateStateByKey: every known key each batch; kept through losses and restarts.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

using sluice::testing::Batches;
using sluice::testing::expectBatches;
using sluice::testing::Midway;
using sluice::testing::noRdd;
using Count = std::pair<std::string, int>;

constexpr auto running = [](auto s) {
  return s.map([](const std::string& w) { return std::pair(w, 1); })
      .updateStateByKey([](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
        int sum = state.value_or(0);
        for (int x : added) sum += x;
        return sum;
      });
};

const Batches<std::string> kIn = {{"a"}, {"a", "b"}, {}, {"a", "c"}, noRdd, {"b"}};
const Batches<Count> kWant = {{{"a", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 3}, {"b", 1}, {"c", 1}},
                              {{"a", 3}, {"b", 1}, {"c", 1}}, {{"a", 3}, {"b", 2}, {"c", 1}}};

TEST(State, EveryKeyEveryBatch) { expectBatches<std::string, Count>(kIn, running, kWant, {.checkpoint = true}); }

TEST(State, SurvivesTheLossOfAnExecutor) {
  expectBatches<std::string, Count>(kIn, running, kWant, {.midway = {Midway::kExecutorLoss}, .checkpoint = true});
}

TEST(State, IsRestoredByANewContext) {
  expectBatches<std::string, Count>(kIn, running, kWant, {.midway = {Midway::kRestore}, .checkpoint = true});
}

TEST(State, NoneRemovesTheKey) {
  auto op = [](auto s) {
    return s.map([](const std::string& w) { return std::pair(w, 1); })
        .updateStateByKey([](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
          if (added.empty()) return std::nullopt;
          return state.value_or(0) + int(added.size());
        });
  };
  expectBatches<std::string, Count>({{"a", "b"}, {"a"}, {}, {"b"}}, op, {{{"a", 1}, {"b", 1}}, {{"a", 2}}, {}, {{"b", 1}}}, {.checkpoint = true});
}

TEST(State, NeedsACheckpointDirectory) {
  sluice::testing::Cluster cluster(sluice::testing::Shape::kLocal1);
  auto in = cluster.input<std::string>({{"a"}});
  auto counts = in.map([](const std::string& w) { return std::pair(w, 1); })
                    .updateStateByKey([](const std::vector<int>& added, const std::optional<int>&) { return std::optional<int>(int(added.size())); });
  auto got = cluster.collect(counts);
  try {
    cluster.runBatches(1);
    FAIL() << "started without a checkpoint directory";
  } catch (const sluice::Error& error) {
    EXPECT_NE(std::string(error.what()).find("checkpoint"), std::string::npos) << error.what();
  }
}

}  // namespace
