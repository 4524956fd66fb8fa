// Streams made of several, of datasets, and asked for past batches.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/streams/everywhere.h"

namespace {

using sluice::RDD;
using sluice::Seconds;
using sluice::Time;
using sluice::testing::Batches;
using sluice::testing::Cluster;
using sluice::testing::adviceOf;
using sluice::testing::expectBatches;
using sluice::testing::noRdd;
using sluice::testing::partitions;
using sluice::testing::Shape;
using sluice::testing::sorted;
using sluice::testing::upTo;
using Pair = std::pair<int, int>;

const std::vector<Shape> kShapes{Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

TEST(StreamGraph, MapPartitionsWithIndexAndGlom) {
  expectBatches<int, std::string>({partitions<int>({{1, 2}, {}, {3}}), {}},
                                  [](auto s) {
                                    return s.mapPartitionsWithIndex([](int p, sluice::Iterator<int>& in) {
                                      std::string text = std::to_string(p) + ":";
                                      for (int x : in) text += " " + std::to_string(x);
                                      return std::vector<std::string>{text};
                                    });
                                  },
                                  {partitions<std::string>({{"0: 1 2"}, {"1:"}, {"2: 3"}}), {"0:", "1:"}});
  expectBatches<int, std::vector<int>>({partitions<int>({{1, 2}, {}, {3}})}, [](auto s) { return s.glom(); }, {partitions<std::vector<int>>({{{1, 2}}, {{}}, {{3}}})});
}

TEST(StreamGraph, FlatMapValues) {
  expectBatches<Pair, Pair>({{{1, 2}, {2, 0}}, {}, noRdd}, [](auto s) { return s.flatMapValues([](int n) { return std::vector<int>(std::size_t(n), n); }); }, {{{1, 2}, {1, 2}}, {}, noRdd});
}

TEST(StreamGraph, PairOperationsWithPartitioners) {
  sluice::Partitioner<int> by(3, [](int key) { return unsigned(key) % 3; });
  auto batch = Batches<Pair>{{{0, 1}, {1, 2}, {3, 4}, {4, 5}, {0, 6}}};
  using Groups = std::pair<int, std::vector<int>>;
  expectBatches<Pair, Groups>(batch, [&](auto s) { return s.groupByKey(by); }, {partitions<Groups>({{{0, {1, 6}}, {3, {4}}}, {{1, {2}}, {4, {5}}}, {}})});
  auto create = [](int v) { return long(v); };
  auto add = [](long sum, int v) { return sum + v; };
  using Sum = std::pair<int, long>;
  for (bool mapSide : {true, false}) {
    expectBatches<Pair, Sum>(batch, [&](auto s) { return s.combineByKey(create, add, std::plus<>(), by, mapSide); },
                             {partitions<Sum>({{{0, 7}, {3, 4}}, {{1, 2}, {4, 5}}, {}})});
  }
  using Joined = std::pair<int, std::pair<int, std::optional<int>>>;
  expectBatches<Pair, Joined>(batch, [&](auto s) { return s.leftOuterJoin(s.filter([](const Pair& p) { return p.first == 4; }), by); },
                              {partitions<Joined>({{{0, {1, std::nullopt}}, {0, {6, std::nullopt}}, {3, {4, std::nullopt}}}, {{1, {2, std::nullopt}}, {4, {5, 5}}}, {}})});
  using Right = std::pair<int, std::pair<std::optional<int>, int>>;
  expectBatches<Pair, Right>({{{4, 5}}}, [&](auto s) { return s.rightOuterJoin(s.map([](const Pair& p) { return Pair(p.first - 1, p.second); }), 2); }, {{{3, {std::nullopt, 5}}}});
  using Full = std::pair<int, std::pair<std::optional<int>, std::optional<int>>>;
  expectBatches<Pair, Full>({{{4, 5}}}, [&](auto s) { return s.fullOuterJoin(s.map([](const Pair& p) { return Pair(p.first - 1, p.second); }), 2); },
                            {{{3, {std::nullopt, 5}}, {4, {5, std::nullopt}}}});
}

TEST(StreamGraph, UnionOfMany) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape);
    auto a = cluster.input<int>({{1}, {2}}), b = cluster.input<int>({{10}, noRdd}), c = cluster.input<int>({{100}, {200}});
    auto got = cluster.collect(cluster.streaming().union_(std::vector{a, b, c}));
    cluster.runBatches(2);
    EXPECT_EQ(sorted(got->at(0).records()), (std::vector<int>{1, 10, 100}));
    EXPECT_EQ(sorted(got->at(1).records()), (std::vector<int>{2, 200}));
  }
  Cluster cluster(Shape::kLocal1);
  EXPECT_EQ(adviceOf([&] { cluster.streaming().union_(std::vector<sluice::DStream<int>>{}); }), "union: the list is empty; give at least one");
}

