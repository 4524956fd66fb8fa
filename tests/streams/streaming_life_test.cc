// The life of a StreamingContext: what may be done when, and what is said otherwise.
#include <gtest/gtest.h>

#include <sluice/streaming_listener.h>
#include <sluice/testing.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::thrownBy;
using testing::Cluster;
using testing::Shape;

std::string saidBy(const std::function<void()>& f) {
  ::testing::internal::CaptureStderr();
  f();
  return ::testing::internal::GetCapturedStderr();
}

Conf localConf() { return Conf().setMaster("local[2]").setAppName("test"); }
void define(StreamingContext& ssc) {
  RDDQueue<int> none;
  ssc.queueStream(none).print();
}

TEST(StreamingLife, BeginsDefinableAndEndsStopped) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  EXPECT_EQ(ssc.getState(), StreamingContextState::kInitialized);
  EXPECT_FALSE(ssc.isStopped());
  define(ssc);
  ssc.start();
  EXPECT_EQ(ssc.getState(), StreamingContextState::kActive);
  ssc.stop();
  EXPECT_EQ(ssc.getState(), StreamingContextState::kStopped);
  EXPECT_TRUE(ssc.isStopped());
  EXPECT_TRUE(ssc.context().isStopped());
  EXPECT_EQ(ssc.sparkContext().applicationId(), ssc.context().applicationId());
  EXPECT_TRUE(ssc.awaitTerminationOrTimeout(Milliseconds(0))) << "at once, when it is stopped";
  ssc.awaitTermination();
}

TEST(StreamingLife, MayBeStoppedBeforeItWasStarted) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  define(ssc);
  ssc.stop();
  EXPECT_TRUE(ssc.isStopped());
  EXPECT_EQ(thrownBy([&] { ssc.start(); }), std::pair(ErrorKind::kIllegalState, std::string("a stopped StreamingContext cannot be started again; make a new one")));
}

TEST(StreamingLife, ASecondStartIsAWarning) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  define(ssc);
  ssc.start();
  EXPECT_EQ(saidBy([&] { ssc.start(); }), "sluice: the StreamingContext has been started already\n");
  EXPECT_EQ(ssc.getState(), StreamingContextState::kActive);
  ssc.stop();
}

TEST(StreamingLife, NothingCanBeAddedLater) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  RDDQueue<int> none;
  auto numbers = ssc.queueStream(none);
  numbers.print();
  ssc.start();
  auto active = [](auto f) { return thrownBy(f).second.find("cannot be added after a StreamingContext was started") != std::string::npos; };
  EXPECT_TRUE(active([&] { ssc.queueStream(none); }));
  EXPECT_TRUE(active([&] { numbers.map([](int n) { return n; }); }));
  EXPECT_TRUE(active([&] { numbers.print(); }));
  EXPECT_TRUE(active([&] { numbers.window(Seconds(1)); }));
  EXPECT_TRUE(active([&] { numbers.union_(numbers); }));
  EXPECT_TRUE(active([&] { numbers.transform([](const RDD<int>& rdd) { return rdd; }); }));
  EXPECT_TRUE(active([&] { numbers.transform([](const RDD<int>& rdd, Time) { return rdd; }); }));
  EXPECT_TRUE(active([&] { numbers.persist(StorageLevel::DISK_ONLY); }));
  EXPECT_TRUE(active([&] { numbers.cache(); }));
  EXPECT_TRUE(active([&] { numbers.checkpoint(Seconds(1)); }));
  EXPECT_TRUE(active([&] { ssc.checkpoint("/tmp/x"); }));
  EXPECT_TRUE(active([&] { ssc.remember(Seconds(1)); }));
  ssc.stop(false);
  auto stopped = [](auto f) { return thrownBy(f).second.find("cannot be added after a StreamingContext was stopped") != std::string::npos; };
  EXPECT_TRUE(stopped([&] { ssc.queueStream(none); }));
  EXPECT_TRUE(stopped([&] { numbers.print(); }));
  EXPECT_TRUE(stopped([&] { numbers.map([](int n) { return n; }); }));
  ssc.stop();
}

