// Windows at their edges: partial ones, slides of their own, windows of windows, batches without a value; naive and inverse forms beside
// each other.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/streams/everywhere.h"

namespace {

using sluice::Milliseconds;
using sluice::Seconds;
using sluice::testing::Batches;
using sluice::testing::Cluster;
using sluice::testing::adviceOf;
using sluice::testing::expectBatches;
using sluice::testing::How;
using sluice::testing::Midway;
using sluice::testing::noRdd;
using sluice::testing::Shape;
using Count = std::pair<std::string, int>;

How everyShape() { return {.checkpoint = true}; }
// Restores are of tests of state: a window that reaches back before the checkpoint begins anew.
How andFaults() {
  How how;
  how.checkpoint = true;
  how.shapes = {Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};
  how.midway = {Midway::kNothing, Midway::kExecutorLoss};
  return how;
}

const Batches<int> kSix{{0}, {1}, {2}, {3}, {4}, {5}};

TEST(WindowEdges, LongerThanTheStreamIsOld) {
  expectBatches<int, int>(kSix, [](auto s) { return s.window(Seconds(60)); }, {{0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4, 5}}, andFaults());
}

TEST(WindowEdges, OverlappingWithASlideOfTwo) {
  expectBatches<int, int>(kSix, [](auto s) { return s.window(Seconds(3), Seconds(2)); }, {noRdd, {0, 1}, noRdd, {1, 2, 3}, noRdd, {3, 4, 5}}, andFaults());
}

// Spark's own example: a window of 2 every 3 drops the first of each three.
TEST(WindowEdges, SlideLongerThanTheWindow) {
  expectBatches<int, int>(kSix, [](auto s) { return s.window(Seconds(2), Seconds(3)); }, {noRdd, noRdd, {1, 2}, noRdd, noRdd, {4, 5}}, andFaults());
  expectBatches<int, int>(kSix, [](auto s) { return s.window(Seconds(1), Seconds(4)); }, {noRdd, noRdd, noRdd, {3}, noRdd, noRdd}, everyShape());
}

TEST(WindowEdges, OverAStreamWithASlideOfItsOwn) {
  // Pairs of batches, two pairs at a time.
  expectBatches<int, int>(kSix, [](auto s) { return s.window(Seconds(2), Seconds(2)).window(Seconds(4)); }, {noRdd, {0, 1}, noRdd, {0, 1, 2, 3}, noRdd, {2, 3, 4, 5}}, andFaults());
  // Overlapping windows of overlapping windows: a batch is in several.
  expectBatches<int, int>(kSix, [](auto s) { return s.window(Seconds(2)).window(Seconds(2), Seconds(2)); }, {noRdd, {0, 0, 1}, noRdd, {1, 2, 2, 3}, noRdd, {3, 4, 4, 5}}, everyShape());
  auto counted = [](auto s) { return s.window(Seconds(2), Seconds(2)).countByWindow(Seconds(4)); };
  expectBatches<int, std::int64_t>({{0, 0}, {1}, {}, {3}, {}, {}}, counted, {noRdd, {3}, noRdd, {4}, noRdd, {1}}, andFaults());
}

TEST(WindowEdges, BatchesWithoutAValue) {
  expectBatches<int, int>({noRdd, {1}, noRdd, noRdd, {4}, {5}}, [](auto s) { return s.window(Seconds(2)); }, {noRdd, {1}, {1}, noRdd, {4}, {4, 5}}, everyShape());
}

const Batches<Count> kWords{{{"a", 1}}, {{"a", 1}, {"b", 1}}, {}, {{"b", 2}}, {}, {{"c", 1}, {"a", 4}}, {}, {}};

// The forms with an inverse give what the naive one gives, once keys that came to nothing are filtered out.
TEST(WindowEdges, InverseEqualsNaiveForEverySlide) {
  for (int length : {1, 2, 3, 5}) {
    for (int slide : {1, 2, 3}) {
      SCOPED_TRACE(std::to_string(length) + " every " + std::to_string(slide));
      Batches<Count> want;
      for (int t = 1; t <= 8; ++t) {
        if (t % slide != 0) {
          want.push_back(noRdd);
          continue;
        }
        std::map<std::string, int> sums;
        for (int i = std::max(t - length, 0); i < t; ++i)
          for (const auto& [word, n] : kWords[std::size_t(i)].records()) sums[word] += n;
        want.push_back(std::vector<Count>(sums.begin(), sums.end()));
      }
      How how;
      how.checkpoint = true;
      how.shapes = {Shape::kLocal4, Shape::kSimulated};
      auto naive = [=](auto s) { return s.reduceByKeyAndWindow(std::plus<>(), Seconds(length), Seconds(slide)); };
      auto inverse = [=](auto s) {
        return s.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(length), Seconds(slide), 0, [](const Count& p) { return p.second != 0; });
      };
      expectBatches<Count, Count>(kWords, naive, want, how);
      expectBatches<Count, Count>(kWords, inverse, want, how);
    }
  }
}

