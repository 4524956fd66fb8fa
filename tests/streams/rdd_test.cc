// Batch jobs end to end, on every shape: what each transformation and action gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "everywhere.h"

namespace {

using sluice::Context;
using sluice::testing::adviceOf;
using sluice::testing::Cluster;
using sluice::testing::everywhere;
using sluice::testing::sorted;
using sluice::testing::Shape;
using sluice::testing::upTo;
using Count = std::pair<std::string, long>;

TEST(Rdd, MapFilterCollectInOrder) {
  everywhere([](const Context& sc) {
    auto got = sc.parallelize(upTo(100), 7).filter([](int x) { return x % 3 == 0; }).map([](int x) { return x * 2; }).collect();
    std::vector<int> want;
    for (int x = 0; x < 100; x += 3) want.push_back(x * 2);
    EXPECT_EQ(got, want);
  });
}

TEST(Rdd, CountReduceFoldFirst) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(1000), 5);
    EXPECT_EQ(rdd.count(), 1000);
    EXPECT_EQ(rdd.reduce(std::plus<>()), 499500);
    EXPECT_EQ(rdd.fold(0, std::plus<>()), 499500);
    EXPECT_EQ(rdd.first(), 0);
    EXPECT_EQ(rdd.take(3), (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(rdd.top(2), (std::vector<int>{999, 998}));
  });
}

TEST(Rdd, AggregateAndTakeOrdered) {
  everywhere([](const Context& sc) {
    auto rdd = sc.makeRDD(upTo(100), 7);
    EXPECT_EQ(rdd.getNumPartitions(), 7);
    using Sum = std::pair<long, long>;
    EXPECT_EQ(rdd.aggregate(Sum(0, 0), [](Sum sum, int x) { return Sum(sum.first + x, sum.second + 1); },
                            [](const Sum& a, const Sum& b) { return Sum(a.first + b.first, a.second + b.second); }), Sum(4950, 100));
    EXPECT_EQ(sc.emptyRDD<int>().aggregate(7L, [](long sum, int x) { return sum + x; }, std::plus<>()), 7);
    EXPECT_EQ(rdd.takeOrdered(2), (std::vector<int>{0, 1}));
    EXPECT_EQ(rdd.takeOrdered(2, [](int a, int b) { return a % 10 > b % 10; }), (std::vector<int>{9, 19}));
  });
}

TEST(Rdd, ActionsOnNothingSayWhatToDo) {
  everywhere([](const Context& sc) {
    for (const auto& none : {sc.emptyRDD<int>(), sc.parallelize(std::vector<int>{}, 3), sc.parallelize(upTo(5), 2).filter([](int x) { return x > 9; })}) {
      EXPECT_EQ(adviceOf([&] { none.first(); }), "first: the RDD is empty");
      EXPECT_EQ(adviceOf([&] { none.reduce(std::plus<>()); }), "reduce: the RDD is empty; use fold, which has a value to begin with");
      EXPECT_EQ(adviceOf([&] { none.max(); }), "reduce: the RDD is empty; use fold, which has a value to begin with");
      EXPECT_TRUE(none.isEmpty());
    }
    EXPECT_EQ(adviceOf([&] { sc.parallelize({1}, -1); }), "the number of partitions is -1; it must be above 0");
    EXPECT_EQ(adviceOf([&] { sc.range(0, 1, 0); }), "range: the step is 0");
    auto coalesced = adviceOf([&] { sc.parallelize({1}).coalesce(0); });
    EXPECT_EQ(coalesced, "coalesce: the number of partitions is 0; it must be above 0");
    auto grouped = adviceOf([&] { sc.parallelize({std::pair(1, 1)}).groupByKey(-2); });
    EXPECT_EQ(grouped, "groupByKey: the number of partitions is -2; it must be above 0");
  });
}

// Datasets are described in the driver alone: a task that gets at one by a way that no compiler sees is told so.
const sluice::RDD<int>* smuggled = nullptr;

TEST(Rdd, UseInsideATaskIsRefused) {
  everywhere([](const Context& sc) {
    auto inner = sc.parallelize(upTo(3), 2);
    smuggled = &inner;
    std::string said = adviceOf([&] { sc.parallelize(upTo(3), 2).map([](int x) { return x + int(smuggled->count()); }).collect(); });
    EXPECT_NE(said.find("count: an RDD cannot be used inside a task; broadcast the data, or join"), std::string::npos) << said;
    said = adviceOf([&] { sc.parallelize(upTo(3), 2).foreach([](int) { smuggled->map([](int x) { return x; }).collect(); }); });
    EXPECT_NE(said.find("collect: an RDD cannot be used inside a task; broadcast the data, or join"), std::string::npos) << said;
    EXPECT_EQ(inner.count(), 3);
    smuggled = nullptr;
  });
}