TEST(StreamingLife, StoppedAgainItWarnsButStillStopsTheContext) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  define(ssc);
  ssc.start();
  ssc.stop(false);
  EXPECT_FALSE(ssc.context().isStopped());
  EXPECT_EQ(saidBy([&] { ssc.stop(false); }), "sluice: the StreamingContext has been stopped already\n");
  EXPECT_EQ(ssc.context().range(0, 5).count(), 5);
  EXPECT_EQ(saidBy([&] { ssc.stop(true); }), "");
  EXPECT_TRUE(ssc.context().isStopped());
}

TEST(StreamingLife, WhatStopStopsIsASetting) {
  {
    StreamingContext ssc(localConf().set("sluice.streaming.stopContextByDefault", false), Milliseconds(50));
    define(ssc);
    ssc.start();
    ssc.stop();
    EXPECT_TRUE(ssc.isStopped());
    EXPECT_FALSE(ssc.context().isStopped());
  }
  StreamingContext ssc(localConf(), Milliseconds(50));
  define(ssc);
  ssc.stop();
  EXPECT_TRUE(ssc.context().isStopped());
}

TEST(StreamingLife, OneContextMayHaveOneStreamAfterTheOther) {
  for (Shape shape : {Shape::kLocal1, Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    const Context& context = cluster.context();
    for (int i = 0; i < 3; ++i) {
      StreamingContext ssc(context, Seconds(1));
      define(ssc);
      ssc.start();
      EXPECT_EQ(ssc.getState(), StreamingContextState::kActive) << nameOf(shape);
      ssc.stop(false);
      EXPECT_EQ(context.range(0, 5).count(), 5) << nameOf(shape);
    }
  }
}

TEST(StreamingLife, OnlyOneIsStartedAtATime) {
  Context context(localConf());
  StreamingContext first(context, Milliseconds(50)), second(context, Milliseconds(50));
  define(first), define(second);
  first.start();
  int line = __LINE__ - 1;
  EXPECT_EQ(thrownBy([&] { second.start(); }),
            std::pair(ErrorKind::kIllegalState, "only one StreamingContext may be started in a process: one was, at streaming_life_test.cc:" +
                                                    std::to_string(line) + "; stop it first"));
  EXPECT_EQ(second.getState(), StreamingContextState::kInitialized) << "that alone leaves it as it is";
  first.stop(false);
  second.start();
  EXPECT_EQ(second.getState(), StreamingContextState::kActive);
  second.stop(false);
}

TEST(StreamingLife, AStartThatFailsLeavesItStopped) {
  Context context(localConf());
  StreamingContext ssc(context, Milliseconds(50));
  RDDQueue<int> none;
  ssc.queueStream(none).map([](int n) { return n; });
  EXPECT_EQ(thrownBy([&] { ssc.start(); }).second, "No output operations registered, so nothing to execute");
  EXPECT_TRUE(ssc.isStopped());
  StreamingContext next(context, Milliseconds(50));
  define(next);
  next.start();
  EXPECT_EQ(next.getState(), StreamingContextState::kActive);
  next.stop(false);
}

TEST(StreamingLife, IntervalsAreChecked) {
  EXPECT_EQ(thrownBy([] { StreamingContext(localConf(), Seconds(0)); }).second, "StreamingContext: the batch interval is 0 ms; it must be above 0");
  Context context(localConf());
  context.stop();
  EXPECT_NE(thrownBy([&] { StreamingContext ssc(context, Seconds(1)); }).second.find("is stopped"), std::string::npos);
}

TEST(StreamingLife, RememberIsSaidOnce) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  ssc.remember(Seconds(1));
  ssc.remember(Seconds(1));
  EXPECT_EQ(thrownBy([&] { ssc.remember(Seconds(2)); }).second, "remember: set already, to 1000 ms");
}

