// The driver's end of the protocol, against a scripted master.
#include <gtest/gtest.h>

#include <sluice/streaming.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "client/context_core.h"
#include "client/stream_core.h"
#include "client_fake_cluster.h"

namespace sluice {
namespace {

Conf localConf() { return Conf().setMaster("local[2]").setAppName("test"); }

template <class F> std::pair<ErrorKind, std::string> errorOf(F f) {
  try {
    f();
  } catch (const Error& e) {
    return {e.kind(), e.what()};
  }
  return {ErrorKind::kInvalidArgument, "nothing was thrown"};
}

// A result with these rows, in the message or at an executor.
std::shared_ptr<Envelope> done(std::uint64_t number, const std::vector<std::string>& parts, std::uint64_t executor = 0) {
  auto [e, body] = compose(&proto::Message::mutable_job_done);
  body->set_number(number), body->set_partitions(std::uint32_t(parts.size()));
  for (std::size_t p = 0; p < parts.size(); ++p) {
    auto& result = *body->add_results();
    result.set_partition(std::uint32_t(p)), result.set_rows(1), result.set_bytes(parts[p].size());
    if (executor != 0) {
      result.set_attachment(-1), result.set_executor(executor);
    } else {
      result.set_attachment(int(e->attachments.size()));
      e->attachments.push_back(Bytes::of(parts[p]));
    }
  }
  return e;
}

struct DriverTest : testing::Test {
  FakeCluster cluster;
  Context context{localConf()};
  std::uint64_t numberOf(const EnvelopePtr& e) { return e->message.run_job().number(); }
};

TEST_F(DriverTest, SubmitsWhatTheMasterMustKnow) {
  const auto& submit = cluster.sent[0]->message.submit();
  EXPECT_EQ(submit.name(), "test");
  EXPECT_NE(submit.nonce(), 0u);
  bool master = false;
  for (const auto& pair : submit.conf()) master = master || pair == "sluice.master=local[2]";
  EXPECT_TRUE(master);
  EXPECT_TRUE(cluster.sent[1]->message.has_subscribe());
}

TEST_F(DriverTest, ResultsInTheMessage) {
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_run_job()) return false;
    cluster.tell(done(numberOf(e), {encoded(std::string("a")), encoded(std::string("b"))}));
    return true;
  };
  EXPECT_EQ(context.emptyRDD<std::string>().collect(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(DriverTest, ResultsAtExecutorsComeInPieces) {
  cluster.answer = [&](const EnvelopePtr& e) {
    if (e->message.has_run_job()) {
      auto [m, members] = compose(&proto::Message::mutable_members);
      auto& member = *members->add_members();
      member.set_executor(7), member.set_address("host:1");
      cluster.tell(m);
      cluster.tell(done(numberOf(e), {std::string(4, 'x')}, 7));
      return true;
    }
    if (!e->message.has_get()) return false;
    for (bool more : {true, false}) {
      auto [g, got] = compose(&proto::Message::mutable_got);
      got->set_request(e->message.get().request()), got->set_present(true), got->set_more(more), got->set_rows(1);
      std::string row = encoded(std::string("a long result"));
      g->attachments.push_back(Bytes::of(more ? row.substr(0, 3) : row.substr(3)));
      cluster.driver->onMessage({Role::kExecutor, 7}, g);
    }
    return true;
  };
  EXPECT_EQ(context.emptyRDD<std::string>().collect(), (std::vector<std::string>{"a long result"}));
}

TEST_F(DriverTest, AJobRunsAgainWhenItsResultsAreGone) {
  int jobs = 0;
  cluster.answer = [&](const EnvelopePtr& e) {
    if (e->message.has_run_job()) {
      auto [m, members] = compose(&proto::Message::mutable_members);
      members->add_members()->set_executor(7);
      cluster.tell(m);
      ++jobs;
      cluster.tell(jobs < 3 ? done(numberOf(e), {"x"}, 7) : done(numberOf(e), {encoded(5)}));
      return true;
    }
    if (!e->message.has_get()) return false;
    auto [g, got] = compose(&proto::Message::mutable_got);
    got->set_request(e->message.get().request());
    if (jobs == 1) cluster.driver->onMessage({Role::kExecutor, 7}, g);
    else cluster.driver->onSession({Role::kExecutor, 7}, false);
    return true;
  };
  EXPECT_EQ(context.emptyRDD<int>().collect(), (std::vector<int>{5}));
  EXPECT_EQ(jobs, 3);
}

TEST_F(DriverTest, FailuresAreTypedAndNameThePlace) {
  auto fail = [&](proto::Domain domain) {
    cluster.answer = [&, domain](const EnvelopePtr& e) {
      if (!e->message.has_run_job()) return false;
      auto [f, failed] = compose(&proto::Message::mutable_job_failed);
      failed->set_number(numberOf(e)), failed->set_domain(domain), failed->set_message("why"), failed->set_site("map at x.cc:1");
      cluster.tell(f);
      return true;
    };
    return errorOf([&] { context.emptyRDD<int>().count(); });
  };
  EXPECT_EQ(fail(proto::DOMAIN_USER), std::pair(ErrorKind::kUserCode, std::string("map at x.cc:1: why")));
  EXPECT_EQ(fail(proto::DOMAIN_LOST).first, ErrorKind::kLost);
  EXPECT_EQ(fail(proto::DOMAIN_SYSTEM).first, ErrorKind::kUnavailable);
}

TEST_F(DriverTest, AfterABrokenSessionEverythingIsAskedAgainUnderItsNumber) {
  std::vector<std::uint64_t> numbers;
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_run_job()) return false;
    numbers.push_back(numberOf(e));
    EXPECT_TRUE(e->message.run_job().has_plan());
    if (numbers.size() == 1) {
      cluster.driver->onSession(kMasterPeer, false);
      cluster.driver->onSession(kMasterPeer, true);
    } else {
      cluster.tell(done(numbers.back(), {encoded(std::int64_t(4))}));
    }
    return true;
  };
  auto value = context.broadcast(std::string("shared"));
  EXPECT_EQ(context.emptyRDD<int>().map([value](int x) { return x + int(value->size()); }).count(), 4);
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{1, 1}));
  int submits = 0, shares = 0;
  for (const auto& e : cluster.sent) submits += e->message.has_submit(), shares += e->message.has_share();
  EXPECT_EQ(submits, 2);
  EXPECT_EQ(shares, 2);
  EXPECT_EQ(cluster.jobs()[0].captures().broadcasts_size(), 1);
  EXPECT_EQ(cluster.jobs()[0].captures().broadcasts(0), value.id());
}

