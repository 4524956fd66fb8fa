// What a task tells the function that it runs; accumulators.
#include <gtest/gtest.h>

#include <sluice/task_context.h>
#include <sluice/testing.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::thrownBy;
using testing::Cluster;
using testing::Shape;

constexpr Shape kAll[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

TEST(TaskContexts, SayWhichTaskItIs) {
  EXPECT_EQ(TaskContext::get(), nullptr) << "in the driver";
  EXPECT_EQ(TaskContext::getPartitionId(), 0);
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    using Facts = std::tuple<int, int, int, int, std::int64_t, std::int64_t>;
    auto facts = [](std::int64_t) {
      auto* task = TaskContext::get();
      return Facts{task->stageId(), task->partitionId(), task->attemptNumber(), task->numPartitions(), task->taskAttemptId(), task->batchTime().milliseconds()};
    };
    auto numbers = cluster.context().range(0, 6, 1, 6);
    auto first = numbers.map(facts).collect();
    auto second = numbers.map([](std::int64_t n) { return std::pair(n, n); }).reduceByKey(std::plus<>(), 4).keys().map(facts).collect();
    std::set<std::int64_t> ids;
    for (int p = 0; p < 6; ++p) {
      auto [stage, partition, attempt, partitions, id, batch] = first[std::size_t(p)];
      EXPECT_EQ(stage, 0) << nameOf(shape);
      EXPECT_EQ(partition, p);
      EXPECT_EQ(attempt, 0);
      EXPECT_EQ(partitions, 6);
      EXPECT_EQ(batch, 0);
      ids.insert(id);
    }
    EXPECT_EQ(ids.size(), 6u);
    for (const auto& of : second) {
      EXPECT_EQ(std::get<0>(of), 2) << "the second job's second stage, " << nameOf(shape);
      EXPECT_EQ(std::get<3>(of), 4);
      EXPECT_FALSE(ids.contains(std::get<4>(of)));
    }
  }
}

TEST(TaskContexts, SayOfWhichBatch) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    auto times = cluster.collect(cluster.input<int>({{1}, {2}}).map([](int) { return TaskContext::get()->batchTime().milliseconds(); }));
    std::int64_t start = cluster.clock().now().milliseconds();
    cluster.runBatches(2);
    EXPECT_EQ(times->at(0).records(), (std::vector<std::int64_t>{start / 1000 * 1000 + 1000})) << nameOf(shape);
    EXPECT_EQ(times->at(1).records(), (std::vector<std::int64_t>{start / 1000 * 1000 + 2000})) << nameOf(shape);
  }
}

// ---- Listeners ----

std::mutex saidMutex;
std::vector<std::string> said;
void say(const std::string& what) {
  std::lock_guard lock(saidMutex);
  said.push_back(what);
}
struct Listeners : ::testing::Test {
  Listeners() { said.clear(); }
};

TEST_F(Listeners, OfCompletionAreToldLastFirst) {
  for (Shape shape : kAll) {
    said.clear();
    Cluster cluster(shape);
    auto sum = cluster.context().longAccumulator();
    cluster.context().range(0, 1, 1, 1).foreach([sum](std::int64_t) {
      TaskContext::get()
          ->addTaskCompletionListener([sum](TaskContext& task) {
            say(task.isCompleted() && !task.isFailed() ? "first" : "?");
            sum += 5;
          })
          .addTaskCompletionListener([](TaskContext& task) {
            say("second");
            task.addTaskCompletionListener([](TaskContext&) { say("late"); });
          })
          .addTaskFailureListener([](TaskContext&, std::string_view) { say("never"); });
      say("body");
    });
    EXPECT_EQ(said, (std::vector<std::string>{"body", "second", "late", "first"})) << nameOf(shape);
    EXPECT_EQ(sum.value(), 5) << "what they add counts";
  }
}

