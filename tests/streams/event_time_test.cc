// Windows of event time: tumbling, sliding, sessions; lateness; watermarks by source partition; faults.
#include "sluice/event_time.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

using sluice::Duration;
using sluice::EventTimeSessionWindows;
using sluice::EventWindow;
using sluice::Milliseconds;
using sluice::Seconds;
using sluice::SlidingEventTimeWindows;
using sluice::Time;
using sluice::TumblingEventTimeWindows;
using sluice::WatermarkStrategy;
using sluice::testing::Batches;
using sluice::testing::expectBatches;
using sluice::testing::How;
using sluice::testing::Midway;
using sluice::testing::errorOf;
using sluice::testing::partitions;

// A record carries its second of event time; keys are text.
struct Reading {
  int second = 0, value = 0;
  SLUICE_FIELDS(Reading, second, value)
};
using In = std::pair<std::string, Reading>;
using Sum = std::pair<std::string, std::pair<EventWindow, int>>;
using Late = std::pair<Time, In>;

In at(int second, int value = 1, const char* key = "a") { return {key, {second, value}}; }
Sum sum(int from, int to, int value, const char* key = "a") { return {key, {{Time(from * 1000), Time(to * 1000)}, value}}; }

How everywhere(std::vector<Midway> midway = {Midway::kNothing}) {
  How how;
  how.checkpoint = true;
  how.midway = std::move(midway);
  return how;
}

WatermarkStrategy bound(int seconds) { return WatermarkStrategy::boundedOutOfOrderness(Seconds(seconds)).withIdleness({}); }

template <class Stream> auto timed(Stream s, const WatermarkStrategy& watermarks) {
  return s.assignTimestamps([](const auto& record) { return Time(record.second.second * 1000); }, watermarks);
}
template <class Windowed> auto summed(Windowed windowed) {
  return windowed.combineByKey([](const Reading& r) { return r.value; }, [](int a, const Reading& r) { return a + r.value; }, [](int a, int b) { return a + b; }, 2);
}

TEST(EventTime, TumblingWindowsFireWhenTheWatermarkPassesTheirEnd) {
  expectBatches<In, Sum>({{at(1), at(4)}, {at(3), at(11)}, {at(12), at(21)}, {}, {at(35)}},
                         [](auto s) { return summed(timed(s, bound(0)).window(TumblingEventTimeWindows(Seconds(10)))).results(); },
                         {{}, {sum(0, 10, 3)}, {sum(10, 20, 2)}, {}, {sum(20, 30, 1)}},
                         everywhere({Midway::kNothing, Midway::kExecutorLoss, Midway::kRestore}));
}

TEST(EventTime, TheBoundHoldsTheWatermarkBack) {
  expectBatches<In, Sum>({{at(1), at(14)}, {at(9)}, {at(15)}},
                         [](auto s) { return summed(timed(s, bound(5)).window(TumblingEventTimeWindows(Seconds(10)))).results(); },
                         {{}, {}, {sum(0, 10, 2)}}, everywhere());
}

TEST(EventTime, LateRecordsComeOutBeside) {
  Batches<In> in{{at(1), at(11)}, {at(2), at(12)}, {at(3, 7)}};
  expectBatches<In, Sum>(in, [](auto s) { return summed(timed(s, bound(0)).window(TumblingEventTimeWindows(Seconds(10)))).results(); },
                         {{sum(0, 10, 1)}, {}, {}}, everywhere());
  expectBatches<In, Late>(in, [](auto s) { return summed(timed(s, bound(0)).window(TumblingEventTimeWindows(Seconds(10)))).late(); },
                          {{}, {{Time(2000), at(2)}}, {{Time(3000), at(3, 7)}}}, everywhere({Midway::kNothing, Midway::kRestore}));
}

TEST(EventTime, ARecordIsNotLateForWhatCameInItsOwnBatch) {
  expectBatches<In, Sum>({{at(25), at(1), at(12)}}, [](auto s) { return summed(timed(s, bound(0)).window(TumblingEventTimeWindows(Seconds(10)))).results(); },
                         {{sum(0, 10, 1), sum(10, 20, 1)}}, everywhere());
}