TEST_F(DriverTest, ANewSessionAsksForTheLinesThatWereNotSeen) {
  auto asked = [&] {
    std::vector<std::uint64_t> from;
    for (const auto& envelope : cluster.sent) {
      if (envelope->message.has_subscribe()) from.push_back(envelope->message.subscribe().from());
    }
    return from;
  };
  EXPECT_EQ(asked(), std::vector<std::uint64_t>{0});
  auto [envelope, lines] = compose(&proto::Message::mutable_lines);
  lines->set_text("0123456789");
  cluster.tell(std::move(envelope));
  EXPECT_EQ(cluster.printed, "0123456789");
  cluster.driver->onSession(kMasterPeer, false);
  cluster.driver->onSession(kMasterPeer, true);
  EXPECT_EQ(asked(), (std::vector<std::uint64_t>{0, 10}));
}

TEST_F(DriverTest, ANewSessionSaysHowManyExecutorsAreWantedFirst) {
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_scale_executors()) return false;
    auto [s, scaled] = compose(&proto::Message::mutable_scaled);
    scaled->set_request(e->message.scale_executors().request()), scaled->set_done(true);
    if (e->message.scale_executors().end_size() == 0) scaled->set_total(3);
    cluster.tell(s);
    return true;
  };
  auto submitAgain = [&] {
    cluster.sent.clear();
    cluster.driver->onSession(kMasterPeer, false);
    cluster.driver->onSession(kMasterPeer, true);
    for (const auto& e : cluster.sent) EXPECT_FALSE(e->message.has_scale_executors());
    return cluster.sent.at(0)->message.submit();
  };
  proto::ScaleExecutors what;
  what.add_end(7);
  context.core()->driver().scale(what);
  EXPECT_FALSE(submitAgain().has_executors()) << "no number was set";
  what.Clear(), what.set_total(3);
  context.core()->driver().scale(what);
  EXPECT_EQ(submitAgain().executors(), 3u);
}

