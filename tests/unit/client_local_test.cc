// The public face on local[2]: what the streams tables do not cover.
#include <gtest/gtest.h>

#include <sluice/streaming.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>

namespace sluice {
namespace {

Conf localConf() { return Conf().setMaster("local[2]").setAppName("test"); }

std::string errorOf(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

TEST(LocalBatch, DefaultsFollowTheSlots) {
  Context context(localConf());
  EXPECT_EQ(context.defaultParallelism(), 2u);
  EXPECT_EQ(context.parallelize({1, 2, 3}).getNumPartitions(), 2);
  EXPECT_EQ(context.parallelize({1, 2, 3}).keyBy([](int x) { return x; }).groupByKey().getNumPartitions(), 2);
  EXPECT_EQ(context.applicationId().substr(0, 4), "app-");
}

TEST(LocalBatch, Accumulators) {
  Context context(localConf());
  auto seen = context.longAccumulator();
  auto words = context.collectionAccumulator<std::string>();
  context.range(0, 1000, 1, 7).foreach([seen, words](std::int64_t x) {
    seen += x;
    if (x % 500 == 0) words.add(std::vector<std::string>{std::to_string(x)});
  });
  EXPECT_EQ(seen.value(), 499'500);
  auto got = words.value();
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()), (std::set<std::string>{"0", "500"}));
  seen.add(1);
  EXPECT_EQ(seen.value(), 499'501);
  seen.reset();
  EXPECT_EQ(seen.value(), 0);
}

TEST(LocalBatch, Broadcasts) {
  Context context(localConf());
  std::map<std::string, int> sizes;
  for (int i = 0; i < 200'000; ++i) sizes["key" + std::to_string(i)] = i;
  auto shared = context.broadcast(sizes);
  auto got = context.range(0, 100, 1, 4).map([shared](std::int64_t i) { return shared.value().at("key" + std::to_string(i * 1000)); }).collect();
  ASSERT_EQ(got.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(got[std::size_t(i)], i * 1000);
  EXPECT_EQ(shared->size(), 200'000u) << "in the driver as well";
}

TEST(LocalBatch, LargeResultsAreFetched) {
  Context context(localConf());
  auto big = context.range(0, 8, 1, 4).map([](std::int64_t i) { return std::string(300'000, char('a' + i)); }).collect();
  ASSERT_EQ(big.size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(big[i], std::string(300'000, char('a' + i)));
}

TEST(LocalBatch, ResultsHaveALimit) {
  Context context(localConf().set("sluice.driver.maxResultSize", "1m"));
  auto rdd = context.range(0, 8, 1, 4).map([](std::int64_t i) { return std::string(300'000, char('a' + i)); });
  EXPECT_NE(errorOf([&] { rdd.collect(); }).find("sluice.driver.maxResultSize"), std::string::npos);
  EXPECT_EQ(rdd.count(), 8);
}

TEST(LocalBatch, UserErrorsNameOperatorAndPlace) {
  Context context(localConf());
  auto rdd = context.range(0, 10).map([](std::int64_t x) {
    if (x == 7) throw std::runtime_error("seven is not allowed");
    return x;
  });
  try {
    rdd.count();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUserCode);
    EXPECT_NE(std::string(e.what()).find("seven is not allowed"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("map at client_local_test.cc:"), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
  }
  EXPECT_EQ(context.range(0, 10).count(), 10) << "the context lives on";
}

TEST(LocalBatch, CachedDatasetsAreComputedOnce) {
  Context context(localConf());
  auto computed = context.longAccumulator();
  auto cached = context.range(0, 100, 1, 4).map([computed](std::int64_t x) { return computed += 1, x; }).cache();
  EXPECT_EQ(cached.count(), 100);
  EXPECT_EQ(cached.reduce(std::plus<>()), 4950);
  EXPECT_EQ(cached.map([](std::int64_t x) { return std::to_string(x); }).collect().size(), 100u);
  EXPECT_EQ(computed.value(), 100);
  cached.unpersist();
  EXPECT_EQ(cached.count(), 100);
  EXPECT_EQ(computed.value(), 200);
}

TEST(LocalBatch, JoinsOverCoPartitionedTextKeys) {
  Context context(localConf());
  auto words = context.parallelize({"a", "bb", "a", "a longer key than sixteen bytes", "bb"});
  auto counts = words.map([](const std::string& w) { return std::pair(w, 1L); }).reduceByKey(std::plus<>(), 3);
  auto sizes = words.map([](const std::string& w) { return std::pair(w, w.size()); }).partitionBy(3);
  auto got = counts.join(sizes.groupByKey(3)).collectAsMap();
  EXPECT_EQ(got.size(), 3u);
  EXPECT_EQ(got["a"].first, 2);
  EXPECT_EQ(got["a"].second, (std::vector<std::size_t>{1, 1}));
  EXPECT_EQ(got["a longer key than sixteen bytes"].second.size(), 1u);
  auto cached = counts.cache();
  EXPECT_EQ(cached.leftOuterJoin(counts.filter([](const auto& c) { return c.second > 1; })).collectAsMap()["bb"].second, std::optional<long>(2));
}

TEST(LocalBatch, AggregatesByKey) {
  Context context(localConf());
  auto pairs = context.parallelize({std::pair("x", 1), std::pair("y", 2), std::pair("x", 3)}, 2);
  auto means = pairs.aggregateByKey(
                        std::pair(0.0, 0), [](auto sum, int x) { return std::pair(sum.first + x, sum.second + 1); },
                        [](const auto& a, const auto& b) { return std::pair(a.first + b.first, a.second + b.second); })
                   .mapValues([](const auto& sum) { return sum.first / sum.second; })
                   .collectAsMap();
  EXPECT_EQ(means, (std::map<std::string, double>{{"x", 2}, {"y", 2}}));
  EXPECT_EQ(pairs.foldByKey(10, std::plus<>(), 1).collectAsMap()["y"], 12);
  int factor = 3;
  EXPECT_EQ(pairs.mapValues(with([](int x, const std::vector<int>& add) { return x + add[0]; }, std::vector<int>{factor})).values().reduce(std::plus<>()), 15);
}

TEST(LocalBatch, SortsOverPartitions) {
  Context context(localConf());
  auto numbers = context.range(0, 10'000, 1, 5).map([](std::int64_t x) { return (x * 7919) % 10'007; });
  auto up = numbers.sortBy([](std::int64_t x) { return x; }, true, 4);
  EXPECT_EQ(up.getNumPartitions(), 4);
  auto all = up.collect();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(all.size(), 10'000u);
  auto sizes = up.glom().map([](const auto& part) { return part.size(); }).collect();
  for (auto size : sizes) EXPECT_GT(size, 1000u);
  auto down = numbers.sortBy([](std::int64_t x) { return x; }, false, 4).collect();
  EXPECT_TRUE(std::is_sorted(down.rbegin(), down.rend()));
  EXPECT_EQ(numbers.map([](std::int64_t) { return 1; }).sortBy([](int x) { return x; }, true, 4).count(), 10'000) << "all keys equal";
  EXPECT_EQ(context.emptyRDD<int>().sortBy([](int x) { return x; }).count(), 0);
  EXPECT_EQ(numbers.top(3), (std::vector<std::int64_t>{10'006, 10'005, 10'004}));
  EXPECT_EQ(numbers.takeOrdered(2), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(numbers.max(), 10'006);
}

TEST(LocalBatch, TextFilesAndDirectories) {
  namespace fs = std::filesystem;
  fs::path root = fs::path(testing::TempDir()) / ("sluice-local-test-" + std::to_string(::getpid()));
  fs::remove_all(root);
  fs::create_directories(root / "in");
  std::ofstream(root / "in/a.txt") << "one\ntwo\r\n\nlast without end";
  std::ofstream(root / "in/b.txt") << "three\n";
  std::ofstream(root / "in/.hidden") << "no\n";
  std::ofstream(root / "in/empty");
  Context context(localConf());
  auto lines = context.textFile((root / "in").string());
  EXPECT_EQ(lines.collect(), (std::vector<std::string>{"one", "two", "", "last without end", "three"}));
  EXPECT_EQ(context.textFile((root / "in/*.txt").string()).count(), 5);
  EXPECT_EQ(context.textFile((root / "in/a.txt").string() + "," + (root / "in/b.txt").string(), 8).count(), 5);
  EXPECT_EQ(context.textFile((root / "in/{a,b}.txt").string()).count(), 5);
  lines.filter([](std::string_view l) { return !l.empty(); }).map([](std::string_view l) { return std::pair(l, l.size()); }).saveAsTextFile((root / "out").string());
  std::multiset<std::string> written;
  for (const auto& entry : fs::directory_iterator(root / "out")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) written.insert(line);
  }
  EXPECT_EQ(written, (std::multiset<std::string>{"(one,3)", "(two,3)", "(last without end,16)", "(three,5)"}));
  EXPECT_TRUE(fs::exists(root / "out/_SUCCESS"));
  EXPECT_NE(errorOf([&] { lines.saveAsTextFile((root / "out").string()); }).find("exists already"), std::string::npos);
  fs::remove_all(root);
}

TEST(LocalBatch, PartitionsKnowTheirIndex) {
  Context context(localConf());
  auto numbers = context.range(0, 100);
  EXPECT_EQ(numbers.mapPartitionsWithIndex([](int p, Iterator<std::int64_t>& it) {
                     long n = 0;
                     for (auto x : it) n += x;
                     return std::vector<std::pair<int, long>>{{p, n}};
                   }).values().reduce(std::plus<>()),
            4950);
}

// Gives the numbers from 1 on, one at a time and then the rest at once.
struct Numbers : Receiver<int> {
  explicit Numbers(int count, std::string) : count(count) {}
  void onStart() override {
    for (int i = 1; i <= count / 2; ++i) store(i);
    std::vector<int> rest;
    for (int i = count / 2 + 1; i <= count; ++i) rest.push_back(i);
    store(rest);
  }
  int count;
};

TEST(LocalStreams, ReceiversAndForeachRdd) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  std::atomic<long> sum{0}, records{0};
  ssc.receiverStream<Numbers>(100, "text").foreachRDD([&](const RDD<int>& rdd, Time t) {
    EXPECT_GT(t.milliseconds(), 0);
    sum += rdd.fold(0, std::plus<>());
    records += rdd.count();
    if (records == 100) ssc.stop(false, false);
  });
  ssc.start();
  ssc.awaitTermination();
  EXPECT_EQ(sum, 5050);
  EXPECT_EQ(records, 100);
}

TEST(LocalStreams, ErrorsOfBatchesReachTheWaiterAndLaterBatchesGoOn) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  RDDQueue<std::int64_t> queue;
  auto batches = ssc.context().longAccumulator();
  ssc.queueStream(queue).map([](std::int64_t x) {
    if (x == 3) throw std::runtime_error("three");
    return x;
  }).foreachRDD([&](const auto& rdd) { batches.add(rdd.count()); });
  queue.push(ssc.context().range(0, 5));
  queue.push(ssc.context().range(4, 10));
  ssc.start();
  EXPECT_NE(errorOf([&] { ssc.awaitTermination(); }).find("three"), std::string::npos);
  while (batches.value() < 6) {
    if (ssc.awaitTerminationOrTimeout(Milliseconds(20))) FAIL() << "the stream ended";
  }
  ssc.stop(true, true);
}

TEST(LocalStreams, ATransformThatThrowsLeavesItsBatchOutAndLaterOnesGoOn) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  RDDQueue<std::int64_t> queue;
  auto sum = ssc.context().longAccumulator();
  std::atomic<int> calls{0};
  ssc.queueStream(queue).transform([&calls](RDD<std::int64_t> rdd, Time) {
    if (++calls == 1) throw std::runtime_error("no such table");
    return rdd;
  }).foreachRDD([&](const auto& rdd) { sum.add(rdd.fold(0, std::plus<>())); });
  queue.push(ssc.context().range(0, 5));
  queue.push(ssc.context().range(4, 10));
  ssc.start();
  EXPECT_NE(errorOf([&] { ssc.awaitTermination(); }).find("no such table"), std::string::npos);
  while (sum.value() == 0) ASSERT_FALSE(ssc.awaitTerminationOrTimeout(Milliseconds(20)));
  EXPECT_EQ(sum.value(), 39) << "of the second batch alone";
  ssc.stop(true, true);
}

TEST(LocalStreams, TransformWithTimeRunsJobsOnOtherDatasets) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  RDDQueue<std::int64_t> queue;
  auto allowed = ssc.context().range(0, 3);
  auto sum = ssc.context().longAccumulator();
  ssc.queueStream(queue).transform([allowed](RDD<std::int64_t> rdd, Time) {
    std::int64_t most = allowed.max();
    return rdd.filter([most](std::int64_t x) { return x <= most; }).sortBy([](std::int64_t x) { return -x; });
  }).foreachRDD([&](const auto& rdd) { sum.add(rdd.fold(0, std::plus<>())); });
  queue.push(ssc.context().range(0, 100, 1, 3));
  ssc.start();
  while (sum.value() == 0) ASSERT_FALSE(ssc.awaitTerminationOrTimeout(Milliseconds(20)));
  EXPECT_EQ(sum.value(), 3);
  ssc.stop();
}

}  // namespace
}  // namespace sluice