TEST(StreamGraph, TransformOfManyStreams) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape);
    std::vector<sluice::DStream<int>> streams{cluster.input<int>({{1, 2}, {3}}), cluster.input<int>({{2}, {3, 4}}), cluster.input<int>({{2, 9}, {4}})};
    auto once = cluster.collect(cluster.streaming().transform(streams, [](const std::vector<RDD<int>>& rdds) { return rdds[0].intersection(rdds[1]) + rdds[2]; }));
    auto each = cluster.collect(cluster.streaming().transform(streams, [](const std::vector<RDD<int>>& rdds, Time t) {
      std::int64_t ms = t.milliseconds();
      return (rdds[0] + rdds[1] + rdds[2]).map([ms](int x) { return std::pair(ms, x); });
    }));
    cluster.runBatches(2);
    EXPECT_EQ(sorted(once->at(0).records()), (std::vector<int>{2, 2, 9}));
    EXPECT_EQ(sorted(once->at(1).records()), (std::vector<int>{3, 4}));
    EXPECT_EQ(each->at(0).records().size(), 5u);
    EXPECT_EQ(each->at(0).records()[0].first + 1000, each->at(1).records()[0].first);
  }
  Cluster cluster(Shape::kLocal1);
  EXPECT_EQ(adviceOf([&] { cluster.streaming().transform(std::vector<sluice::DStream<int>>{}, [](const std::vector<RDD<int>>& r) { return r[0]; }); }),
            "transform: the list of streams is empty; give at least one");
}

TEST(StreamGraph, TransformThatReturnsNothing) {
  Cluster cluster(Shape::kLocal1);
  auto in = cluster.input<int>({{1}});
  EXPECT_EQ(adviceOf([&] { in.transform([](const RDD<int>&) { return RDD<int>(); }); }), "the function returned no RDD; return an empty one");
  cluster.collect(in.transform([](const RDD<int>&, Time) { return RDD<int>(); }));
  std::string error = adviceOf([&] { cluster.runBatches(1); });
  EXPECT_NE(error.find("the function returned no RDD; return an empty one (context.emptyRDD)"), std::string::npos) << error;
}

// What is lost of an older batch is made again with what the function held then, not with what it held last.
TEST(StreamGraph, WhatTransformMadeIsMadeAgainAsItWas) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    auto in = cluster.input<int>({partitions<int>({{1}, {2}, {3}, {4}}), {5}, {6}, {7}});
    auto marked = in.transform([batch = 0](const RDD<int>& rdd, Time) mutable {
      return rdd.map(sluice::with([](int x, int batch) { return batch * 100 + x; }, ++batch));
    });
    auto window = cluster.collect(marked.window(Seconds(4)));
    cluster.runBatches(3);
    cluster.kill(1);
    cluster.runBatches(1);
    EXPECT_EQ(sorted(window->at(3).records()), (std::vector<int>{101, 102, 103, 104, 205, 306, 407}));
  }
}