TEST(WindowEdges, CountByValueAndWindowForgetsWhatHasLeft) {
  using Out = std::pair<std::string, std::int64_t>;
  expectBatches<std::string, Out>({{"a"}, {"b", "a"}, {}, {}, {"b"}}, [](auto s) { return s.countByValueAndWindow(Seconds(2), Seconds(1)); },
                                  {{{"a", 1}}, {{"a", 2}, {"b", 1}}, {{"a", 1}, {"b", 1}}, {}, {{"b", 1}}}, andFaults());
}

TEST(WindowEdges, ReduceByWindow) {
  expectBatches<int, int>({{1, 2}, {3}, {}, {}, {4}}, [](auto s) { return s.reduceByWindow(std::plus<>(), Seconds(2), Seconds(1)); }, {{3}, {6}, {3}, {}, {4}}, everyShape());
  expectBatches<int, int>({{1, 2}, {3}, {}, {}, {4}}, [](auto s) { return s.reduceByWindow(std::plus<>(), std::minus<>(), Seconds(2), Seconds(1)); },
                          {{3}, {6}, {3}, {0}, {4}}, andFaults());
}

TEST(WindowEdges, GroupByKeyAndWindowKeepsTheOrder) {
  using Out = std::pair<std::string, std::vector<int>>;
  expectBatches<Count, Out>({{{"a", 1}}, {{"a", 2}, {"b", 3}}, {{"a", 4}}, {}}, [](auto s) { return s.groupByKeyAndWindow(Seconds(2), Seconds(1)); },
                            {{{"a", {1}}}, {{"a", {1, 2}}, {"b", {3}}}, {{"a", {2, 4}}, {"b", {3}}}, {{"a", {4}}}}, andFaults());
}

TEST(WindowEdges, JoinsOfWindows) {
  using Out = std::pair<std::string, std::pair<int, int>>;
  expectBatches<Count, Out>({{{"a", 1}}, {{"b", 2}}, {{"a", 3}}, {}},
                            [](auto s) { return s.window(Seconds(2)).join(s.mapValues([](int v) { return v * 10; })); },
                            {{{"a", {1, 10}}}, {{"b", {2, 20}}}, {{"a", {3, 30}}}, {}}, everyShape());
}

// What was said of the window is meant of its batches; they are kept anyway.
TEST(WindowEdges, PersistIsForTheParent) {
  Cluster cluster(Shape::kLocal4);
  auto in = cluster.input<int>({{1}, {2}});
  auto window = in.window(Seconds(2));
  EXPECT_EQ(in.getStorageLevel(), sluice::StorageLevel::MEMORY_AND_DISK);
  window.persist(sluice::StorageLevel::MEMORY_ONLY);
  EXPECT_EQ(window.getStorageLevel(), sluice::StorageLevel::NONE);
  EXPECT_EQ(in.getStorageLevel(), sluice::StorageLevel::MEMORY_ONLY);
  auto got = cluster.collect(window);
  cluster.runBatches(2);
  EXPECT_EQ(got->at(1).records(), (std::vector<int>{1, 2}));
}

