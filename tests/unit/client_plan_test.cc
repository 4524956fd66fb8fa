// From the typed face to the plan that is sent.
#include <gtest/gtest.h>

#include <sluice/streaming.h>

#include "client_fake_cluster.h"
#include "common/plan_view.h"

namespace sluice {
namespace {

Conf localConf() { return Conf().setMaster("local[2]").setAppName("test"); }

// "kind name(parent-kind ...)" of each node, in plan order; exchanges are marked.
std::string shape(const proto::Plan& plan) {
  std::string text;
  auto name = [&](std::uint32_t id) {
    for (const auto& node : plan.nodes()) {
      if (node.id() == id) return node.name();
    }
    return std::string("?");
  };
  for (const auto& node : plan.nodes()) {
    const char* kind[] = {"?", "source", "step", "pull", "union", "coalesce"};
    text += std::string(kind[node.kind()]) + " " + node.name();
    for (const auto& edge : node.edges()) {
      const char* exchange[] = {"<-", "<-hash-", "<-direct-", "<-gather-", "<-broadcast-"};
      text += std::string(" ") + exchange[edge.exchange()] + (edge.parent() == node.id() ? "self" : name(edge.parent()));
      if (edge.shifts() || edge.first_shift_ms()) {
        text += "@" + std::to_string(edge.first_shift_ms()) + "x" + std::to_string(edge.shifts()) + "/" + std::to_string(edge.shift_step_ms());
      }
    }
    if (node.partitions()) text += " n=" + std::to_string(node.partitions());
    if (node.keep().keep()) text += node.keep().state() ? " state" : " kept";
    text += "\n";
  }
  return text;
}

struct Batch : testing::Test {
  FakeCluster cluster;
  Context context{localConf()};
};

TEST_F(Batch, WordCount) {
  auto counts = context.parallelize({"a b", "b"})
                    .flatMap([](const std::string& line) { return split(std::string_view(line), ' '); })
                    .map([](const std::string& word) { return std::pair(word, 1L); })
                    .reduceByKey(std::plus<>());
  static_assert(std::is_same_v<decltype(counts), RDD<std::pair<std::string, long>>>);
  counts.collect();
  EXPECT_EQ(shape(cluster.plan()),
            "source parallelize\n"
            "step flatMap <-parallelize\n"
            "step map <-flatMap\n"
            "step reduceByKey <-map\n"
            "pull reduceByKey <-hash-reduceByKey\n");
  EXPECT_EQ(cluster.plan().outputs(0).kind(), proto::OUTPUT_RESULTS);
  const auto& merge = cluster.plan().nodes(4);
  EXPECT_EQ(merge.type_name(), "pair<string,long>");
  EXPECT_EQ(merge.site().substr(0, 20), "client_plan_test.cc:");
  PlanView view(std::make_shared<proto::Plan>(cluster.plan()));
  EXPECT_EQ(view.stages().size(), 2u);
}

TEST_F(Batch, DescriptorsAreFoundAgain) {
  context.parallelize({1, 2, 3}).map([](int x) { return x + 1; }).collect();
  for (const auto& node : cluster.plan().nodes()) {
    absl::Status status;
    EXPECT_NE(cluster.images->resolve(node.type().image(), node.type().offset(), TypeDesc::kMagic, status), nullptr) << status;
    if (!node.has_op()) continue;
    EXPECT_NE(cluster.images->resolve(node.op().image(), node.op().offset(), OpDesc::kMagic, status), nullptr) << status;
    EXPECT_EQ(cluster.images->resolve(node.op().image(), node.op().offset() + 8, OpDesc::kMagic, status), nullptr);
    EXPECT_EQ(cluster.images->resolve(node.op().image(), node.op().offset() + 1, OpDesc::kMagic, status), nullptr);
    EXPECT_EQ(cluster.images->resolve(node.op().image(), node.op().offset(), TypeDesc::kMagic, status), nullptr);
    EXPECT_EQ(cluster.images->resolve(99, node.op().offset(), OpDesc::kMagic, status), nullptr);
    EXPECT_EQ(cluster.images->resolve(node.op().image(), ~0ull - 100, OpDesc::kMagic, status), nullptr);
  }
}

TEST_F(Batch, ASecondJobOfEqualStructureSendsOnlyItsCaptures) {
  auto points = context.parallelize({1, 2, 3}).cache();
  for (int weight = 0; weight < 3; ++weight) points.map([weight](int x) { return x * weight; }).collect();
  auto jobs = cluster.jobs();
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_TRUE(jobs[0].has_plan());
  EXPECT_FALSE(jobs[1].has_plan());
  EXPECT_FALSE(jobs[2].has_plan());
  EXPECT_EQ(jobs[0].template_hash(), jobs[2].template_hash());
  EXPECT_NE(jobs[0].captures().version(), jobs[1].captures().version());
  EXPECT_NE(jobs[0].captures().nodes(1), jobs[2].captures().nodes(1));
  points.map([](int x) { return x; }).collect();
  EXPECT_NE(cluster.jobs()[3].template_hash(), jobs[0].template_hash());
  // The same captures again: the same version.
  points.map([](int x) { return x; }).collect();
}

TEST_F(Batch, TheMasterCanAskForThePlan) {
  int asked = 0;
  cluster.answer = [&](const EnvelopePtr& envelope) {
    if (!envelope->message.has_run_job() || asked++ != 1) return false;
    auto [e, need] = compose(&proto::Message::mutable_need_plan);
    need->set_number(envelope->message.run_job().number());
    cluster.tell(e);
    return true;
  };
  auto numbers = context.parallelize({1, 2, 3});
  numbers.count();
  numbers.count();
  auto jobs = cluster.jobs();
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_FALSE(jobs[1].has_plan());
  EXPECT_TRUE(jobs[2].has_plan());
  EXPECT_EQ(jobs[1].number(), jobs[2].number());
}

TEST_F(Batch, CoPartitionedInputsNeedNoExchange) {
  auto left = context.parallelize({std::pair(1, 2)}).reduceByKey(std::plus<>(), 3);
  auto right = context.parallelize({std::pair(1, 2L)}).partitionBy(3).mapValues([](long x) { return x + 1; }).filter([](const auto& r) { return r.first > 0; });
  left.join(right).collect();
  int exchanges = 0;
  for (const auto& node : cluster.plan().nodes()) {
    for (const auto& edge : node.edges()) exchanges += edge.exchange() != proto::EXCHANGE_NONE;
  }
  EXPECT_EQ(exchanges, 2) << shape(cluster.plan());
  // Another count, or keys that were changed: an exchange.
  left.map([](const auto& r) { return r; }).join(right, 3).collect();
  exchanges = 0;
  for (const auto& node : cluster.plan().nodes()) {
    for (const auto& edge : node.edges()) exchanges += edge.exchange() != proto::EXCHANGE_NONE;
  }
  EXPECT_EQ(exchanges, 3) << shape(cluster.plan());
}

TEST_F(Batch, RepartitionCoalesceUnion) {
  auto a = context.parallelize({1, 2, 3}, 4);
  EXPECT_EQ(a.getNumPartitions(), 4);
  EXPECT_EQ(a.coalesce(2).getNumPartitions(), 2);
  EXPECT_EQ(a.coalesce(9).getNumPartitions(), 4);
  EXPECT_EQ(a.repartition(7).getNumPartitions(), 7);
  EXPECT_EQ(a.union_(a.repartition(7)).getNumPartitions(), 11);
  a.union_(a.repartition(7)).collect();
  EXPECT_EQ(shape(cluster.plan()),
            "source parallelize\n"
            "step repartition <-parallelize\n"
            "step repartition <-direct-repartition n=7\n"
            "union union <-parallelize <-repartition\n");
}

TEST_F(Batch, TypesFollowTheViews) {
  auto lines = context.emptyRDD<std::string_view>();
  auto words = lines.flatMap([](std::string_view l) { return split(l, ' '); });
  static_assert(std::is_same_v<decltype(words), RDD<std::string_view>>);
  auto lower = lines.map([](std::string_view l) { return std::string(l); });
  static_assert(std::is_same_v<decltype(lower), RDD<std::string>>);
  static_assert(std::is_same_v<decltype(lines.collect()), std::vector<std::string>>);
  static_assert(std::is_same_v<decltype(words.keyBy([](std::string_view w) { return w.size(); })), RDD<std::pair<std::size_t, std::string_view>>>);
  static_assert(std::is_same_v<decltype(words.distinct()), RDD<std::string>>);
  auto pairs = words.map([](std::string_view w) { return std::pair(w, w.size()); });
  static_assert(std::is_same_v<decltype(pairs.groupByKey()), RDD<std::pair<std::string, std::vector<std::size_t>>>>);
  static_assert(std::is_same_v<decltype(pairs.join(pairs)), RDD<std::pair<std::string, std::pair<std::size_t, std::size_t>>>>);
  static_assert(std::is_same_v<decltype(pairs.leftOuterJoin(pairs)), RDD<std::pair<std::string, std::pair<std::size_t, std::optional<std::size_t>>>>>);
  static_assert(std::is_same_v<decltype(pairs.fullOuterJoin(pairs)),
                               RDD<std::pair<std::string, std::pair<std::optional<std::size_t>, std::optional<std::size_t>>>>>);
  static_assert(std::is_same_v<decltype(pairs.cogroup(pairs)), RDD<std::pair<std::string, std::pair<std::vector<std::size_t>, std::vector<std::size_t>>>>>);
  static_assert(std::is_same_v<decltype(pairs.countByKey()), std::map<std::string, std::int64_t>>);
  static_assert(std::is_same_v<decltype(pairs.aggregateByKey(0.5, [](double s, std::size_t x) { return s + double(x); }, std::plus<>())), RDD<std::pair<std::string, double>>>);
}

TEST_F(Batch, RangesCoverExactlyTheirNumbers) {
  auto sum = [&](std::int64_t from, std::int64_t to, std::int64_t step, int parts) {
    context.range(from, to, step, parts).collect();
    std::vector<std::int64_t> all;
    for (const auto& input : cluster.plan().nodes(0).source().inputs()) {
      const auto& g = input.generated();
      std::uint64_t made = 0;
      for (std::int64_t x = g.from(); step > 0 ? x < g.to() : x > g.to(); x += step) all.push_back(x), ++made;
      EXPECT_EQ(made, input.records());
    }
    return all;
  };
  for (auto [from, to, step] : {std::tuple(0, 10, 1), {0, 10, 3}, {10, 0, -3}, {5, 5, 1}, {5, 0, 1}, {-7, 8, 5}}) {
    std::vector<std::int64_t> want;
    for (int x = from; step > 0 ? x < to : x > to; x += step) want.push_back(x);
    for (int parts : {1, 2, 3, 7}) EXPECT_EQ(sum(from, to, step, parts), want) << from << " " << to << " " << step << " in " << parts;
  }
}

TEST_F(Batch, ErrorsAreThrownAtTheCall) {
  auto kindOf = [](auto f) {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
      return std::pair(e.kind(), std::string(e.what()));
    }
    return std::pair(ErrorKind::kLost, std::string("nothing was thrown"));
  };
  auto numbers = context.parallelize({1, 2, 3});
  int local = 1;
  auto [kind, text] = kindOf([&] { numbers.map([&](int x) { return x + local; }); });
  EXPECT_EQ(kind, ErrorKind::kInvalidArgument);
  EXPECT_NE(text.find("map at client_plan_test.cc:"), std::string::npos) << text;
  if (kSanitizer == 0) {  // AddressSanitizer moves locals elsewhere
    EXPECT_NE(text.find("stack"), std::string::npos) << text;
  }
  EXPECT_EQ(kindOf([&] { numbers.repartition(0); }).first, ErrorKind::kInvalidArgument);
  EXPECT_EQ(kindOf([&] { numbers.map([](int x) { return std::pair(x, x); }).reduceByKey(std::plus<>(), -1); }).first, ErrorKind::kInvalidArgument);
  EXPECT_EQ(kindOf([&] { context.textFile("/no/such/file"); }).first, ErrorKind::kInvalidArgument);
  EXPECT_EQ(kindOf([&] { context.textFile("/no/such/*.txt"); }).first, ErrorKind::kInvalidArgument);
  EXPECT_EQ(kindOf([&] { context.range(0, 1, 0); }).first, ErrorKind::kInvalidArgument);
  EXPECT_EQ(kindOf([&] { Context second{localConf()}; }).first, ErrorKind::kIllegalState);
  EXPECT_EQ(kindOf([&] { RDD<int>().count(); }).first, ErrorKind::kInvalidArgument);
  EXPECT_EQ(kindOf([&] { numbers.cache(), numbers.persist(StorageLevel::DISK_ONLY); }).first, ErrorKind::kInvalidArgument);
  EXPECT_EQ(kindOf([&] { numbers.reduce(std::plus<>()); }).second, "reduce: the RDD is empty; use fold, which has a value to begin with");
  EXPECT_EQ(kindOf([&] { numbers.first(); }).second, "first: the RDD is empty");
  context.stop();
  EXPECT_EQ(kindOf([&] { numbers.count(); }).first, ErrorKind::kIllegalState);
  EXPECT_EQ(kindOf([&] { context.parallelize({1}); }).first, ErrorKind::kIllegalState);
}

TEST(Settings, AreCheckedWhereTheyAreSet) {
  EXPECT_THROW(Conf().set("sluice.no.such.key", "1"), Error);
  EXPECT_THROW(Conf().set("sluice.streaming.blockInterval", "soon"), Error);
  EXPECT_EQ(Conf().set("mine", "x").get("mine"), "x");
  EXPECT_EQ(Conf().get("nobody", "standard"), "standard");
  EXPECT_THROW(Conf().get("nobody"), Error);
  EXPECT_THROW(Context(Conf().setMaster("locl[2]")), Error);
}

// ---- Streams ----

struct Streams : testing::Test {
  FakeCluster cluster;
  StreamingContext ssc{localConf(), Seconds(1)};
  DStream<std::string_view> lines = ssc.socketTextStream("localhost", 9999);
  DStream<std::pair<std::string_view, long>> ones = lines.map([](std::string_view w) { return std::pair(w, 1L); });