TEST(StreamGraph, TransformWith) {
  using Texts = std::vector<std::string>;
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    auto numbers = cluster.input<int>({{1, 2}, {3}, noRdd});
    auto words = cluster.input<std::string>({{"a"}, {}, {"b"}});
    auto once = cluster.collect(numbers.transformWith(words, [](const RDD<int>& n, const RDD<std::string>& w) {
      return n.cartesian(w).map([](const auto& both) { return std::to_string(both.first) + both.second; });
    }));
    auto each = cluster.collect(numbers.transformWith(words, [](const RDD<int>& n, const RDD<std::string>& w, Time t) {
      auto seconds = t.milliseconds() % 1000;
      return n.map([seconds](int x) { return std::to_string(x + seconds); }) + w;
    }));
    cluster.runBatches(3);
    EXPECT_EQ(sorted(once->at(0).records()), (Texts{"1a", "2a"}));
    EXPECT_EQ(sorted(once->at(1).records()), Texts{});
    EXPECT_EQ(sorted(each->at(0).records()), (Texts{"1", "2", "a"}));
    EXPECT_EQ(sorted(each->at(1).records()), Texts{"3"});
    EXPECT_EQ(sorted(each->at(2).records()), Texts{"b"}) << "a stream without an RDD gives an empty one";
  }
  Cluster cluster(Shape::kLocal1);
  auto in = cluster.input<int>({{1}});
  auto first = [](const RDD<int>& a, const RDD<int>&) { return a; };
  auto firstOf = [](const RDD<int>& a, const RDD<int>&, Time) { return a; };
  auto slow = in.window(Seconds(2), Seconds(2));
  EXPECT_EQ(adviceOf([&] { in.transformWith(slow, first); }), "the DStreams have different slides");
  EXPECT_EQ(adviceOf([&] { in.transformWith(slow, firstOf); }), "the DStreams have different slides");
  EXPECT_EQ(adviceOf([&] { in.transformWith(in, [](const RDD<int>&, const RDD<int>&) { return RDD<int>(); }); }), "the function returned no RDD; return an empty one");
}

TEST(StreamGraph, StreamsOfTwoContextsDoNotMix) {
  Cluster cluster(Shape::kLocal1);
  auto in = cluster.input<int>({{1}});
  sluice::StreamingContext other(cluster.context(), Seconds(1));
  auto foreign = other.queueStream(sluice::RDDQueue<int>());
  const std::string said = "the DStreams belong to different contexts";
  auto pairs = [](const sluice::DStream<int>& s) { return s.map([](int x) { return std::pair(x, x); }); };
  EXPECT_EQ(adviceOf([&] { in.union_(foreign); }), said);
  EXPECT_EQ(adviceOf([&] { cluster.streaming().union_(std::vector{in, foreign}); }), said);
  EXPECT_EQ(adviceOf([&] { pairs(in).join(pairs(foreign)); }), said);
  EXPECT_EQ(adviceOf([&] { in.transformWith(foreign, [](const RDD<int>& a, const RDD<int>&) { return a; }); }), said);
  EXPECT_EQ(adviceOf([&] { cluster.streaming().transform(std::vector{in, foreign}, [](const std::vector<RDD<int>>& all, Time) { return all[0]; }); }), said);
  EXPECT_EQ(adviceOf([&] { sluice::DStream<int>().union_(in); }), "the RDD or DStream is empty (default-constructed)");
}

TEST(StreamGraph, ContextsAreAtHand) {
  Cluster cluster(Shape::kLocal1);
  auto in = cluster.input<int>({{1}});
  EXPECT_EQ(in.context().getState(), sluice::StreamingContextState::kInitialized);
  auto rdd = in.context().context().parallelize({1, 2});
  EXPECT_EQ(rdd.context().applicationId(), cluster.context().applicationId());
  EXPECT_EQ(rdd.count(), 2) << "the end of those handles stopped nothing";
  cluster.collect(in);
  cluster.runBatches(1);
  EXPECT_EQ(in.context().getState(), sluice::StreamingContextState::kActive);
}

std::atomic<int> mapped{0};  // of this process, as the executors of these shapes are