TEST(StreamingLife, TheCheckpointDirectoryMayBeASetting) {
  std::string directory = testing::temporaryDirectory() + "/made";
  auto sums = [](StreamingContext& ssc) {
    ssc.queueStream(RDDQueue<std::pair<int, int>>()).updateStateByKey([](const std::vector<int>& values, std::optional<int> state) {
      return std::optional<int>(state.value_or(0) + int(values.size()));
    }).print();
  };
  {
    StreamingContext ssc(localConf().set("sluice.streaming.checkpoint.directory", directory), Milliseconds(50));
    sums(ssc);
    std::string said = saidBy([&] { ssc.start(); });
    EXPECT_NE(said.find(": what is in the queue is in no checkpoint; a restored stream begins with what its program pushes\n"), std::string::npos) << said;
    ssc.stop();
    EXPECT_TRUE(std::filesystem::is_directory(directory));
  }
  StreamingContext none(localConf().set("sluice.streaming.checkpoint.directory", directory), Milliseconds(50));
  none.checkpoint("");
  sums(none);
  EXPECT_NE(thrownBy([&] { none.start(); }).second.find("keeps state, which needs a checkpoint directory"), std::string::npos) << "an empty name takes it back";
}

TEST(StreamingLife, ACheckpointDirectoryThatCannotBeMade) {
  std::string file = testing::temporaryDirectory() + "/file";
  std::ofstream(file) << "x";
  StreamingContext ssc(localConf(), Milliseconds(50));
  ssc.checkpoint(file + "/below");
  define(ssc);
  EXPECT_EQ(thrownBy([&] { ssc.start(); }), std::pair(ErrorKind::kInvalidArgument, "checkpoint: " + file + "/below cannot be made: Not a directory"));
  EXPECT_TRUE(ssc.isStopped());
}

TEST(StreamingLife, ByMasterAndName) {
  StreamingContext ssc("local[1]", "by name", Milliseconds(50));
  EXPECT_EQ(ssc.context().appName(), "by name");
}

TEST(StreamingLife, ATimeoutIsNoEnd) {
  StreamingContext ssc(localConf(), Milliseconds(50));
  define(ssc);
  ssc.start();
  EXPECT_FALSE(ssc.awaitTerminationOrTimeout(Milliseconds(1)));
  EXPECT_FALSE(ssc.awaitTerminationOrTimeout(1));
  std::thread stopper([&] { ssc.stop(); });
  ssc.awaitTermination();
  stopper.join();
}

// Receives until the test lets it go, and never asks whether it is stopped.
std::atomic<bool> deafBegan{false}, deafMayEnd{false};
struct Deaf : Receiver<int> {
  void onStart() override {
    deafBegan = true, deafBegan.notify_all();
    deafMayEnd.wait(false);
  }
};

TEST(StreamingLife, AReceiverThatDoesNotHearOfTheStopHoldsNothingUp) {
  Context context(localConf().set("sluice.streaming.gracefulStopTimeout", "100ms"));
  {
    StreamingContext ssc(context, Milliseconds(50));
    ssc.receiverStream<Deaf>().print();
    ssc.start();
    deafBegan.wait(false);
    std::string said = saidBy([&] { ssc.stop(false, true); });
    EXPECT_NE(said.find("the graceful stop did not end within 100 ms"), std::string::npos) << said;
    EXPECT_TRUE(ssc.isStopped());
    EXPECT_EQ(context.range(0, 5).count(), 5);
  }
  deafMayEnd = true, deafMayEnd.notify_all();
}

// ---- getActive and its kin ----