TEST_F(Listeners, OfFailureAreToldFirstAndWhy) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4}) {
    said.clear();
    Cluster cluster(shape);
    auto error = thrownBy([&] {
      cluster.context().range(0, 1, 1, 1).foreach([](std::int64_t) {
        TaskContext::get()->addTaskCompletionListener([](TaskContext& task) { say(task.isFailed() ? "completed, failed" : "?"); });
        TaskContext::get()->addTaskFailureListener([](TaskContext& task, std::string_view why) {
          say(why.find("the body's error") != std::string_view::npos ? "failed" : std::string(why));
          task.addTaskFailureListener([](TaskContext&, std::string_view again) { say(again.find("the body's error") != std::string_view::npos ? "late" : "?"); });
        });
        throw std::runtime_error("the body's error");
      });
    });
    EXPECT_NE(error.second.find("the body's error"), std::string::npos);
    EXPECT_EQ(said, (std::vector<std::string>{"failed", "late", "completed, failed"})) << nameOf(shape);
  }
}

TEST_F(Listeners, ThatThrowFailTheTask) {
  Cluster cluster(Shape::kLocal1);
  auto numbers = cluster.context().range(0, 1, 1, 1);
  auto error = thrownBy([&] {
    numbers.foreach([](std::int64_t) {
      TaskContext::get()->addTaskCompletionListener([](TaskContext&) { say("told all the same"); });
      TaskContext::get()->addTaskCompletionListener([](TaskContext&) { throw std::runtime_error("cannot close"); });
      TaskContext::get()->addTaskCompletionListener([](TaskContext&) { throw 5; });
    });
  });
  EXPECT_EQ(error.first, ErrorKind::kUserCode);
  EXPECT_NE(error.second.find("a listener of the task threw: an exception of type int; cannot close"), std::string::npos) << error.second;
  EXPECT_EQ(said, (std::vector<std::string>{"told all the same"}));
  error = thrownBy([&] {
    numbers.foreach([](std::int64_t) {
      TaskContext::get()->addTaskFailureListener([](TaskContext&, std::string_view) { throw std::runtime_error("cannot roll back"); });
      throw std::runtime_error("the body's error");
    });
  });
  EXPECT_NE(error.second.find("the body's error"), std::string::npos) << error.second;
  EXPECT_NE(error.second.find("; and a listener threw: cannot roll back"), std::string::npos) << error.second;
}

TEST_F(Listeners, HearOfCancelledTasks) {
  Cluster cluster(Shape::kLocal4);
  static std::atomic<bool> begun;
  begun = false;
  auto action = cluster.context().range(0, 1, 1, 1).foreachAsync([](std::int64_t) {
    auto* task = TaskContext::get();
    task->addTaskFailureListener([](TaskContext& task, std::string_view why) { say(std::string(why) + (task.isInterrupted() ? ", interrupted" : "")); });
    begun = true;
    begun.notify_all();
    while (!task->isInterrupted()) std::this_thread::yield();
  });
  begun.wait(false);
  action.cancel();
  EXPECT_EQ(thrownBy([&] { action.get(); }).first, ErrorKind::kCancelled);
  // The action is told at once, the task ends when it notices.
  for (;;) {
    std::lock_guard lock(saidMutex);
    if (!said.empty()) break;
  }
  EXPECT_EQ(said, (std::vector<std::string>{"the task was cancelled, interrupted"}));
}

TEST_F(Listeners, AFileOfATaskWhoseListenerThrowsIsNotPublished) {
  Cluster cluster(Shape::kLocal1);
  std::string directory = testing::temporaryDirectory() + "/out";
  auto lines = cluster.context().range(0, 1, 1, 1).map([](std::int64_t n) {
    TaskContext::get()->addTaskCompletionListener([](TaskContext&) { throw std::runtime_error("no"); });
    return n;
  });
  EXPECT_NE(thrownBy([&] { lines.saveAsTextFile(directory); }).second.find("a listener of the task threw: no"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory + "/_SUCCESS"));
}