// Spark's one RDD for each stream and batch, however many outputs and children ask for it.
TEST(StreamGraph, ABatchIsMadeOnceHoweverManyReadIt) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    int asked = 0;
    mapped = 0;
    auto each = cluster.input<int>({{1, 2}, {3}}).map([](int x) {
      ++mapped;
      return x;
    }).cache().transform([&asked](const RDD<int>& rdd, Time) {
      ++asked;
      return rdd;
    });
    auto plain = cluster.collect(each), more = cluster.collect(each.map([](int x) { return x + 1; })), twice = cluster.collect(each.union_(each));
    cluster.runBatches(2);
    EXPECT_EQ(asked, 2) << "once for a batch";
    EXPECT_EQ(mapped, 3) << "what is kept is computed once";
    EXPECT_EQ(sorted(twice->at(0).records()), (std::vector<int>{1, 1, 2, 2}));
    EXPECT_EQ(more->at(1).records(), std::vector<int>{4});
  }
}

// Spark's idiom: stream.transform(rdd => rdd.join(dataset).filter(…)), with a dataset that is loaded once and kept.
TEST(StreamGraph, ADatasetJoinedInTransformIsLoadedOnce) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    mapped = 0;
    auto spam = cluster.context().parallelize(std::vector<Pair>{{1, 10}, {2, 20}, {3, 30}}, 2).map([](const Pair& p) {
      ++mapped;
      return p;
    }).cache();
    auto in = cluster.input<Pair>({{{1, 1}, {2, 2}}, {{3, 3}}, {}, {{9, 9}, {1, 4}}});
    auto keep = [&spam](const RDD<Pair>& rdd) { return rdd.join(spam).filter([](const auto& r) { return r.second.second > 10; }).mapValues([](const Pair& both) { return both.first; }); };
    auto once = cluster.collect(in.transform(keep));
    auto each = cluster.collect(in.transform([keep](const RDD<Pair>& rdd, Time) { return keep(rdd); }));
    cluster.runBatches(4);
    for (const auto& got : {once, each}) sluice::testing::expectEqual<Pair>(*got, {{{2, 2}}, {{3, 3}}, {}, {}}, false, "joined");
    EXPECT_EQ(mapped, 3) << "the dataset was computed once";
  }
}

TEST(StreamGraph, TransformOfWhatHasNoRdd) {
  expectBatches<int, int>({{1}, noRdd, {2}}, [](auto s) { return s.transform([](const RDD<int>& rdd) { return rdd.map([](int x) { return -x; }); }); }, {{-1}, noRdd, {-2}});
}

TEST(StreamGraph, CheckpointIntervalsAreChecked) {
  auto startWith = [](auto define, bool directory = true) {
    Cluster cluster(Shape::kLocal1);
    if (directory) cluster.streaming().checkpoint(sluice::testing::temporaryDirectory());
    cluster.collect(define(cluster.input<Pair>({{{1, 1}}})));
    return adviceOf([&] { cluster.runBatches(1); });
  };
  auto sums = [](auto s) { return s.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(4), Seconds(2)); };
  EXPECT_EQ(startWith([&](auto s) { return sums(s).checkpoint(Seconds(4)); }), "");
  EXPECT_EQ(startWith([&](auto s) { return sums(s).checkpoint(Seconds(3)); }), "the checkpoint interval (3000 ms) must be a multiple of the stream's slide (2000 ms)");
  EXPECT_EQ(startWith([&](auto s) { return sums(s).checkpoint(Seconds(1)); }), "the checkpoint interval (1000 ms) must be a multiple of the stream's slide (2000 ms)");
  EXPECT_EQ(adviceOf([] {
              Cluster cluster(Shape::kLocal1);
              cluster.input<int>({{1}}).checkpoint(Seconds(0));
            }), "checkpoint: the interval is 0 ms; it must be above 0");
  std::string none = startWith([](auto s) { return s.checkpoint(Seconds(1)); }, false);
  EXPECT_NE(none.find("is to be checkpointed; set the directory with StreamingContext::checkpoint(directory)"), std::string::npos) << none;
}