// What jobs may leave behind has the names of the reading nodes, and the job after the last handle says that they are gone.
TEST_F(DriverTest, ShufflesAreNamedAndLetGo) {
  auto ids = [&](std::size_t job) {
    const proto::RunJob run = cluster.jobs().at(job);
    return std::vector<std::uint32_t>(run.exchange_ids().begin(), run.exchange_ids().end());
  };
  auto gone = [&](std::size_t job) {
    const proto::RunJob run = cluster.jobs().at(job);
    return std::vector<std::uint32_t>(run.gone().begin(), run.gone().end());
  };
  auto sums = [&] { return context.range(0, 4).map([](std::int64_t n) { return std::pair(n, n); }).reduceByKey(std::plus<>()); };
  std::vector<std::uint32_t> first;
  {
    auto mine = sums();
    mine.collect(), mine.collect();
    first = ids(0);
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(ids(1), first);
    auto other = sums();
    other.collect();
    EXPECT_NE(ids(2), first) << "of equal structure";
    EXPECT_EQ(cluster.jobs()[2].exchange_nodes(0), cluster.jobs()[0].exchange_nodes(0)) << "whose plan has the ids of the first";
    sums();  // never read: nothing of it is anywhere
  }
  EXPECT_TRUE(gone(2).empty());
  context.range(0, 4).collect();
  auto told = gone(3);
  EXPECT_EQ(told.size(), 2u);
  EXPECT_TRUE(std::count(told.begin(), told.end(), first[0]));
  context.range(0, 4).collect();
  EXPECT_TRUE(gone(4).empty()) << "told once";
}

TEST_F(DriverTest, WhatIsGoneIsToldAgainInANewSession) {
  context.range(0, 4).map([](std::int64_t n) { return std::pair(n, n); }).reduceByKey(std::plus<>()).collect();
  bool broken = false;
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_run_job() || std::exchange(broken, true)) return false;
    cluster.driver->onSession(kMasterPeer, false);
    cluster.driver->onSession(kMasterPeer, true);
    return true;
  };
  context.range(0, 4).collect();
  ASSERT_EQ(cluster.jobs().size(), 3u);
  EXPECT_EQ(cluster.jobs()[1].gone_size(), 1);
  EXPECT_EQ(cluster.jobs()[2].gone_size(), 1);
}

TEST_F(DriverTest, ACheckpointLetsItsShuffleGo) {
  std::string directory = ::testing::TempDir() + "/sluice-driver-test-" + std::to_string(::getpid());
  context.setCheckpointDir(directory);
  auto sums = context.range(0, 4).map([](std::int64_t n) { return std::pair(n, n); }).reduceByKey(std::plus<>());
  sums.collect();
  sums.localCheckpoint();
  sums.collect();
  std::size_t jobs = cluster.jobs().size();
  context.range(0, 4).collect();
  EXPECT_EQ(cluster.jobs()[jobs].gone_size(), 1);
  std::filesystem::remove_all(directory);
}

TEST(DriverConf, WithoutReuseNothingIsNamed) {
  FakeCluster cluster;
  Context context(localConf().set("sluice.shuffle.reuse", "false"));
  context.range(0, 4).map([](std::int64_t n) { return std::pair(n, n); }).reduceByKey(std::plus<>()).collect();
  EXPECT_EQ(cluster.jobs()[0].exchange_ids_size(), 0);
  context.range(0, 4).collect();
  EXPECT_EQ(cluster.jobs()[1].gone_size(), 0);
}

