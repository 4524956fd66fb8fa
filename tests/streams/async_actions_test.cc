// Actions in the background, on every shape of the test kit.
#include <gtest/gtest.h>

#include <sluice/testing.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::thrownBy;
using testing::Cluster;
using testing::Shape;

constexpr Shape kAll[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

std::atomic<int> tasksBegun{0};
void waitForTasks(int count) {
  for (int begun = tasksBegun; begun < count; begun = tasksBegun) tasksBegun.wait(begun);
}
std::int64_t untilCancelled(std::int64_t x) {
  ++tasksBegun;
  tasksBegun.notify_all();
  while (!currentTask()->cancelled()) std::this_thread::yield();
  return x;
}

TEST(AsyncActions, GiveWhatTheBlockingOnesGive) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    auto numbers = cluster.context().range(0, 100, 1, 10);
    auto lines = numbers.map([](std::int64_t n) { return std::to_string(n); });
    auto count = numbers.countAsync();
    auto collect = lines.collectAsync();
    auto take = numbers.takeAsync(25);
    EXPECT_EQ(count.get(), 100) << nameOf(shape);
    EXPECT_EQ(collect.get().size(), 100u);
    EXPECT_EQ(collect.get().back(), "99");
    EXPECT_EQ(take.get().size(), 25u);
    EXPECT_EQ(take.get().back(), 24);
    EXPECT_EQ(numbers.countAsync().get(), 100) << "of a temporary";
    EXPECT_TRUE(count.isCompleted());
    EXPECT_FALSE(count.isCancelled());
    EXPECT_EQ(cluster.context().emptyRDD<int>().collectAsync().get().size(), 0u);
  }
}

TEST(AsyncActions, ForeachRunsForItsEffects) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    auto sum = cluster.context().longAccumulator(), parts = cluster.context().longAccumulator();
    auto numbers = cluster.context().range(0, 100, 1, 10);
    auto each = numbers.foreachAsync([sum](std::int64_t n) { sum += n; });
    auto all = numbers.foreachPartitionAsync([parts](Iterator<std::int64_t>& records) {
      for (auto n : records) (void)n;
      parts += 1;
    });
    each.get();
    all.get();
    EXPECT_EQ(sum.value(), 4950) << nameOf(shape);
    EXPECT_EQ(parts.value(), 10) << nameOf(shape);
  }
}

TEST(AsyncActions, NameTheirJobs) {
  Cluster cluster(Shape::kLocal4);
  auto numbers = cluster.context().range(0, 100, 1, 10);
  auto count = numbers.countAsync();
  count.get();
  EXPECT_EQ(count.jobIds(), (std::vector<std::int64_t>{1}));
  auto take = numbers.takeAsync(25);
  take.get();
  EXPECT_EQ(take.jobIds(), (std::vector<std::int64_t>{2, 3})) << "the first partition, then four more";
}

TEST(AsyncActions, HaveTheLocalPropertiesOfTheirCaller) {
  Cluster cluster(Shape::kLocal4);
  auto color = [](std::int64_t) { return std::string(currentTask()->getLocalProperty("color").value_or("none")); };
  cluster.context().setLocalProperty("color", "blue");
  auto blue = cluster.context().range(0, 1, 1, 1).map(color).collectAsync();
  cluster.context().setLocalProperty("color", "red");
  EXPECT_EQ(blue.get()[0], "blue");
}

TEST(AsyncActions, RunSideBySide) {
  Cluster cluster(Shape::kLocal4);
  tasksBegun = 0;
  auto numbers = cluster.context().range(0, 1, 1, 1);
  auto first = numbers.map(untilCancelled).countAsync(), second = numbers.map(untilCancelled).countAsync();
  waitForTasks(2);
  EXPECT_EQ(numbers.count(), 1);
  first.cancel(), second.cancel();
  EXPECT_EQ(thrownBy([&] { first.get(); }).first, ErrorKind::kCancelled);
  EXPECT_EQ(thrownBy([&] { second.get(); }).first, ErrorKind::kCancelled);
}