// The same records in each batch, without a driver's function.
TEST(StreamGraph, ConstantStream) {
  for (Shape shape : kShapes) {
    Cluster cluster(shape);
    auto words = cluster.context().parallelize(std::vector<Pair>{{1, 10}, {2, 20}}, 2);
    auto constant = cluster.streaming().constantStream(words);
    auto plain = cluster.collect(constant);
    auto joined = cluster.collect(cluster.input<Pair>({{{1, 1}}, {}, {{2, 2}}}).join(constant));
    auto windowed = cluster.collect(constant.window(Seconds(2)).count());
    cluster.runBatches(3);
    using Joined = std::pair<int, Pair>;
    for (int t = 0; t < 3; ++t) EXPECT_EQ(plain->at(std::size_t(t)).records(), (std::vector<Pair>{{1, 10}, {2, 20}}));
    EXPECT_EQ(joined->at(0).records(), (std::vector<Joined>{{1, {1, 10}}}));
    EXPECT_TRUE(joined->at(1).records().empty());
    EXPECT_EQ(joined->at(2).records(), (std::vector<Joined>{{2, {2, 20}}}));
    EXPECT_EQ(windowed->at(0).records(), std::vector<std::int64_t>{2});
    EXPECT_EQ(windowed->at(2).records(), std::vector<std::int64_t>{4});
  }
  Cluster cluster(Shape::kLocal1);
  EXPECT_EQ(adviceOf([&] { cluster.streaming().constantStream(RDD<int>()); }), "the RDD is empty (default-constructed); use an empty one (context.emptyRDD)");
}

TEST(StreamGraph, SliceGivesPastBatches) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    cluster.streaming().remember(Seconds(10));
    auto in = cluster.input<int>({{1}, {2, 3}, {}, {5}, {6}});
    auto doubled = in.map([](int x) { return 2 * x; }).repartition(2);
    std::vector<Time> times;
    std::vector<int> before;
    EXPECT_EQ(adviceOf([&] { doubled.slice(Time(0), Time(1)); }), "the DStream has not been initialized; start the StreamingContext first");
    doubled.foreachRDD([&](const RDD<int>&, Time t) {
      times.push_back(t);
      if (times.size() != 4) return;
      // In a driver's function: this batch and those before it.
      for (const auto& rdd : doubled.slice(t - Seconds(2), t)) {
        auto records = rdd.collect();
        before.insert(before.end(), records.begin(), records.end());
      }
    });
    cluster.runBatches(5);
    EXPECT_EQ(sorted(before), (std::vector<int>{4, 6, 10}));
    ASSERT_EQ(times.size(), 5u);
    auto collected = [&](Time from, Time to) {
      std::vector<std::vector<int>> all;
      for (const auto& rdd : doubled.slice(from, to)) all.push_back(sorted(rdd.collect()));
      return all;
    };
    using All = std::vector<std::vector<int>>;
    EXPECT_EQ(collected(times[0], times[4]), (All{{2}, {4, 6}, {}, {10}, {12}}));
    EXPECT_EQ(collected(times[1], times[1]), (All{{4, 6}}));
    EXPECT_EQ(collected(times[0] + Seconds(1) - sluice::Milliseconds(1), times[2] + sluice::Milliseconds(999)), (All{{2}, {4, 6}, {}})) << "both ends are floored";
    EXPECT_EQ(doubled.slice(sluice::Interval{times[0], times[2]}).size(), 3u);
    ::testing::internal::CaptureStderr();
    doubled.slice(times[0], times[0] + sluice::Milliseconds(1));
    std::string warned = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(warned.find(": " + (times[0] + sluice::Milliseconds(1)).toString() + " is no batch of the stream (its slide is 1000 ms); " + times[0].toString() + " is taken\n"), std::string::npos) << warned;
    EXPECT_EQ(collected(Time(0), times[0]), (All{{2}})) << "there is nothing before the first batch";
    EXPECT_EQ(collected(times[4], times[4] + Seconds(60)), (All{{12}})) << "nor after the last";
    EXPECT_EQ(sorted(cluster.context().union_(doubled.slice(times[0], times[3])).collect()), (std::vector<int>{2, 4, 6, 10})) << "in one job";
    EXPECT_EQ(doubled.compute(times[3])->collect(), std::vector<int>{10});
    EXPECT_FALSE(doubled.compute(times[4] + Seconds(1)).has_value());
  }
}