TEST(StreamingLife, TheActiveOneCanBeHad) {
  EXPECT_FALSE(StreamingContext::getActive());
  StreamingContext ssc(localConf(), Milliseconds(50));
  define(ssc);
  EXPECT_FALSE(StreamingContext::getActive()) << "it is not started yet";
  ssc.start();
  {
    auto active = StreamingContext::getActive();
    ASSERT_TRUE(active);
    EXPECT_EQ(active->context().applicationId(), ssc.context().applicationId());
    auto moved = std::move(*active);
    EXPECT_EQ(moved.getState(), StreamingContextState::kActive);
  }
  EXPECT_EQ(ssc.getState(), StreamingContextState::kActive) << "the end of another handle is not its own";
  StreamingContext::getActive()->stop();
  EXPECT_TRUE(ssc.isStopped());
  EXPECT_FALSE(StreamingContext::getActive());
}

TEST(StreamingLife, GetActiveOrCreate) {
  int made = 0;
  auto create = [&] {
    ++made;
    StreamingContext ssc(localConf(), Milliseconds(50));
    define(ssc);
    return ssc;
  };
  std::string directory = testing::temporaryDirectory();
  {
    StreamingContext first = StreamingContext::getActiveOrCreate(create);
    EXPECT_EQ(first.getState(), StreamingContextState::kInitialized);
    first.start();
    StreamingContext::getActiveOrCreate(create).context();
    StreamingContext::getActiveOrCreate(directory, create).context();
    EXPECT_EQ(made, 1);
    EXPECT_EQ(first.getState(), StreamingContextState::kActive);
  }
  StreamingContext second = StreamingContext::getActiveOrCreate(directory, create);
  EXPECT_EQ(made, 2);
}

TEST(StreamingLife, GetOrCreateSetsTheDirectoryOrComparesIt) {
  std::string directory = testing::temporaryDirectory();
  auto create = [&](const std::string& own) {
    return [own] {
      StreamingContext ssc(localConf(), Milliseconds(50));
      if (!own.empty()) ssc.checkpoint(own);
      RDDQueue<std::pair<int, int>> none;
      ssc.queueStream(none).updateStateByKey([](const std::vector<int>& values, std::optional<int> state) { return std::optional<int>(state.value_or(0) + int(values.size())); }).print();
      return ssc;
    };
  };
  for (std::string own : {std::string(), directory, directory + "/."}) {
    StreamingContext ssc = StreamingContext::getOrCreate(directory, create(own));
    ssc.start();  // state needs a directory
    ssc.stop();
  }
  EXPECT_EQ(thrownBy([&] { StreamingContext::getOrCreate(directory, create("/elsewhere")); }).second,
            "getOrCreate: the checkpoint directory is " + directory + ", but the new context has /elsewhere");
  EXPECT_EQ(thrownBy([&] { StreamingContext::getOrCreate("", create("")); }).second, "getOrCreate: the checkpoint directory has no name");
}

// The function is called each time, and what it makes goes on where the last one stopped.
TEST(StreamingLife, GetOrCreateGoesOnFromACheckpoint) {
  std::string directory = testing::temporaryDirectory();
  static std::atomic<long> last;
  int made = 0;
  auto create = [&] {
    ++made;
    StreamingContext ssc(localConf(), Milliseconds(50));
    RDDQueue<std::pair<int, long>> queue;
    for (int i = 0; i < 3; ++i) queue.push(ssc.context().parallelize({std::pair(1, 1L)}, 1));
    ssc.queueStream(queue)
        .updateStateByKey([](const std::vector<long>& values, std::optional<long> state) {
          long sum = state.value_or(0);
          for (long v : values) sum += v;
          return std::optional<long>(sum);
        })
        .uid("sums")
        .foreachRDD([](const auto& rdd) {
          for (const auto& [key, sum] : rdd.collect()) last = sum;
        });
    return ssc;
  };
  for (long round = 1; round <= 2; ++round) {
    StreamingContext ssc = StreamingContext::getOrCreate(directory, create);
    ssc.start();
    while (last < 3 * round) ASSERT_FALSE(ssc.awaitTerminationOrTimeout(Milliseconds(5)));
    ssc.stop(true, true);
  }
  EXPECT_EQ(made, 2);
  EXPECT_EQ(last, 6);
}

}  // namespace
}  // namespace sluice
