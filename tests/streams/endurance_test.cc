// Streams run for months: what each batch leaves behind in the driver, the master and the executors together must come to nothing.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "sluice/event_time.h"
#include "sluice/testing.h"

namespace {

using sluice::Context;
using sluice::DStream;
using sluice::Milliseconds;
using sluice::RDD;
using sluice::Seconds;
using sluice::State;
using sluice::StateSpec;
using sluice::Time;
using sluice::WatermarkStrategy;
using sluice::testing::Cluster;
using sluice::testing::Shape;
using sluice::testing::temporaryDirectory;
using Count = std::pair<std::string, int>;
using Counts = DStream<Count>;

std::size_t bytesInUse() {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

template <class T> void countEach(const DStream<T>& stream) {
  stream.foreachRDD([](const RDD<T>& rdd, Time) { rdd.count(); });
}

struct Application {
  const char* name;
  std::function<void(Cluster&, const Counts&)> define;
};
void PrintTo(const Application& application, std::ostream* out) { *out << application.name; }

RDD<Count> someCounts(const Context& context) { return context.parallelize(std::vector<Count>{{"a", 1}, {"b", 2}, {"c", 3}}, 2); }

const Application kApplications[] = {
    {"Print", [](Cluster&, const Counts& in) { in.reduceByKey(std::plus<>()).print(); }},
    {"ForeachRDD", [](Cluster&, const Counts& in) { countEach(in.filter([](const Count& c) { return c.second > 0; })); }},
    {"Windows",
     [](Cluster&, const Counts& in) {
       in.window(Seconds(5)).count().print();
       countEach(in.reduceByKeyAndWindow(std::plus<>(), Seconds(5), Seconds(2)));
     }},
    {"InverseWindow",
     [](Cluster& cluster, const Counts& in) {
       cluster.streaming().checkpoint(temporaryDirectory());
       in.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(5), Seconds(1)).print();
     }},
    {"UpdateStateByKey",
     [](Cluster& cluster, const Counts& in) {
       cluster.streaming().checkpoint(temporaryDirectory());
       in.updateStateByKey([](const std::vector<int>& values, std::optional<int> old) -> std::optional<int> {
           return old.value_or(0) % 100 + int(values.size());
         }).print();
     }},
    {"MapWithState",
     [](Cluster& cluster, const Counts& in) {
       cluster.streaming().checkpoint(temporaryDirectory());
       in.mapWithState(StateSpec::function([](const std::string& key, std::optional<int> n, State<int>& state) {
           if (!state.isTimingOut()) state.update(n.value_or(0));
           return Count(key, n.value_or(0));
         }).timeout(Seconds(10))).print();
     }},
    {"Persisted",
     [](Cluster&, const Counts& in) {
       auto kept = in.reduceByKey(std::plus<>()).persist();
       kept.print();
       countEach(kept);
     }},
    {"TransformOfADataset",
     [](Cluster& cluster, const Counts& in) {
       auto dataset = someCounts(cluster.context()).cache();
       in.transform([dataset](const RDD<Count>& rdd) {
           return rdd.join(dataset).map([](const auto& joined) { return Count(joined.first, joined.second.first + joined.second.second); });
         }).print();
     }},
    {"TransformOfAShuffledDataset",
     [](Cluster& cluster, const Counts& in) {
       auto dataset = someCounts(cluster.context()).reduceByKey(std::plus<>());
       in.transform([dataset](const RDD<Count>& rdd) {
           return rdd.join(dataset).map([](const auto& joined) { return Count(joined.first, joined.second.first + joined.second.second); });
         }).print();
     }},
    {"KeptInTransformWithTime",
     [](Cluster& cluster, const Counts& in) {
       const Context& context = cluster.context();
       in.transform([&context](const RDD<Count>& rdd, Time) { return rdd.union_(someCounts(context).reduceByKey(std::plus<>()).cache()); }).print();
     }},
    {"TransformWithTime",
     [](Cluster& cluster, const Counts& in) {
       const Context& context = cluster.context();
       countEach(in.transform([&context](const RDD<Count>& rdd, Time) { return rdd.union_(someCounts(context)).reduceByKey(std::plus<>()); }));
     }},
    {"WindowOverTransformWithTime",
     [](Cluster& cluster, const Counts& in) {
       const Context& context = cluster.context();
       auto made = in.transform([&context](const RDD<Count>& rdd, Time) { return rdd.union_(someCounts(context)).reduceByKey(std::plus<>()); });
       countEach(made.reduceByKeyAndWindow(std::plus<>(), Seconds(4), Seconds(2)));
     }},
    {"JobsInForeachRDD",
     [](Cluster& cluster, const Counts& in) {
       const Context& context = cluster.context();
       in.foreachRDD([&context](const RDD<Count>& rdd, Time) {
         rdd.join(someCounts(context)).sortByKey().collect();
         auto words = context.broadcast(std::string(100, 'x'));
         auto sum = context.longAccumulator("sum");
         rdd.foreach([words, sum](const Count& c) { sum.add(c.second + int(words->size())); });
         words.destroy();
       });
     }},
    {"DatasetsMadeAnewForEachBatch",
     [](Cluster& cluster, const Counts& in) {
       const Context& context = cluster.context();
       in.foreachRDD([&context](const RDD<Count>& rdd, Time) {
         auto kept = someCounts(context).reduceByKey(std::plus<>()).cache();
         rdd.join(kept).count();
         kept.count();
         kept.unpersist();
       });
     }},
    {"DatasetsThatAreNotUnpersisted",
     [](Cluster& cluster, const Counts& in) {
       const Context& context = cluster.context();
       in.foreachRDD([&context](const RDD<Count>&, Time) { someCounts(context).reduceByKey(std::plus<>()).cache().count(); });
     }},
    {"Slice",
     [](Cluster& cluster, const Counts& in) {
       cluster.streaming().remember(Seconds(4));
       in.foreachRDD([in](const RDD<Count>&, Time t) {
         for (const auto& rdd : in.slice(t - Seconds(2), t)) rdd.count();
       });
     }},
    {"Files",
     [](Cluster&, const Counts& in) {
       std::string folder = temporaryDirectory();
       in.map([](const Count& c) { return c.first; }).saveAsRollingTextFiles(folder, {.maxBytes = 1 << 20, .maxAge = Seconds(1000)});
     }},
};

class Endurance : public ::testing::TestWithParam<std::tuple<Shape, Application>> {};

// Tables and lists that are bounded grow until they are full, and some are emptied then: the least that is in use over many batches tells.
// SLUICE_BATCHES says over how many. The longest lists hold 4,096 entries and are still growing here; a value, a plan or a batch is thousands of bytes.
TEST_P(Endurance, ABatchLeavesNothingBehind) {
  const char* asked = std::getenv("SLUICE_BATCHES");
  const int batches = asked ? std::max(std::atoi(asked), 1) : 1100;
  mallopt(M_ARENA_MAX, 1);  // mallinfo2() knows no other
  const auto& [shape, application] = GetParam();
  Cluster cluster(shape);
  auto in = cluster.source<Count>();
  application.define(cluster, in.stream());
  auto leastInUse = [&] {
    std::size_t least = ~std::size_t(0);
    for (int i = 0; i < batches; ++i) {
      in.send({{"a", 1}, {"b", i}, {"c", 3}, {"d", 4}});
      cluster.runBatches(1);
      least = std::min(least, bytesInUse());
    }
    return double(least);
  };
  leastInUse();
  double before = leastInUse(), after = leastInUse();
  EXPECT_LT((after - before) / batches, 1000) << "bytes a batch";
}

INSTANTIATE_TEST_SUITE_P(, Endurance, ::testing::Combine(::testing::Values(Shape::kLocal4, Shape::kInProcess), ::testing::ValuesIn(kApplications)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) == Shape::kLocal4 ? "Local" : "InProcess") + std::get<1>(info.param).name;
                         });

}  // namespace