TEST(Rdd, OfAStoppedContextSaysSo) {
  Context context(sluice::Conf().setMaster("local[2]").setAppName("test"));
  auto rdd = context.parallelize(upTo(3), 2);
  context.stop();
  for (const auto& said : {adviceOf([&] { rdd.count(); }), adviceOf([&] { rdd.map([](int x) { return x; }).collect(); }), adviceOf([&] { rdd.countAsync().get(); }),
                           adviceOf([&] { context.range(0, 3).count(); })}) {
    EXPECT_EQ(said.find("the Context made at rdd_test.cc:"), 0u) << said;
    EXPECT_NE(said.find(" is stopped; make a new one"), std::string::npos) << said;
  }
}

TEST(Rdd, ForeachPartition) {
  everywhere([](const Context& sc) {
    auto calls = sc.longAccumulator(), sum = sc.longAccumulator();
    sc.parallelize(upTo(101), 4).foreachPartition([calls, sum](sluice::Iterator<int>& records) {
      calls.add(1);
      for (int x : records) sum.add(x);
    });
    EXPECT_EQ(calls.value(), 4);
    EXPECT_EQ(sum.value(), 5050);
  });
}

TEST(Rdd, TakeLooksAtNoMorePartitionsThanItMust) {
  everywhere([](const Context& sc) {
    EXPECT_EQ(sc.parallelize(upTo(50), 10).filter([](int x) { return x > 41; }).take(3), (std::vector<int>{42, 43, 44}));
    EXPECT_TRUE(sc.parallelize(upTo(50), 10).take(0).empty());
  });
}

TEST(Rdd, ReduceByKeyAndCountByKey) {
  everywhere([](const Context& sc) {
    auto pairs = sc.parallelize(upTo(1000), 6).map([](int x) { return std::pair(x % 7, 1L); });
    auto got = sorted(pairs.reduceByKey(std::plus<>()).collect());
    std::vector<std::pair<int, long>> want;
    for (int k = 0; k < 7; ++k) want.emplace_back(k, k < 6 ? 143 : 142);
    EXPECT_EQ(got, want);
    auto counts = pairs.countByKey();
    EXPECT_EQ(counts.at(6), 142);
    EXPECT_EQ(counts.size(), 7u);
    EXPECT_EQ(sc.parallelize(std::vector<std::string>{"a", "b", "a"}, 2).countByValue(), (std::map<std::string, std::int64_t>{{"a", 2}, {"b", 1}}));
    EXPECT_EQ(sc.parallelize(upTo(3), 2).keyBy([](int x) { return x * x; }).collect(), (std::vector<std::pair<int, int>>{{0, 0}, {1, 1}, {4, 2}}));
    EXPECT_EQ(sc.parallelize(upTo(4), 2).mapPartitions([](sluice::Iterator<int>& in) {
      int sum = 0;
      for (int x : in) sum += x;
      return std::vector<int>{sum};
    }).collect(), (std::vector<int>{1, 5}));
  });
}

TEST(Rdd, GroupByKeyAndMapValues) {
  everywhere([](const Context& sc) {
    auto groups = sc.parallelize(upTo(10), 3).map([](int x) { return std::pair(x % 2, x); }).groupByKey().collect();
    std::map<int, std::vector<int>> got(groups.begin(), groups.end());
    EXPECT_EQ(got[0], (std::vector<int>{0, 2, 4, 6, 8}));
    EXPECT_EQ(got[1], (std::vector<int>{1, 3, 5, 7, 9}));
  });
}

TEST(Rdd, Joins) {
  everywhere([](const Context& sc) {
    using L = std::pair<int, std::string>;
    using R = std::pair<int, long>;
    auto left = sc.parallelize(std::vector<L>{{1, "a"}, {2, "b"}, {2, "c"}, {3, "d"}}, 2);
    auto right = sc.parallelize(std::vector<R>{{2, 20}, {3, 30}, {3, 31}, {4, 40}}, 3);
    auto inner = sorted(left.join(right).collect());
    EXPECT_EQ(inner.size(), 4u);
    EXPECT_EQ(inner[0], (std::pair<int, std::pair<std::string, long>>{2, {"b", 20}}));
    auto outer = left.leftOuterJoin(right).collect();
    EXPECT_EQ(outer.size(), 5u);
    using Right = std::pair<int, std::pair<std::optional<std::string>, long>>;
    EXPECT_EQ(sorted(left.rightOuterJoin(right).collect()), (std::vector<Right>{{2, {"b", 20}}, {2, {"c", 20}}, {3, {"d", 30}}, {3, {"d", 31}}, {4, {std::nullopt, 40}}}));
    using Full = std::pair<int, std::pair<std::optional<std::string>, std::optional<long>>>;
    EXPECT_EQ(sorted(left.fullOuterJoin(right).collect()).front(), (Full{1, {"a", std::nullopt}}));
    EXPECT_EQ(sorted(left.fullOuterJoin(right).collect()).back(), (Full{4, {std::nullopt, 40}}));
    auto co = left.cogroup(right).collect();
    EXPECT_EQ(co.size(), 4u);
  });
}

TEST(Rdd, DistinctUnion) {
  everywhere([](const Context& sc) {
    auto a = sc.parallelize(std::vector<std::string>{"x", "y", "x"}, 2);
    EXPECT_EQ(sorted(a.union_(sc.parallelize(std::vector<std::string>{"z", "y"}, 2)).distinct().collect()),
              (std::vector<std::string>{"x", "y", "z"}));
  });
}