TEST(AsyncActions, ACancelledOneSaysSo) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kInProcess}) {
    Cluster cluster(shape);
    tasksBegun = 0;
    auto action = cluster.context().range(0, 4, 1, 4).map(untilCancelled).collectAsync();
    waitForTasks(1);
    EXPECT_FALSE(action.isCompleted());
    EXPECT_FALSE(action.isCancelled());
    EXPECT_FALSE(action.wait(Milliseconds(1)));
    auto late = thrownBy([&] { action.get(Milliseconds(1)); });
    EXPECT_EQ(late.first, ErrorKind::kUnavailable);
    EXPECT_EQ(late.second.find("collectAsync at async_actions_test.cc:"), 0u) << late.second;
    EXPECT_NE(late.second.find(" is not done after 1 ms"), std::string::npos) << late.second;
    action.cancel();
    action.cancel();
    EXPECT_TRUE(action.isCancelled());
    auto [kind, text] = thrownBy([&] { action.get(); });
    EXPECT_EQ(kind, ErrorKind::kCancelled);
    EXPECT_NE(text.find(": job 1 was cancelled by FutureAction::cancel at async_actions_test.cc:"), std::string::npos) << text;
    EXPECT_TRUE(action.isCompleted());
    EXPECT_EQ(cluster.context().range(0, 10).count(), 10) << "the context lives on";
  }
}

TEST(AsyncActions, ACancelledOneStopsInTheJobThatRuns) {
  Cluster cluster(Shape::kLocal1);
  tasksBegun = 0;
  auto take = cluster.context().range(0, 8, 1, 8).map([](std::int64_t n) { return n == 0 ? n : untilCancelled(n); }).takeAsync(3);
  waitForTasks(1);
  take.cancel();
  auto [kind, text] = thrownBy([&] { take.get(); });
  EXPECT_EQ(kind, ErrorKind::kCancelled);
  EXPECT_EQ(take.jobIds(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_NE(text.find("job 2 was cancelled"), std::string::npos) << text;
}

TEST(AsyncActions, ACancelledGroupCancelsThem) {
  Cluster cluster(Shape::kLocal4);
  tasksBegun = 0;
  cluster.context().setJobGroup("g", "");
  auto action = cluster.context().range(0, 1, 1, 1).map(untilCancelled).countAsync();
  cluster.context().clearJobGroup();
  waitForTasks(1);
  cluster.context().cancelJobGroup("g");
  EXPECT_NE(thrownBy([&] { action.get(); }).second.find("cancelJobGroup(\"g\")"), std::string::npos);
  EXPECT_FALSE(action.isCancelled()) << "not by its handle";
}

TEST(AsyncActions, CancellingWhatIsOverChangesNothing) {
  Cluster cluster(Shape::kLocal1);
  auto action = cluster.context().range(0, 10).countAsync();
  EXPECT_EQ(action.get(), 10);
  action.cancel();
  EXPECT_FALSE(action.isCancelled());
  EXPECT_EQ(action.get(), 10);
}

TEST(AsyncActions, ErrorsComeWithTheResult) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    auto action = cluster.context().range(0, 10).map([](std::int64_t n) {
      if (n == 7) throw std::runtime_error("seven is not allowed");
      return n;
    }).countAsync();
    EXPECT_TRUE(action.wait(Seconds(60))) << nameOf(shape);
    auto [kind, text] = thrownBy([&] { action.get(); });
    EXPECT_EQ(kind, ErrorKind::kUserCode) << nameOf(shape);
    EXPECT_NE(text.find("seven is not allowed"), std::string::npos);
    EXPECT_EQ(thrownBy([&] { action.get(); }).second, text) << "each time";
  }
}