TEST(EventTime, AllowedLatenessGivesTheWindowAgain) {
  Batches<In> in{{at(1), at(11)}, {at(2)}, {at(16), at(3)}, {at(4)}};
  auto windowed = [](auto s) { return summed(timed(s, bound(0)).window(TumblingEventTimeWindows(Seconds(10))).allowedLateness(Seconds(5))); };
  expectBatches<In, Sum>(in, [=](auto s) { return windowed(s).results(); }, {{sum(0, 10, 1)}, {sum(0, 10, 2)}, {sum(0, 10, 3)}, {}},
                         everywhere({Midway::kNothing, Midway::kExecutorLoss, Midway::kRestore}));
  expectBatches<In, Late>(in, [=](auto s) { return windowed(s).late(); }, {{}, {}, {}, {{Time(4000), at(4)}}}, everywhere());
}

TEST(EventTime, SlidingWindowsOverlap) {
  expectBatches<In, Sum>({{at(1), at(7)}, {at(21)}},
                         [](auto s) { return summed(timed(s, bound(0)).window(SlidingEventTimeWindows(Seconds(10), Seconds(5)))).results(); },
                         {{sum(-5, 5, 1)}, {sum(0, 10, 2), sum(5, 15, 1)}}, everywhere());
}

TEST(EventTime, SlidesLongerThanTheWindowLeaveGaps) {
  Batches<In> in{{at(1), at(7), at(12)}, {at(31)}};
  auto windowed = [](auto s) { return summed(timed(s, bound(0)).window(SlidingEventTimeWindows(Seconds(5), Seconds(10)))); };
  expectBatches<In, Sum>(in, [=](auto s) { return windowed(s).results(); }, {{sum(0, 5, 1)}, {sum(10, 15, 1)}}, everywhere());
}

TEST(EventTime, SessionsMergeAndClose) {
  Batches<In> in{{at(1), at(3)}, {at(9), at(6)}, {at(9, 1, "b")}, {at(30)}, {at(60)}};
  // 1 and 3 are one session [1, 8) with a gap of 5; 6 joins it to [1, 11), 9 makes that [1, 14).
  expectBatches<In, Sum>(in, [](auto s) { return summed(timed(s, bound(0)).window(EventTimeSessionWindows(Seconds(5)))).results(); },
                         {{}, {}, {}, {sum(1, 14, 4), sum(9, 14, 1, "b")}, {sum(30, 35, 1)}},
                         everywhere({Midway::kNothing, Midway::kExecutorLoss, Midway::kRestore}));
}

TEST(EventTime, ALateRecordJoinsTwoSessions) {
  Batches<In> in{{at(1), at(11)}, {at(20)}, {at(6)}, {at(60)}};
  expectBatches<In, Sum>(in, [](auto s) { return summed(timed(s, bound(0)).window(EventTimeSessionWindows(Seconds(6))).allowedLateness(Seconds(30))).results(); },
                         {{sum(1, 7, 1)}, {sum(11, 17, 1)}, {sum(1, 17, 3)}, {sum(20, 26, 1)}}, everywhere());
}

TEST(EventTime, TheSlowestSourcePartitionHoldsTheWatermark) {
  Batches<In> in{partitions<In>({{at(1)}, {at(2, 1, "b")}}), partitions<In>({{at(11)}, {at(5, 1, "b")}}), partitions<In>({{at(12)}, {at(15, 1, "b")}})};
  expectBatches<In, Sum>(in, [](auto s) { return summed(timed(s, bound(0)).window(TumblingEventTimeWindows(Seconds(10)))).results(); },
                         {{}, {}, {sum(0, 10, 1), sum(0, 10, 2, "b")}}, everywhere({Midway::kNothing, Midway::kRestore}));
}

TEST(EventTime, AnIdleSourcePartitionDoesNotHoldItForever) {
  Batches<In> in{partitions<In>({{at(1)}, {at(2, 1, "b")}}), partitions<In>({{at(11)}, {}}), partitions<In>({{at(12)}, {}}), partitions<In>({{at(13)}, {}})};
  auto with = [](const WatermarkStrategy& watermarks) {
    return [watermarks](auto s) { return summed(timed(s, watermarks).window(TumblingEventTimeWindows(Seconds(10)))).results(); };
  };
  expectBatches<In, Sum>(in, with(bound(0)), {{}, {}, {}, {}}, everywhere());
  expectBatches<In, Sum>(in, with(bound(0).withIdleness(Seconds(2))), {{}, {}, {}, {sum(0, 10, 1), sum(0, 10, 1, "b")}}, everywhere());
}

