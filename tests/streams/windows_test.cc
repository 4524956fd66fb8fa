// Windows: partial first ones, slides, inverses; the same tables as Spark's own suite has in spirit.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "sluice/testing.h"

namespace {

using sluice::Seconds;
using sluice::testing::Cluster;
using sluice::testing::expectBatches;
using sluice::testing::noRdd;
using sluice::testing::Shape;
using Count = std::pair<std::string, int>;

sluice::testing::How everywhere() { return {.checkpoint = true}; }

TEST(Windows, FirstOnesArePartial) {
  expectBatches<int, int>({{0}, {1}, {2}, {3}, {4}, {5}}, [](auto s) { return s.window(Seconds(3), Seconds(1)); },
                          {{0}, {0, 1}, {0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}}, everywhere());
}

TEST(Windows, Tumbling) {
  expectBatches<int, int>({{0}, {1}, {2}, {3}, {4}, {5}}, [](auto s) { return s.window(Seconds(2), Seconds(2)); },
                          {noRdd, {0, 1}, noRdd, {2, 3}, noRdd, {4, 5}}, everywhere());
}

TEST(Windows, SlideLongerThanWindowDropsData) {
  expectBatches<int, int>({{0}, {1}, {2}, {3}, {4}, {5}}, [](auto s) { return s.window(Seconds(2), Seconds(3)); },
                          {noRdd, noRdd, {1, 2}, noRdd, noRdd, {4, 5}}, everywhere());
}

TEST(Windows, BatchesWithoutValueAreLeftOut) {
  expectBatches<int, int>({{0}, noRdd, {2}, {3}}, [](auto s) { return s.window(Seconds(2), Seconds(1)); }, {{0}, {0}, {2}, {2, 3}}, everywhere());
}

TEST(Windows, ReduceByKeyAndWindow) {
  expectBatches<Count, Count>({{{"a", 1}}, {{"a", 1}, {"b", 1}}, {}, {{"b", 2}}, {}},
                              [](auto s) { return s.reduceByKeyAndWindow(std::plus<>(), Seconds(2), Seconds(1)); },
                              {{{"a", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 1}, {"b", 1}}, {{"b", 2}}, {{"b", 2}}}, everywhere());
}

// Without a filter a key never goes; with one it goes when its count does.
TEST(Windows, InverseKeepsKeysWithoutFilter) {
  auto op = [](auto s) {
    return s.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(2), Seconds(1));
  };
  expectBatches<Count, Count>({{{"a", 1}}, {{"a", 1}, {"b", 1}}, {}, {{"b", 2}}, {}}, op,
                              {{{"a", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 1}, {"b", 1}}, {{"a", 0}, {"b", 2}}, {{"a", 0}, {"b", 2}}}, everywhere());
}

TEST(Windows, InverseWithFilterEqualsNaive) {
  auto op = [](auto s) {
    return s.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(3), Seconds(1), 0, [](const Count& p) { return p.second != 0; });
  };
  expectBatches<Count, Count>({{{"a", 1}}, {{"a", 1}, {"b", 1}}, {}, {{"b", 2}}, {}, {}, {}}, op,
                              {{{"a", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 1}, {"b", 3}}, {{"b", 2}}, {{"b", 2}}, {}}, everywhere());
}

// Each batch of such a stream lies in partitions of its own.
TEST(Windows, OfWhatTheDriverMakesAnewForEachBatch) {
  auto op = [](auto s) {
    return s.transform([](const sluice::RDD<int>& rdd, sluice::Time t) { return rdd.repartition(1 + int(t.milliseconds() / 1000 % 3)); }).window(Seconds(3), Seconds(1));
  };
  expectBatches<int, int>({{0, 1, 2}, {3}, {}, {4, 5}, noRdd, {6}}, op,
                          {{0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3}, {3, 4, 5}, {4, 5}, {4, 5, 6}}, everywhere());
}

TEST(Windows, CountByWindow) {
  auto op = [](auto s) {
    return s.countByWindow(Seconds(2), Seconds(1));
  };
  expectBatches<int, std::int64_t>({{1, 2}, {3}, {}, {}}, op, {{2}, {3}, {1}, {0}}, everywhere());
}

TEST(Windows, LengthMustBeAMultiple) {
  Cluster cluster(Shape::kLocal1, Seconds(2));
  auto in = cluster.input<int>({{1}});
  try {
    in.window(Seconds(3));
    FAIL() << "a window of 3 s over batches of 2 s was accepted";
  } catch (const sluice::Error& error) {
    EXPECT_EQ(error.kind(), sluice::ErrorKind::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("multiple"), std::string::npos) << error.what();
  }
}

}  // namespace