TEST(WindowEdges, BothDurationsMustBeMultiples) {
  Cluster cluster(Shape::kLocal1, Seconds(2));
  auto in = cluster.input<int>({{1}});
  auto pairs = in.map([](int x) { return std::pair(x, 1); });
  EXPECT_EQ(adviceOf([&] { in.window(Seconds(3)); }), "window: the window (3000 ms) must be a multiple of the slide of its input (2000 ms) and above 0");
  EXPECT_EQ(adviceOf([&] { in.window(Seconds(4), Seconds(3)); }), "window: the slide (3000 ms) must be a multiple of the slide of its input (2000 ms) and above 0");
  EXPECT_EQ(adviceOf([&] { in.window(Seconds(0)); }), "window: the window (0 ms) must be a multiple of the slide of its input (2000 ms) and above 0");
  EXPECT_EQ(adviceOf([&] { in.window(Seconds(-2)); }), "window: the window (-2000 ms) must be a multiple of the slide of its input (2000 ms) and above 0");
  EXPECT_EQ(adviceOf([&] { in.window(Seconds(4), Seconds(4)).window(Seconds(6)); }), "window: the window (6000 ms) must be a multiple of the slide of its input (4000 ms) and above 0");
  EXPECT_EQ(adviceOf([&] { pairs.reduceByKeyAndWindow(std::plus<>(), Seconds(4), Seconds(1)); }).find("reduceByKeyAndWindow: the slide (1000 ms)"), 0u);
  EXPECT_EQ(adviceOf([&] { pairs.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(5)); }).find("reduceByKeyAndWindow: the window (5000 ms"), 0u);
  EXPECT_EQ(adviceOf([&] { pairs.groupByKeyAndWindow(Seconds(5)); }).find("groupByKeyAndWindow: the window (5000 ms"), 0u);
  EXPECT_NE(adviceOf([&] { in.countByWindow(Seconds(5)); }).find("the window (5000 ms) must be a multiple of the slide"), std::string::npos);
  EXPECT_EQ(adviceOf([&] { in.union_(in.window(Seconds(4), Seconds(4))); }), "the DStreams have different slides (2000 ms and 4000 ms)");
  EXPECT_EQ(adviceOf([&] { pairs.join(pairs.window(Seconds(4), Seconds(4))); }), "the DStreams have different slides (2000 ms and 4000 ms); bring them together with window");
}

TEST(WindowEdges, InverseFormsNeedACheckpointDirectory) {
  auto startWith = [](auto define) {
    Cluster cluster(Shape::kLocal1);
    cluster.collect(define(cluster.input<Count>({{{"a", 1}}})));
    return adviceOf([&] { cluster.runBatches(1); });
  };
  const std::string needed = "keeps state, which needs a checkpoint directory; set it with StreamingContext::checkpoint(directory)";
  auto ends = [&](const std::string& text) { return text.size() >= needed.size() && text.substr(text.size() - needed.size()) == needed; };
  EXPECT_TRUE(ends(startWith([](auto s) { return s.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(2)); })));
  EXPECT_TRUE(ends(startWith([](auto s) { return s.countByWindow(Seconds(2)); })));
  EXPECT_TRUE(ends(startWith([](auto s) { return s.countByValueAndWindow(Seconds(2)); })));
  EXPECT_EQ(startWith([](auto s) { return s.reduceByKeyAndWindow(std::plus<>(), Seconds(2)); }), "");
  EXPECT_EQ(startWith([](auto s) { return s.groupByKeyAndWindow(Seconds(2)); }), "");
}

}  // namespace