TEST(EventTime, TwoSourcesHaveAWatermarkOfTheirOwn) {
  // A union: the second stream is behind.
  sluice::testing::Cluster cluster(sluice::testing::Shape::kLocal4);
  cluster.streaming().checkpoint(sluice::testing::temporaryDirectory());
  auto fast = cluster.input<In>({{at(1)}, {at(25)}, {at(26)}});
  auto slow = cluster.input<In>({{at(3)}, {at(4)}, {at(12)}});
  auto got = cluster.collect(summed(timed(fast.union_(slow), bound(0)).window(TumblingEventTimeWindows(Seconds(10)))).results());
  cluster.runBatches(3);
  EXPECT_TRUE((*got)[0].records().empty());
  EXPECT_TRUE((*got)[1].records().empty());
  auto last = (*got)[2].records();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0], sum(0, 10, 3));
}

TEST(EventTime, ReduceGroupAndCount) {
  using Number = std::pair<std::string, std::int64_t>;
  auto windowed = [](auto s) {
    return s.assignTimestamps([](const Number& n) { return Time(n.second * 1000); }, WatermarkStrategy::monotonousTimestamps())
        .window(TumblingEventTimeWindows(Seconds(10)));
  };
  Batches<Number> in{{{"a", 1}, {"a", 2}, {"b", 3}}, {{"a", 15}}};
  EventWindow first{Time(0), Time(10'000)};
  expectBatches<Number, std::pair<std::string, std::pair<EventWindow, std::int64_t>>>(
      in, [=](auto s) { return windowed(s).reduceByKey(std::plus<>()).results(); }, {{}, {{"a", {first, 3}}, {"b", {first, 3}}}}, everywhere());
  expectBatches<Number, std::pair<std::string, std::pair<EventWindow, std::int64_t>>>(
      in, [=](auto s) { return windowed(s).countByKey().results(); }, {{}, {{"a", {first, 2}}, {"b", {first, 1}}}}, everywhere());
  expectBatches<Number, std::pair<std::string, std::pair<EventWindow, std::vector<std::int64_t>>>>(
      in, [=](auto s) { return windowed(s).groupByKey().results(); }, {{}, {{"a", {first, {1, 2}}}, {"b", {first, {3}}}}}, everywhere());
  expectBatches<Number, std::pair<std::string, std::pair<EventWindow, double>>>(
      in, [=](auto s) { return windowed(s).aggregateByKey(0.5, [](double a, std::int64_t v) { return a + double(v); }, std::plus<>()).results(); },
      {{}, {{"a", {first, 3.5}}, {"b", {first, 3.5}}}}, everywhere());
}

TEST(EventTime, TextKeysMayBeViews) {
  expectBatches<std::string_view, std::pair<std::string, std::pair<EventWindow, int>>>(
      {{"a", "bb"}, {"ccccccccccc"}},
      [](auto s) {
        auto pairs = s.map([](std::string_view word) { return std::pair(word.substr(0, 1), int(word.size())); });
        return pairs.assignTimestamps([](const std::pair<std::string_view, int>& p) { return Time(p.second * 1000); }, WatermarkStrategy::monotonousTimestamps())
            .window(TumblingEventTimeWindows(Seconds(10)))
            .reduceByKey(std::plus<>())
            .results();
      },
      {{}, {sum(0, 10, 1, "a"), sum(0, 10, 2, "b")}}, everywhere());
}

TEST(EventTime, DurationsAreChecked) {
  EXPECT_NE(errorOf([] { TumblingEventTimeWindows(Seconds(0)); }).find("the size is 0 ms; it must be above 0"), std::string::npos);
  EXPECT_NE(errorOf([] { SlidingEventTimeWindows(Seconds(1), Seconds(-1)); }).find("the slide is -1000 ms; it must be above 0"), std::string::npos);
  EXPECT_NE(errorOf([] { EventTimeSessionWindows(Seconds(0)); }).find("the gap is 0 ms"), std::string::npos);
  EXPECT_NE(errorOf([] { WatermarkStrategy::boundedOutOfOrderness(Seconds(-1)); }).find("cannot be below 0"), std::string::npos);
}

}  // namespace