TEST(AsyncActions, CallBackWhenTheyAreOver) {
  Cluster cluster(Shape::kLocal4);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::int64_t> seen;
  tasksBegun = 0;
  auto slow = cluster.context().range(0, 1, 1, 1).map(untilCancelled).countAsync();
  waitForTasks(1);
  auto note = [&](std::int64_t n) {
    std::lock_guard lock(mutex);
    seen.push_back(n);
    changed.notify_all();
  };
  slow.onComplete([&](const FutureAction<std::int64_t>& action) { note(action.isCancelled() ? -1 : action.get()); });
  slow.onComplete([&](const FutureAction<std::int64_t>&) -> void { throw std::runtime_error("a callback's error is its own"); });
  slow.cancel();
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !seen.empty(); });
  }
  EXPECT_EQ(seen, (std::vector<std::int64_t>{-1}));
  auto quick = cluster.context().range(0, 5).countAsync();
  quick.get();
  quick.onComplete([&](const auto& action) { note(action.get()); });
  EXPECT_EQ(seen, (std::vector<std::int64_t>{-1, 5})) << "at once, on this thread";
}

TEST(AsyncActions, EndWithTheirContext) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kInProcess}) {
    Cluster cluster(shape);
    Context context(cluster.context().core());
    tasksBegun = 0;
    auto action = context.range(0, 4, 1, 4).map(untilCancelled).countAsync();
    waitForTasks(1);
    std::pair<ErrorKind, std::string> blocked;
    std::thread other([&] { blocked = thrownBy([&] { context.range(0, 4, 1, 4).map(untilCancelled).count(); }); });
    if (shape == Shape::kInProcess) waitForTasks(6);
    context.stop();
    other.join();
    EXPECT_TRUE(action.isCompleted()) << nameOf(shape);
    auto [kind, text] = thrownBy([&] { action.get(); });
    EXPECT_EQ(kind, ErrorKind::kCancelled) << nameOf(shape);
    EXPECT_NE(text.find(": job 1 was cancelled by the end of its Context"), std::string::npos) << text;
    if (shape == Shape::kInProcess) {
      EXPECT_NE(blocked.second.find(": job 2 was cancelled by the end of its Context"), std::string::npos) << blocked.second;
    }
    EXPECT_NE(thrownBy([&] { context.range(0, 4).countAsync(); }).second.find("is stopped"), std::string::npos);
  }
}

TEST(AsyncActions, AContextMayBeStoppedByACallback) {
  Cluster cluster(Shape::kLocal4);
  Context context(cluster.context().core());
  std::atomic<bool> stopped{false};
  context.range(0, 4).countAsync().onComplete([&](const auto&) {
    context.stop();
    stopped = true;
    stopped.notify_all();
  });
  stopped.wait(false);
  EXPECT_TRUE(context.isStopped());
}

TEST(AsyncActions, AContextCannotBeStoppedByItsOwnTasks) {
  Cluster cluster(Shape::kLocal1);
  static Context* all = nullptr;
  Context context(cluster.context().core());
  all = &context;
  auto said = context.range(0, 1, 1, 1).map([](std::int64_t) { return thrownBy([] { all->stop(); }).second; }).collect();
  EXPECT_EQ(said[0], "a Context cannot be stopped inside a task; stop it in the driver");
  auto nested = context.range(0, 1, 1, 1).map([](std::int64_t) { return thrownBy([] { all->emptyRDD<int>().countAsync(); }).second; }).collect();
  EXPECT_EQ(nested[0], "countAsync: an RDD cannot be used inside a task; broadcast the data, or join");
}

TEST(AsyncActions, AContextCannotBeStoppedByItsOwnFunctions) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    std::string said;
    Context context(cluster.streaming().context().core());
    cluster.input<int>({{1}}).foreachRDD([&](const auto&) { said = thrownBy([&] { context.stop(); }).second; });
    cluster.runBatches(1);
    EXPECT_EQ(said, "a Context cannot be stopped inside foreachRDD or transform, which would wait for itself; stop it from another thread") << nameOf(shape);
  }
}

}  // namespace
}  // namespace sluice