TEST_F(DriverTest, ALostMasterFailsWhatWaits) {
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_run_job()) return false;
    cluster.driver->lost("the master at host:1 cannot be reached");
    return true;
  };
  EXPECT_EQ(errorOf([&] { context.emptyRDD<int>().count(); }), std::pair(ErrorKind::kUnavailable, std::string("the master at host:1 cannot be reached")));
  EXPECT_EQ(errorOf([&] { context.emptyRDD<int>().count(); }).first, ErrorKind::kUnavailable);
}

TEST_F(DriverTest, AKilledApplicationSaysSo) {
  auto [e, ended] = compose(&proto::Message::mutable_app_ended);
  ended->set_why("killed by the operator");
  cluster.tell(e);
  EXPECT_EQ(errorOf([&] { context.emptyRDD<int>().count(); }).second, "killed by the operator");
}

TEST_F(DriverTest, JobsCarryTheLocalPropertiesOfTheirThread) {
  context.setLocalProperty("color", "blue");
  context.setJobGroup("g", "what it does");
  context.emptyRDD<int>().count();
  std::map<std::string, std::string> properties;
  auto job = cluster.jobs().at(0);
  for (const auto& property : job.properties()) properties[property.key()] = property.value();
  EXPECT_EQ(properties, (std::map<std::string, std::string>{{"color", "blue"}, {"sluice.jobGroup.id", "g"}, {"sluice.job.description", "what it does"},
                                                            {"sluice.job.interruptOnCancel", "false"}}));
}

TEST_F(DriverTest, ACancelledJobIsAskedToEndAgainInANewSession) {
  std::vector<std::string> asked;
  cluster.answer = [&](const EnvelopePtr& e) {
    if (e->message.has_run_job()) {
      asked.push_back("run " + std::to_string(numberOf(e)));
      if (asked.size() > 1) return true;
      context.cancelJob(1, "it is too slow");
      cluster.driver->onSession(kMasterPeer, false);
      cluster.driver->onSession(kMasterPeer, true);
      return true;
    }
    if (!e->message.has_cancel_job()) return false;
    asked.push_back("cancel " + std::to_string(e->message.cancel_job().number()));
    if (asked.size() < 4) return true;
    EXPECT_EQ(e->message.cancel_job().by().find("cancelJob at client_driver_test.cc:"), 0u) << e->message.cancel_job().by();
    EXPECT_NE(e->message.cancel_job().by().find(": it is too slow"), std::string::npos);
    auto [f, failed] = compose(&proto::Message::mutable_job_failed);
    failed->set_number(1), failed->set_domain(proto::DOMAIN_CANCELLED), failed->set_message("job 1 was cancelled by somebody");
    cluster.tell(f);
    return true;
  };
  auto [kind, text] = errorOf([&] { context.emptyRDD<int>().count(); });
  EXPECT_EQ(kind, ErrorKind::kCancelled);
  EXPECT_EQ(text.find("count at client_driver_test.cc:"), 0u) << text;
  EXPECT_NE(text.find(": job 1 was cancelled by somebody"), std::string::npos) << text;
  EXPECT_EQ(asked, (std::vector<std::string>{"run 1", "cancel 1", "run 1", "cancel 1"}));
}

TEST_F(DriverTest, ACancelledActionBeginsNoMoreJobs) {
  std::promise<FutureAction<std::vector<int>>> promise;
  auto future = promise.get_future();
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_run_job()) return false;
    future.get().cancel();  // too late for this job
    auto d = done(numberOf(e), {});
    d->message.mutable_job_done()->set_partitions(20);
    cluster.tell(d);
    return true;
  };
  auto take = context.parallelize({1, 2, 3}, 20).takeAsync(2);
  promise.set_value(take);
  auto [kind, text] = errorOf([&] { take.get(); });
  EXPECT_EQ(kind, ErrorKind::kCancelled);
  EXPECT_NE(text.find(": job 2 was cancelled by FutureAction::cancel at client_driver_test.cc:"), std::string::npos) << text;
  EXPECT_EQ(cluster.jobs().size(), 1u);
}