// ---- Accumulators ----

struct Mean {
  double sum = 0;
  std::int64_t n = 0;
  void add(double x) { sum += x, ++n; }
  void merge(const Mean& other) { sum += other.sum, n += other.n; }
  double value() const { return n == 0 ? 0 : sum / double(n); }
  bool isZero() const { return n == 0; }
  SLUICE_FIELDS(Mean, sum, n)
};

TEST(Accumulators, OfTypesOfTheUsers) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    auto mean = cluster.context().accumulator<Mean>({}, "mean of all");
    EXPECT_TRUE(mean.isZero());
    EXPECT_EQ(mean.name(), "mean of all");
    cluster.context().range(1, 101, 1, 8).foreach([mean](std::int64_t n) { mean.add(double(n)); });
    EXPECT_DOUBLE_EQ(mean.value(), 50.5) << nameOf(shape);
    EXPECT_FALSE(mean.isZero());
    mean.add(50.5);
    EXPECT_DOUBLE_EQ(mean.value(), 50.5);
    mean.reset();
    EXPECT_TRUE(mean.isZero());
  }
}

TEST(Accumulators, HaveNamesAndZeros) {
  Cluster cluster(Shape::kLocal1);
  const Context& context = cluster.context();
  EXPECT_EQ(context.longAccumulator("lines").name(), "lines");
  EXPECT_EQ(context.longAccumulator().name(), "");
  auto words = context.collectionAccumulator<std::string>("words");
  EXPECT_TRUE(words.isZero());
  words.add("one");
  words.add(std::vector<std::string>{"two", "three"});
  EXPECT_EQ(words.value(), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_FALSE(words.isZero());
  auto distinct = context.accumulator<std::set<int>>();
  context.range(0, 100, 1, 4).foreach([distinct](std::int64_t n) { distinct.add(int(n % 7)); });
  EXPECT_EQ(distinct.value().size(), 7u);
  auto sum = context.doubleAccumulator();
  EXPECT_TRUE(sum.isZero());
  sum.add(1.5);
  EXPECT_FALSE(sum.isZero());
}

TEST(Accumulators, OfATaskThatIsTriedAgainCountOnce) {
  Context context(Conf().setMaster("local[2,3]").setAppName("test"));
  static std::atomic<int> failures;
  failures = 0;
  auto seen = context.longAccumulator();
  auto mapped = context.range(0, 8, 1, 4).map([seen](std::int64_t n) {
    seen += 1;
    if (n == 5 && failures++ < 2) throw std::runtime_error("try again");
    return n;
  });
  EXPECT_EQ(mapped.count(), 8);
  EXPECT_EQ(seen.value(), 8) << "two tries of one task failed after they had added something";
}

// Executors go while jobs run: what they had told, and what is computed again, count once.
TEST(Accumulators, OfTasksThatRunAgainElsewhereCountOnce) {
  int again = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    testing::Faults faults;
    faults.seed = seed, faults.meanBreakUs = 8'000, faults.losses = {{std::int64_t(2'000 + seed * 300), 1}, {std::int64_t(9'000 + seed * 100), 0}};
    Cluster cluster(faults, Seconds(1));
    static std::atomic<int> runs;
    runs = 0;
    auto mapped = cluster.context().longAccumulator(), reduced = cluster.context().longAccumulator();
    auto counts = cluster.context().range(0, 60, 1, 12).map([mapped](std::int64_t n) {
      mapped += 1, ++runs;
      return std::pair(n % 10, 1);
    }).reduceByKey(std::plus<>(), 6);
    counts.foreach([reduced](const auto&) { reduced += 1; });
    EXPECT_EQ(reduced.value(), 10) << "seed " << seed;
    EXPECT_EQ(mapped.value(), 60) << "seed " << seed;
    again += runs > 60;
  }
  EXPECT_GT(again, 0) << "no schedule ran anything again";
}

}  // namespace
}  // namespace sluice