// Batches of windows, states and reduced streams side by side, with datasets, in one job.
TEST(StreamGraph, SeveralBatchesInOneJob) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    cluster.streaming().remember(Seconds(10));
    auto pairs = cluster.input<int>({{1, 2}, {2, 3}, {3}}).map([](int x) { return std::pair(x, 1); });
    auto sums = pairs.reduceByKeyAndWindow(std::plus<>(), Seconds(2), Seconds(1));
    auto known = cluster.context().parallelize(std::vector<Pair>{{2, 100}}).cache();
    std::vector<Pair> grown, joined;
    std::optional<RDD<Pair>> last;
    sums.foreachRDD([&](const RDD<Pair>& rdd) {
      if (last) {
        for (const auto& record : rdd.subtractByKey(*last).collect()) grown.push_back(record);
        for (const auto& [key, both] : rdd.join(*last).join(known).collect()) joined.emplace_back(key, both.first.first * 10 + both.first.second);
      }
      last = rdd;
    });
    cluster.runBatches(3);
    EXPECT_EQ(sorted(grown), (std::vector<Pair>{{3, 1}}));  // 1 and 2; then 1, 2 twice, 3; then 2, 3 twice
    EXPECT_EQ(sorted(joined), (std::vector<Pair>{{2, 12}, {2, 21}}));
  }
}

// Spark's idiom: cached for the several actions of one function; let go when nobody has it any more.
TEST(StreamGraph, CacheInsideForeachRdd) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    auto seen = cluster.context().longAccumulator();
    std::vector<std::int64_t> counts;
    cluster.input<int>({{1, 2, 3}, {4}}).map([seen](int x) {
      seen.add(1);
      return x;
    }).foreachRDD([&](const RDD<int>& rdd) {
      rdd.cache();
      counts.push_back(rdd.count());
      counts.push_back(rdd.reduce(std::plus<>()));
      counts.push_back(rdd.map([](int x) { return 2 * x; }).reduce(std::plus<>()));
    });
    cluster.runBatches(2);
    EXPECT_EQ(counts, (std::vector<std::int64_t>{3, 6, 12, 1, 4, 8}));
    EXPECT_EQ(seen.value(), 4) << "each batch was computed once";
  }
}

TEST(StreamGraph, TwoBatchesOfAQueueInOneJobAreRefused) {
  Cluster cluster(Shape::kLocal4);
  sluice::RDDQueue<int> queue;
  queue.push(cluster.context().parallelize(upTo(2)));
  queue.push(cluster.context().parallelize(upTo(3)));
  std::optional<RDD<int>> last;
  std::string error;
  cluster.streaming().queueStream(queue).foreachRDD([&](const RDD<int>& rdd) {
    if (last) error = adviceOf([&] { (rdd + *last).count(); });
    last = rdd;
  });
  cluster.runBatches(2);
  EXPECT_NE(error.find("two batches of a stream that the driver makes anew for each batch"), std::string::npos) << error;
}

TEST(StreamGraph, SliceOfWhatIsForgottenIsAnError) {
  Cluster cluster(Shape::kInProcess);
  cluster.streaming().remember(Seconds(2));
  auto in = cluster.input<int>({{1}, {2}, {3}, {4}, {5}, {6}, {7}});
  Time first, last;
  in.foreachRDD([&](const RDD<int>&, Time t) {
    if (first == Time()) first = t;
    last = t;
  });
  cluster.runBatches(7);
  EXPECT_EQ(in.slice(last - Seconds(2), last).size(), 3u);
  EXPECT_EQ(adviceOf([&] { in.slice(first, last); }), "the batch at " + first.toString() + " is not remembered any more; let the StreamingContext remember longer (it remembers 2000 ms)");
}

// A handle of a batch that outlives its data.
TEST(StreamGraph, AnRddOfABatchThatWasLetGo) {
  for (Shape shape : {Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    std::vector<RDD<int>> kept;
    cluster.input<int>({{1}, {2}, {3}, {4}, {5}}).foreachRDD([&](const RDD<int>& rdd) {
      kept.push_back(rdd);
      EXPECT_EQ(rdd.count(), 1);
    });
    cluster.runBatches(5);
    std::string error = adviceOf([&] { kept[0].count(); });
    EXPECT_NE(error.find(" has been let go; let the StreamingContext remember longer (remember(duration))"), std::string::npos) << error;
  }
}

}  // namespace