TEST_F(DriverTest, AccumulatorsAreMerged) {
  auto sum = context.longAccumulator();
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_run_job()) return false;
    auto d = done(numberOf(e), {});
    for (std::int64_t n : {3, 4}) {
      auto& update = *d->message.mutable_job_done()->add_updates();
      update.set_id(sum.id()), update.set_value(encoded(n));
    }
    cluster.tell(d);
    return true;
  };
  context.emptyRDD<int>().foreach([sum](int x) { sum += x; });
  EXPECT_EQ(sum.value(), 7);
}

TEST_F(DriverTest, TakeAsksForPartitionsBitByBit) {
  std::vector<int> asked;
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_run_job()) return false;
    asked.push_back(e->message.run_job().partitions_size());
    auto d = done(numberOf(e), asked.size() == 2 ? std::vector<std::string>{encoded(1), encoded(2), encoded(3)} : std::vector<std::string>{});
    d->message.mutable_job_done()->set_partitions(20);
    cluster.tell(d);
    return true;
  };
  EXPECT_EQ(context.parallelize({1, 2, 3}, 20).take(2), (std::vector<int>{1, 2}));
  EXPECT_EQ(asked, (std::vector<int>{1, 4}));
  asked.clear();
  context.parallelize({1, 2, 3}, 20).repartition(10).take(2);
  EXPECT_EQ(asked, (std::vector<int>{0})) << "all at once behind an exchange";
}

TEST_F(DriverTest, ContextsEndTheApplication) {
  context.stop();
  EXPECT_TRUE(cluster.sent.back()->message.has_end_app());
  EXPECT_FALSE(cluster.sent.back()->message.end_app().failed());
  context.stop();
  Context next(localConf());
  EXPECT_EQ(next.defaultParallelism(), 2u);
}

TEST(DriverEnds, AContextThatGoesSaysWhyOnlyIfItFailed) {
  FakeCluster cluster;
  auto last = [&] { return cluster.sent.back()->message.end_app(); };
  {
    Context context(localConf());
    context.range(0, 4).count();
  }
  EXPECT_FALSE(last().failed());
  EXPECT_EQ(last().why(), "");
  try {
    Context context(localConf());
    throw std::runtime_error("of the application");
  } catch (const std::runtime_error&) {
  }
  EXPECT_TRUE(last().failed());
  EXPECT_EQ(last().why(), "the application threw an exception");
}

TEST(DriverStreams, StopsGracefullyAndOnce) {
  FakeCluster cluster;
  StreamingContext ssc(localConf(), Seconds(1));
  ssc.socketTextStream("localhost", 9999).print();
  ssc.start();
  ssc.stop(true, true);
  int drains = 0;
  for (const auto& e : cluster.sent) drains += e->message.has_drain();
  EXPECT_EQ(drains, 1);
  EXPECT_TRUE(cluster.sent.back()->message.has_end_app());
  ssc.awaitTermination();
}

TEST(DriverStreams, AnEndedStreamTellsWhy) {
  FakeCluster cluster;
  StreamingContext ssc(localConf(), Seconds(1));
  ssc.socketTextStream("localhost", 9999).print();
  ssc.start();
  auto [e, stopped] = compose(&proto::Message::mutable_stream_stopped);
  stopped->set_stream(1), stopped->set_error("state of batch 5000 ms cannot be computed");
  cluster.tell(e);
  EXPECT_EQ(errorOf([&] { ssc.awaitTermination(); }).second, "state of batch 5000 ms cannot be computed");
}