TEST(Rdd, SortByOverSeveralPartitions) {
  everywhere([](const Context& sc) {
    std::mt19937 random(5);
    std::vector<int> values(2000);
    for (int& v : values) v = int(random() % 500);
    auto rdd = sc.parallelize(values, 6);
    EXPECT_EQ(rdd.sortBy([](int x) { return x; }).collect(), sorted(values));
    auto down = rdd.sortBy([](int x) { return x; }, false).collect();
    auto want = sorted(values);
    std::reverse(want.begin(), want.end());
    EXPECT_EQ(down, want);
    auto pairs = rdd.map([](int x) { return std::pair(x, std::to_string(x)); }).sortByKey().collect();
    EXPECT_TRUE(std::is_sorted(pairs.begin(), pairs.end()));
  });
}

TEST(Rdd, RepartitionAndCoalesce) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(100), 8);
    EXPECT_EQ(rdd.coalesce(3).glom().collect().size(), 3u);
    EXPECT_EQ(rdd.coalesce(3).collect(), upTo(100));
    auto spread = rdd.repartition(5).glom().collect();
    EXPECT_EQ(spread.size(), 5u);
    for (const auto& part : spread) EXPECT_NEAR(double(part.size()), 20, 8);
  });
}

TEST(Rdd, CacheComputesOnce) {
  everywhere([](const Context& sc) {
    auto seen = sc.longAccumulator();
    auto rdd = sc.parallelize(upTo(100), 4).map([seen](int x) {
      seen.add(1);
      return x + 1;
    });
    rdd.cache();
    EXPECT_EQ(rdd.count(), 100);
    EXPECT_EQ(rdd.count(), 100);
    EXPECT_EQ(rdd.reduce(std::plus<>()), 5050);
    EXPECT_EQ(seen.value(), 100);
    rdd.unpersist();
    EXPECT_EQ(rdd.count(), 100);
    EXPECT_EQ(seen.value(), 200);
  });
}

TEST(Rdd, BroadcastReachesTasks) {
  everywhere([](const Context& sc) {
    auto table = sc.broadcast(std::map<int, std::string>{{1, "one"}, {2, "two"}});
    auto names = sc.parallelize(std::vector<int>{2, 1, 2}, 2).map([table](int x) { return table.value().at(x); }).collect();
    EXPECT_EQ(names, (std::vector<std::string>{"two", "one", "two"}));
  });
}

TEST(Rdd, ForeachAndAccumulator) {
  everywhere([](const Context& sc) {
    auto sum = sc.longAccumulator();
    sc.parallelize(upTo(101), 4).foreach([sum](int x) { sum.add(x); });
    EXPECT_EQ(sum.value(), 5050);
  });
}

TEST(Rdd, TextFilesInAndOut) {
  everywhere([](const Context& sc) {
    std::string dir = sluice::testing::temporaryDirectory();
    {
      std::ofstream(dir + "/a.txt") << "to be or\nnot to be\n";
      std::ofstream(dir + "/b.txt") << "that is\r\nthe question";
    }
    auto words = sc.textFile(dir + "/*.txt").flatMap([](std::string_view line) { return sluice::split(line, ' '); });
    auto counts = words.map([](std::string_view w) { return std::pair(w, 1L); }).reduceByKey(std::plus<>());
    auto got = sorted(counts.collect());
    std::vector<Count> want{{"be", 2}, {"is", 1}, {"not", 1}, {"or", 1}, {"question", 1}, {"that", 1}, {"the", 1}, {"to", 2}};
    EXPECT_EQ(got, want);
    counts.saveAsTextFile(dir + "/out");
    std::string all;
    for (const auto& entry : std::filesystem::directory_iterator(dir + "/out")) {
      std::ifstream in(entry.path());
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    EXPECT_NE(all.find("(question,1)\n"), std::string::npos) << all;
    EXPECT_TRUE(std::filesystem::exists(dir + "/out/_SUCCESS"));
    EXPECT_EQ(adviceOf([&] { counts.saveAsTextFile(dir + "/out"); }), "saveAsTextFile: " + dir + "/out exists already; name a new directory, or remove it");
    EXPECT_NE(adviceOf([&] { sc.textFile(dir + "/nothing").count(); }).find(dir + "/nothing"), std::string::npos);
  });
}

TEST(Rdd, AUserExceptionFailsTheJobAndSaysWhere) {
  everywhere([](const Context& sc) {
    try {
      sc.parallelize(upTo(10), 2)
          .map([](int x) {
            if (x == 7) throw std::runtime_error("seven is not allowed");
            return x;
          })
          .collect();
      ADD_FAILURE() << "the job did not fail";
    } catch (const sluice::Error& error) {
      EXPECT_EQ(error.kind(), sluice::ErrorKind::kUserCode);
      EXPECT_NE(std::string(error.what()).find("seven is not allowed"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("map at rdd_test.cc:"), std::string::npos) << error.what();
    }
    EXPECT_EQ(sc.parallelize(upTo(3), 2).count(), 3) << "the context must live on";
  });
}

}  // namespace
