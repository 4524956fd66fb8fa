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

TEST(State, BeginsEmptyAlsoWithoutAnRdd) {
  expectBatches<std::string, Count>({noRdd, {}, {"a"}, noRdd}, running, {{}, {}, {{"a", 1}}, {{"a", 1}}}, {.checkpoint = true});
}

// Its input lies by key already, so there is no exchange below it whose reducers would say in how many partitions it lies.
TEST(State, GoesOnWithoutAnRddOfWhatLiesByKey) {
  auto op = [](auto s) {
    return s.map([](const std::string& w) { return std::pair(w, 1); })
        .reduceByKey([](int a, int b) { return a + b; }, 3)
        .updateStateByKey([](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
          return state.value_or(0) + (added.empty() ? 0 : added.front());
        }, 3);
  };
  expectBatches<std::string, Count>({{"a", "a"}, noRdd, {"b"}, noRdd, noRdd, {"a"}}, op,
                                    {{{"a", 2}}, {{"a", 2}}, {{"a", 2}, {"b", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 3}, {"b", 1}}},
                                    {.checkpoint = true});
}

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

TEST(State, WithTheBatchsTimeAndTheKey) {
  auto op = [](auto s) {
    return s.map([](const std::string& w) { return std::pair(w, 1); })
        .updateStateByKey([](sluice::Time t, const std::string& key, const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
          if (key == "gone" && added.empty()) return std::nullopt;
          return state.value_or(t.milliseconds() % 1000 == 0 ? 100 : 0) + int(added.size());
        });
  };
  expectBatches<std::string, Count>({{"a", "gone"}, {"a"}, {}}, op, {{{"a", 101}, {"gone", 101}}, {{"a", 102}}, {{"a", 102}}},
                                    {.midway = {Midway::kNothing, Midway::kRestore}, .checkpoint = true});
}

TEST(State, ByPartition) {
  auto op = [](auto s) {
    return s.map([](const std::string& w) { return std::pair(w, 1); })
        .template updateStateByPartition<int>([](sluice::Iterator<sluice::KeyedUpdate<std::string, int, int>>& updates) {
          std::vector<Count> kept;
          for (auto& [key, values, state] : updates) {
            int sum = state.value_or(0) + int(values.size());
            if (sum < 3) kept.emplace_back(key, sum);
          }
          return kept;
        });
  };
  expectBatches<std::string, Count>({{"a"}, {"a", "b"}, {"a"}, {"b", "a"}}, op, {{{"a", 1}}, {{"a", 2}, {"b", 1}}, {{"b", 1}}, {{"a", 1}, {"b", 2}}},
                                    {.midway = {Midway::kNothing, Midway::kExecutorLoss, Midway::kRestore}, .checkpoint = true});
}

TEST(State, BeginsWithAnRdd) {
  using sluice::testing::Cluster;
  using sluice::testing::Shape;
  auto sum = [](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> { return state.value_or(0) + int(added.size()); };
  auto byPartition = [](sluice::Iterator<sluice::KeyedUpdate<std::string, int, int>>& updates) {
    std::vector<Count> kept;
    for (auto& [key, values, state] : updates) kept.emplace_back(key, state.value_or(0) + int(values.size()));
    return kept;
  };
  for (Shape shape : {Shape::kLocal1, Shape::kSimulated, Shape::kInProcess}) {
    for (bool partitions : {false, true}) {
      SCOPED_TRACE(nameOf(shape));
      std::string directory = sluice::testing::temporaryDirectory();
      std::shared_ptr<const Batches<Count>> got;
      auto define = [&](Cluster& c) {
        c.streaming().checkpoint(directory);
        auto initial = c.streaming().context().parallelize(std::vector<Count>{{"a", 10}, {"z", 1}}, 2);
        auto words = c.input<std::string>({{"a"}, {"b"}, {}, {"a"}}).map([](const std::string& w) { return std::pair(w, 1); });
        got = c.collect(partitions ? words.updateStateByPartition<int>(byPartition, 2, true, initial) : words.updateStateByKey(sum, 2, initial));
      };
      Cluster cluster(shape);
      define(cluster);
      cluster.runBatches(2);
      sluice::testing::expectEqual<Count>(*got, {{{"a", 11}, {"z", 1}}, {{"a", 11}, {"b", 1}, {"z", 1}}}, false, "before");
      cluster.stopAndRestore(define);
      cluster.runBatches(2);
      sluice::testing::expectEqual<Count>(*got, {{{"a", 11}, {"b", 1}, {"z", 1}}, {{"a", 12}, {"b", 1}, {"z", 1}}}, false, "after");
    }
  }
}

auto sums(sluice::testing::Cluster& c, const std::string& directory, int partitions, const std::string& uid) {
  c.streaming().checkpoint(directory);
  auto words = c.input<std::string>({{"a", "b", "c", "d", "e"}, {"a"}, {}, {"b"}}).map([](const std::string& w) { return std::pair(w, 1); });
  return c.collect(words.updateStateByKey([](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
    return state.value_or(0) + int(added.size());
  }, partitions).uid(uid));
}

// Keys would lie elsewhere.
TEST(State, OfAnotherNumberOfPartitionsIsNotRestored) {
  using sluice::testing::Cluster;
  using sluice::testing::Shape;
  for (Shape shape : {Shape::kLocal1, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    std::string directory = sluice::testing::temporaryDirectory();
    std::string error;
    Cluster cluster(shape);
    sums(cluster, directory, 2, "sums");
    cluster.runBatches(2);
    try {
      cluster.stopAndRestore([&](Cluster& c) { sums(c, directory, 5, "sums"); });
      cluster.runBatches(1);
    } catch (const sluice::Error& e) {
      error = e.what();
    }
    EXPECT_NE(error.find("the checkpoint's state sums lies in 2 partitions, and the application's in 5; name the number that there was, or use another checkpoint directory"),
              std::string::npos) << error;
  }
}

TEST(State, ThatTheApplicationDoesNotHaveIsNotDropped) {
  using sluice::testing::Cluster;
  std::string directory = sluice::testing::temporaryDirectory(), error;
  Cluster cluster(sluice::testing::Shape::kLocal1);
  sums(cluster, directory, 2, "sums");
  cluster.runBatches(1);
  try {
    cluster.stopAndRestore([&](Cluster& c) { sums(c, directory, 2, "totals"); });
    cluster.runBatches(1);
  } catch (const sluice::Error& e) {
    error = e.what();
  }
  EXPECT_NE(error.find("the checkpoint holds state that this application does not have: sums; give the operation the same .uid(...), or use another checkpoint directory"),
            std::string::npos) << error;
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