TEST(DriverStreams, AStreamThatTheMasterRefusesLeavesTheContextStopped) {
  FakeCluster cluster;
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_start_stream()) return false;
    auto [s, started] = compose(&proto::Message::mutable_stream_started);
    started->set_stream(1), started->set_error("the checkpoint is of another program");
    cluster.tell(s);
    return true;
  };
  StreamingContext ssc(localConf(), Seconds(1));
  ssc.socketTextStream("localhost", 9999).print();
  EXPECT_EQ(errorOf([&] { ssc.start(); }), std::pair(ErrorKind::kIllegalState, std::string("the checkpoint is of another program")));
  EXPECT_EQ(ssc.getState(), StreamingContextState::kStopped);
}

TEST(DriverStreams, GracefulStopInsideAFunctionIsRefused) {
  FakeCluster cluster;
  StreamingContext ssc(localConf(), Seconds(1));
  std::string said;
  ssc.socketTextStream("localhost", 9999).foreachRDD([&](const auto&) {
    said = errorOf([&] { ssc.stop(true, true); }).second;
    ssc.stop(false, false);
  });
  ssc.start();
  auto [e, run] = compose(&proto::Message::mutable_run_output);
  run->set_app(1), run->set_stream(1), run->set_when_ms(2000);
  cluster.tell(e);
  ssc.awaitTermination();
  EXPECT_NE(said.find("would wait for itself"), std::string::npos) << said;
  EXPECT_EQ(ssc.getState(), StreamingContextState::kStopped);
}

TEST(DriverStarts, OneThatIsStartedAgainCountsItsJobsApart) {
  FakeCluster cluster;
  cluster.answer = [&](const EnvelopePtr& e) {
    if (!e->message.has_submit()) return false;
    auto [s, submitted] = compose(&proto::Message::mutable_submitted);
    submitted->set_app(1), submitted->set_attempt(3);
    cluster.tell(s);
    return true;
  };
  Context context(localConf());
  context.emptyRDD<int>().count();
  EXPECT_EQ(cluster.jobs().at(0).number(), (std::uint64_t(2) << 32) + 1);
}

TEST(DriverStarts, AContextThatCannotBeMadeHasFailed) {
  FakeCluster cluster;
  auto [kind, text] = errorOf([] { Context context(localConf().set("sluice.archives", "/nowhere/a.zip")); });
  EXPECT_EQ(kind, ErrorKind::kInvalidArgument);
  ASSERT_TRUE(cluster.sent.back()->message.has_end_app());
  EXPECT_TRUE(cluster.sent.back()->message.end_app().failed());
  EXPECT_EQ(cluster.sent.back()->message.end_app().why(), text);
  EXPECT_NE(text.find("addArchive: there is no file '/nowhere/a.zip'"), std::string::npos) << text;
}

TEST(Applications, UsageIsShownForAMissingArgument) {
  ApplicationEntry entry{"Counter", nullptr, __FILE__, __LINE__, "HOST PORT"};
  Args args(&entry, {"localhost", "x9"});
  EXPECT_EQ(args.at(0), "localhost");
  EXPECT_EQ(args.get(5, "standard"), "standard");
  EXPECT_EQ(errorOf([&] { args.at(2); }).second, "needs at least 3 arguments, not 2; usage: Counter HOST PORT");
  EXPECT_NE(errorOf([&] { args.number(1); }).second.find("'x9', which is no whole number"), std::string::npos);
}

TEST(Applications, TheCommentAboveTheEntryIsTheUsageWhileItsSourceIsAtHand) {
  // Not this file: a compiler cache may have given it a name relative to another folder.
  std::string source = testing::TempDir() + "/usage_" + std::to_string(getpid()) + ".cc";
  std::ofstream(source) << "#include <x>\n// Of something else.\n\n// Counts words:\n// Counter HOST PORT\nSLUICE_APPLICATION(Counter) {}\n";
  ApplicationEntry commented{"Counter", nullptr, source.c_str(), 6};
  EXPECT_EQ(errorOf([&] { Args(&commented, {}).at(0); }).second, "needs at least 1 argument, not 0; Counts words: Counter HOST PORT");
  std::remove(source.c_str());
  EXPECT_EQ(errorOf([&] { Args(&commented, {}).at(0); }).second, "needs at least 1 argument, not 0");
}

}  // namespace
}  // namespace sluice