  std::string errorOf(const std::function<void()>& f) {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "nothing was thrown";
  }
};

TEST_F(Streams, NetworkWordCount) {
  ones.reduceByKey(std::plus<>()).print();
  ssc.start();
  EXPECT_EQ(shape(cluster.plan()),
            "source socketTextStream\n"
            "step map <-socketTextStream\n"
            "step reduceByKey <-map\n"
            "pull reduceByKey <-hash-reduceByKey\n"
            "step print <-reduceByKey\n");
  EXPECT_EQ(cluster.plan().interval_ms(), 1000);
  EXPECT_FALSE(cluster.plan().driver_planned());
  const auto& source = cluster.plan().nodes(0);
  EXPECT_TRUE(source.source().text());
  EXPECT_EQ(source.source().copies(), 2u);
  EXPECT_EQ(source.source().receiver().image(), 0u) << "the socket receiver is libsluice's";
  EXPECT_EQ(source.slide_ms(), 1000);
  EXPECT_EQ(cluster.plan().outputs(0).kind(), proto::OUTPUT_PRINT);
  EXPECT_EQ(cluster.plan().outputs(0).limit(), 10u);
}

TEST_F(Streams, WindowsReadKeptPanes) {
  ones.reduceByKeyAndWindow(std::plus<>(), Seconds(30), Seconds(10)).print();
  lines.window(Seconds(3)).count().print();
  ssc.start();
  EXPECT_EQ(shape(cluster.plan()),
            "source socketTextStream kept\n"
            "step map <-socketTextStream\n"
            "step reduceByKey <-map\n"
            "pull reduceByKey <-hash-reduceByKey kept\n"
            "pull reduceByKeyAndWindow <-reduceByKey@0x30/1000\n"
            "step print <-reduceByKeyAndWindow\n"
            "union window <-socketTextStream@0x3/1000\n"
            "step count <-window\n"
            "step count <-gather-count\n"
            "step print <-count\n");
  EXPECT_EQ(cluster.plan().nodes(4).slide_ms(), 10'000);
}

TEST_F(Streams, InverseWindowIsAState) {
  std::string directory = testing::TempDir() + "sluice-plan-test";
  ssc.checkpoint(directory);
  ones.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), Seconds(30), Seconds(10)).print();
  ssc.start();
  EXPECT_NE(shape(cluster.plan()).find("pull reduceByKeyAndWindow <-self@10000x1/0 <-reduceByKey@0x10/1000 <-reduceByKey@30000x10/1000 state\n"),
            std::string::npos)
      << shape(cluster.plan());
  EXPECT_EQ(cluster.plan().checkpoint_directory(), directory);
  EXPECT_EQ(cluster.plan().checkpoint_interval_ms(), 10'000);
}

TEST_F(Streams, StateReadsItself) {
  ssc.checkpoint(testing::TempDir() + "sluice-plan-test");
  auto totals = ones.updateStateByKey([](const std::vector<long>& v, std::optional<long> s) { return std::optional(s.value_or(0) + long(v.size())); }).uid("totals");
  static_assert(std::is_same_v<decltype(totals), DStream<std::pair<std::string, long>>>);
  totals.print();
  ssc.start();
  EXPECT_NE(shape(cluster.plan()).find("pull updateStateByKey <-self@1000x1/0 <-hash-map state\n"), std::string::npos) << shape(cluster.plan());
  EXPECT_EQ(cluster.plan().nodes(2).uid(), "totals");
}

TEST_F(Streams, TransformPlannedOnce) {
  auto banned = ssc.context().parallelize({std::pair(std::string("a"), true)});
  ones.transform([&](auto rdd) { return rdd.leftOuterJoin(banned).filter([](const auto& r) { return !r.second.second; }); }).print();
  ssc.start();
  EXPECT_FALSE(cluster.plan().driver_planned());
  EXPECT_NE(shape(cluster.plan()).find("union transform <-filter\n"), std::string::npos) << shape(cluster.plan());
  for (const auto& node : cluster.plan().nodes()) EXPECT_EQ(node.slide_ms(), node.name() == "parallelize" ? 0 : 1000) << node.name();
}

TEST_F(Streams, ActionsInsideTransformAreRefused) {
  EXPECT_NE(errorOf([&] { ones.transform([](auto rdd) { return rdd.count(), rdd; }); }).find("(RDD, Time)"), std::string::npos);
  std::string said;
  auto each = ones.transform([&](RDD<std::pair<std::string_view, long>> rdd, Time) {
    said = errorOf([&] { rdd.count(); });
    return rdd;
  });
  each.print();
  ssc.start();
  EXPECT_TRUE(cluster.plan().driver_planned());
  auto [e, ask] = compose(&proto::Message::mutable_plan_for);
  ask->set_app(1), ask->set_stream(1), ask->set_when_ms(2000);
  cluster.tell(e);
  EXPECT_FALSE(ssc.awaitTerminationOrTimeout(Milliseconds(1)));
  EXPECT_NE(said.find("foreachRDD"), std::string::npos) << said;
  EXPECT_EQ(shape(cluster.plan()),
            "source socketTextStream\n"
            "step map <-socketTextStream\n"
            "union transform <-map\n"
            "step print <-transform\n");
}

TEST_F(Streams, QueuesArePlannedBatchByBatch) {
  RDDQueue<std::int64_t> queue;
  ssc.queueStream(queue).map([](std::int64_t x) { return x + 1; }).print();
  ssc.start();
  auto planAt = [&](std::int64_t when) {
    auto [e, ask] = compose(&proto::Message::mutable_plan_for);
    ask->set_app(1), ask->set_stream(1), ask->set_when_ms(when);
    cluster.tell(e);
    ssc.awaitTerminationOrTimeout(Milliseconds(1));
    return cluster.plan();
  };
  queue.push(ssc.context().range(0, 10, 1, 2));
  auto first = planAt(2000);
  EXPECT_EQ(shape(first),
            "source range\n"
            "union queueStream <-range\n"
            "step map <-queueStream\n"
            "step print <-map\n");
  auto second = planAt(3000);
  EXPECT_EQ(second.nodes(0).source().inputs_size(), 0) << "an empty queue gives an empty RDD";
  EXPECT_EQ(planAt(3000).SerializeAsString(), second.SerializeAsString()) << "asked again, the same answer";
  EXPECT_EQ(first.nodes(2).id(), second.nodes(2).id()) << "the stream's nodes stay";
}

TEST_F(Streams, ForeachRddRunsJobsAsOfItsBatch) {
  std::vector<std::int64_t> times;
  ones.reduceByKey(std::plus<>()).foreachRDD([&](const auto& rdd, Time t) {
    times.push_back(t.milliseconds());
    rdd.map([](const auto& r) { return r.second; }).collect();
  });
  ssc.start();
  EXPECT_EQ(cluster.plan().outputs(0).kind(), proto::OUTPUT_DRIVER);
  auto [e, run] = compose(&proto::Message::mutable_run_output);
  run->set_app(1), run->set_stream(1), run->set_when_ms(2000), run->set_output(0);
  cluster.tell(e);
  EXPECT_FALSE(ssc.awaitTerminationOrTimeout(Milliseconds(1)));
  EXPECT_EQ(times, (std::vector<std::int64_t>{2000}));
  const auto& plan = cluster.plan();
  EXPECT_EQ(shape(plan),
            "source socketTextStream\n"
            "step map <-socketTextStream\n"
            "step reduceByKey <-map\n"
            "pull reduceByKey <-hash-reduceByKey\n"
            "union reduceByKey <-reduceByKey\n"
            "step map <-reduceByKey\n");
  for (int i = 0; i < 6; ++i) {
    for (const auto& edge : plan.nodes(i).edges()) EXPECT_EQ(edge.as_of_ms(), i == 4 ? 2000 : 0) << i;
  }
  bool told = false;
  for (const auto& envelope : cluster.sent) told = told || (envelope->message.has_output_done() && envelope->message.output_done().error().empty());
  EXPECT_TRUE(told);
}

TEST_F(Streams, WhatAFunctionOfTheDriverThrowsReachesTheWaiter) {
  ones.foreachRDD([](const auto&) { throw std::runtime_error("no room"); });
  ssc.start();
  auto [e, run] = compose(&proto::Message::mutable_run_output);
  run->set_app(1), run->set_stream(1), run->set_when_ms(2000);
  cluster.tell(e);
  std::string said = errorOf([&] { ssc.awaitTermination(); });
  EXPECT_NE(said.find("foreachRDD at client_plan_test.cc:"), std::string::npos) << said;
  EXPECT_NE(said.find("no room"), std::string::npos) << said;
}

TEST_F(Streams, DefinitionsAreChecked) {
  EXPECT_NE(errorOf([&] { lines.window(Milliseconds(1500)); }).find("multiple"), std::string::npos);
  EXPECT_NE(errorOf([&] { lines.window(Seconds(2), Milliseconds(300)); }).find("multiple"), std::string::npos);
  EXPECT_NE(errorOf([&] { lines.window(Seconds(0)); }).find("above 0"), std::string::npos);
  EXPECT_NE(errorOf([&] { lines.union_(lines.window(Seconds(4), Seconds(2))); }).find("different slides"), std::string::npos);
  EXPECT_NE(errorOf([&] { ones.join(ones.window(Seconds(4), Seconds(2))); }).find("different slides"), std::string::npos);
  EXPECT_NE(errorOf([&] { ssc.socketTextStream("localhost", "port"); }).find("port"), std::string::npos);
  EXPECT_NE(errorOf([&] { ssc.socketTextStream("localhost", "70000"); }).find("65535"), std::string::npos);
  EXPECT_NE(errorOf([&] { ssc.union_(std::vector<DStream<int>>()); }).find("empty"), std::string::npos);
  EXPECT_NE(errorOf([&] { StreamingContext(ssc.context(), Seconds(0)); }).find("interval"), std::string::npos);
}

TEST_F(Streams, NothingToExecute) {
  EXPECT_EQ(errorOf([&] { ssc.start(); }), "No output operations registered, so nothing to execute");
  EXPECT_EQ(ssc.getState(), StreamingContextState::kStopped);
}

TEST_F(Streams, StateNeedsACheckpointDirectory) {
  ones.countByValueAndWindow(Seconds(2)).print();
  EXPECT_NE(errorOf([&] { ssc.start(); }).find("checkpoint(directory)"), std::string::npos);
}

TEST_F(Streams, StatesOfAContext) {
  EXPECT_EQ(ssc.getState(), StreamingContextState::kInitialized);
  ones.print();
  ssc.start();
  EXPECT_EQ(ssc.getState(), StreamingContextState::kActive);
  ssc.start();  // a warning
  EXPECT_NE(errorOf([&] { lines.count(); }).find("started"), std::string::npos);
  EXPECT_NE(errorOf([&] { ones.print(); }).find("started"), std::string::npos);
  EXPECT_NE(errorOf([&] { ssc.socketTextStream("localhost", 1); }).find("started"), std::string::npos);
  StreamingContext other(ssc.context(), Seconds(1));
  other.socketTextStream("localhost", 1).print();
  EXPECT_NE(errorOf([&] { other.start(); }).find("only one StreamingContext"), std::string::npos);
  ssc.stop(false);
  EXPECT_EQ(ssc.getState(), StreamingContextState::kStopped);
  EXPECT_NE(errorOf([&] { ssc.start(); }).find("cannot be started again"), std::string::npos);
  EXPECT_FALSE(ssc.context().isStopped());
  ssc.stop(true);
  EXPECT_TRUE(ssc.context().isStopped());
}

TEST_F(Streams, PrintedTextIsWrittenOnceAndInOrder) {
  ones.print();
  ssc.start();
  auto lines = [&](std::uint64_t from, const char* text) {
    auto [e, body] = compose(&proto::Message::mutable_lines);
    body->set_app(1), body->set_from(from), body->set_text(text);
    cluster.tell(e);
  };
  lines(0, "abc");
  lines(0, "abcd");
  lines(9, "late");
  EXPECT_EQ(cluster.printed, "abcd");
  EXPECT_EQ(cluster.sent.back()->message.subscribe().from(), 4u) << "asks for what it missed";
}

}  // namespace
}  // namespace sluice
