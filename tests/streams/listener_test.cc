// What listeners are told of an application.
#include <gtest/gtest.h>

#include <sluice/listener.h>
#include <sluice/task_context.h>
#include <sluice/testing.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::Faults;
using testing::Shape;
using testing::errorOf;
using testing::temporaryDirectory;
using testing::thrownBy;

// Keeps what it is told, and a word for each event: "job 1 begun", "stage 0.0 begun", "task 0.0/2#0 begun".
class Recorder : public SluiceListener {
 public:
  void onApplicationStart(const SluiceListenerApplicationStart& e) override { note("application begun", started, e); }
  void onApplicationEnd(const SluiceListenerApplicationEnd& e) override { note("application over", ended, e); }
  void onJobStart(const SluiceListenerJobStart& e) override { note("job " + std::to_string(e.jobId) + " begun", jobStarts, e); }
  void onJobEnd(const SluiceListenerJobEnd& e) override { note("job " + std::to_string(e.jobId) + " over", jobEnds, e); }
  void onStageSubmitted(const SluiceListenerStageSubmitted& e) override { note("stage " + name(e.stageInfo) + " begun", submitted, e); }
  void onStageCompleted(const SluiceListenerStageCompleted& e) override { note("stage " + name(e.stageInfo) + " over", completed, e); }
  void onTaskStart(const SluiceListenerTaskStart& e) override { note("task " + name(e) + " begun", taskStarts, e); }
  void onTaskEnd(const SluiceListenerTaskEnd& e) override { note("task " + name(e) + " over", taskEnds, e); }
  void onExecutorAdded(const SluiceListenerExecutorAdded& e) override { note("executor added", added, e); }
  void onExecutorRemoved(const SluiceListenerExecutorRemoved& e) override { note("executor removed", removed, e); }
  void onUnpersistRDD(const SluiceListenerUnpersistRDD& e) override { note("unpersisted", unpersisted, e); }

  std::vector<std::string> words() {
    std::lock_guard lock(mutex_);
    return words_;
  }
  std::size_t count(const std::string& word) {
    std::lock_guard lock(mutex_);
    return std::size_t(std::count(words_.begin(), words_.end(), word));
  }
  void waitFor(const std::string& word, std::size_t times = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::size_t(std::count(words_.begin(), words_.end(), word)) >= times; });
  }
  // Where the word stands first.
  std::size_t at(const std::string& word) {
    std::lock_guard lock(mutex_);
    return std::size_t(std::find(words_.begin(), words_.end(), word) - words_.begin());
  }

  // To be read once the context is stopped.
  std::vector<SluiceListenerApplicationStart> started;
  std::vector<SluiceListenerApplicationEnd> ended;
  std::vector<SluiceListenerJobStart> jobStarts;
  std::vector<SluiceListenerJobEnd> jobEnds;
  std::vector<SluiceListenerStageSubmitted> submitted;
  std::vector<SluiceListenerStageCompleted> completed;
  std::vector<SluiceListenerTaskStart> taskStarts;
  std::vector<SluiceListenerTaskEnd> taskEnds;
  std::vector<SluiceListenerExecutorAdded> added;
  std::vector<SluiceListenerExecutorRemoved> removed;
  std::vector<SluiceListenerUnpersistRDD> unpersisted;

 private:
  static std::string name(const StageInfo& stage) { return std::to_string(stage.stageId) + "." + std::to_string(stage.currentAttemptId); }
  template <class Task> static std::string name(const Task& task) {
    return std::to_string(task.stageId) + "." + std::to_string(task.stageAttemptId) + "/" + std::to_string(task.taskInfo.index) + "#" +
           std::to_string(task.taskInfo.attemptNumber);
  }
  template <class Event> void note(const std::string& word, std::vector<Event>& to, const Event& event) {
    std::lock_guard lock(mutex_);
    if (thread_ == std::thread::id()) thread_ = std::this_thread::get_id();
    words_.push_back(thread_ == std::this_thread::get_id() ? word : "on another thread: " + word);
    to.push_back(event);
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> words_;
  std::thread::id thread_;
};

// Every start has its end behind it; tasks lie within their stages, stages within their job. A job may begin before the end of another is told.
void expectInOrder(Recorder& told) {
  auto words = told.words();
  std::map<int, std::string> jobOf;  // by stage
  for (const auto& job : told.jobStarts) {
    for (int stage : job.stageIds()) jobOf[stage] = "job " + std::to_string(job.jobId);
  }
  // "stage 3.0", "task 3.0/2#0"
  auto liesIn = [&](const std::string& other, const std::string& job) {
    return (other.rfind("stage ", 0) == 0 || other.rfind("task ", 0) == 0) && jobOf[std::stoi(other.substr(other.find(' ')))] == job;
  };
  std::set<std::string> open, jobs, stages, tasks;
  for (const std::string& word : words) {
    auto space = word.rfind(' ');
    std::string what = word.substr(0, space), how = word.substr(space + 1);
    bool over = how == "over";
    if (how != "begun" && !over) continue;
    if (over) EXPECT_EQ(open.erase(what), 1u) << word;
    else EXPECT_TRUE(open.insert(what).second) << word;
    if (what.rfind("task ", 0) == 0) {
      EXPECT_TRUE(open.contains("stage " + what.substr(5, what.find('/') - 5))) << word;
    } else if (what.rfind("stage ", 0) == 0 && over) {
      for (const auto& other : open) EXPECT_NE(other.rfind("task " + what.substr(6) + "/", 0), 0u) << other << " after " << word;
    } else if (what.rfind("job ", 0) == 0 && over) {
      for (const auto& other : open) EXPECT_FALSE(liesIn(other, what)) << other << " after " << word;
    }
  }
  EXPECT_TRUE(open.empty()) << *open.begin();
}

Conf onFourSlots() { return Conf().setMaster("local[4]").setAppName("test"); }

constexpr Shape kAll[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

auto countWords(const Context& context) {
  std::vector<std::string> words{"to", "be", "or", "not", "to", "be"};
  return context.parallelize(words, 4).map([](std::string_view word) { return std::pair(std::string(word), 1); }).reduceByKey(std::plus<>(), 3);
}

TEST(AppListeners, HearOfAJobFromItsStartToItsEnd) {
  for (Shape shape : kAll) {
    SCOPED_TRACE(nameOf(shape));
    auto told = std::make_shared<Recorder>();
    std::string id;
    {
      Cluster cluster(shape);
      const Context& context = cluster.context();
      id = context.applicationId();
      context.addListener(told);
      context.addSparkListener(told);  // twice is once
      context.setLocalProperty("colour", "red");
      EXPECT_EQ(countWords(context).collect().size(), 4u);
      context.setLocalProperty("colour", nullptr);
      Context(context.core()).stop();
    }
    expectInOrder(*told);
    EXPECT_EQ(told->words().front(), "application begun");
    EXPECT_EQ(told->words().back(), "application over");
    ASSERT_EQ(told->started.size(), 1u);
    EXPECT_EQ(told->started[0].appId, id);
    EXPECT_EQ(told->added.size(), shape == Shape::kLocal1 || shape == Shape::kLocal4 ? 1u : 3u);
    EXPECT_GT(told->added[0].totalCores, 0);
    ASSERT_EQ(told->jobStarts.size(), 1u);
    const auto& job = told->jobStarts[0];
    EXPECT_EQ(job.jobId, 1);
    EXPECT_EQ(job.description.find("collect at listener_test.cc:"), 0u) << job.description;
    EXPECT_EQ(job.stageIds(), (std::vector<int>{0, 1}));
    EXPECT_EQ(job.properties.at("colour"), "red");
    EXPECT_FALSE(job.batchTime);
    ASSERT_EQ(told->jobEnds.size(), 1u);
    EXPECT_EQ(told->jobEnds[0].jobResult, JobResult::JobSucceeded);
    ASSERT_EQ(told->submitted.size(), 2u);
    ASSERT_EQ(told->completed.size(), 2u);
    EXPECT_EQ(told->submitted[0].stageInfo.numTasks, 4);
    EXPECT_EQ(told->submitted[1].stageInfo.numTasks, 3);
    EXPECT_EQ(told->completed[0].stageInfo.stageId, 0) << "what others read first";
    EXPECT_EQ(told->completed[1].stageInfo.name.find("reduceByKey at listener_test.cc:"), 0u) << told->completed[1].stageInfo.name;
    for (const auto& stage : told->completed) {
      EXPECT_GE(*stage.stageInfo.completionTime, stage.stageInfo.submissionTime);
      EXPECT_FALSE(stage.stageInfo.failureReason);
    }
    EXPECT_EQ(told->taskStarts.size(), 7u);
    ASSERT_EQ(told->taskEnds.size(), 7u);
    std::set<std::int64_t> ids;
    for (const auto& task : told->taskEnds) {
      ids.insert(task.taskInfo.taskId);
      EXPECT_EQ(task.reason, TaskEndReason::Success);
      EXPECT_TRUE(task.taskInfo.successful());
      EXPECT_GE(task.taskInfo.duration(), 0);
      EXPECT_EQ(task.taskInfo.attemptNumber, 0);
      EXPECT_TRUE(std::any_of(told->added.begin(), told->added.end(), [&](const auto& e) {
        return e.executorId == task.taskInfo.executorId && e.executorHost == task.taskInfo.host;
      })) << task.taskInfo.executorId;
    }
    EXPECT_EQ(ids.size(), 7u);
  }
}

TEST(AppListeners, HearWhatTasksDid) {
  for (Shape shape : kAll) {
    SCOPED_TRACE(nameOf(shape));
    auto told = std::make_shared<Recorder>();
    {
      Cluster cluster(shape);
      cluster.context().addListener(told);
      EXPECT_EQ(countWords(cluster.context()).collect().size(), 4u);
      countWords(cluster.context()).keys().saveAsTextFile(temporaryDirectory() + "/words");
      Context(cluster.context().core()).stop();
    }
    TaskMetrics maps, reduces, saves;
    auto add = [](TaskMetrics& to, const TaskMetrics& m) {
      to.inputMetrics.recordsRead += m.inputMetrics.recordsRead, to.inputMetrics.bytesRead += m.inputMetrics.bytesRead;
      to.shuffleWriteMetrics.recordsWritten += m.shuffleWriteMetrics.recordsWritten, to.shuffleWriteMetrics.bytesWritten += m.shuffleWriteMetrics.bytesWritten;
      to.shuffleReadMetrics.recordsRead += m.shuffleReadMetrics.recordsRead, to.shuffleReadMetrics.totalBytesRead += m.shuffleReadMetrics.totalBytesRead;
      to.outputMetrics.recordsWritten += m.outputMetrics.recordsWritten, to.outputMetrics.bytesWritten += m.outputMetrics.bytesWritten;
      to.resultSize += m.resultSize;
    };
    for (const auto& task : told->taskEnds) add(task.stageId == 0 || task.stageId == 2 ? maps : task.stageId == 1 ? reduces : saves, task.taskMetrics);
    EXPECT_EQ(maps.inputMetrics.recordsRead, 12);
    EXPECT_GT(maps.inputMetrics.bytesRead, 0);
    EXPECT_GT(maps.shuffleWriteMetrics.recordsWritten, 0);
    EXPECT_EQ(maps.shuffleWriteMetrics.recordsWritten, reduces.shuffleReadMetrics.recordsRead + saves.shuffleReadMetrics.recordsRead);
    EXPECT_EQ(maps.shuffleWriteMetrics.bytesWritten, reduces.shuffleReadMetrics.totalBytesRead + saves.shuffleReadMetrics.totalBytesRead);
    EXPECT_GT(reduces.resultSize, 0);
    EXPECT_EQ(reduces.outputMetrics.recordsWritten, 0);
    EXPECT_EQ(saves.resultSize, 0);
    EXPECT_EQ(saves.outputMetrics.recordsWritten, 4);
    EXPECT_EQ(saves.outputMetrics.bytesWritten, 13) << "to be or not, each with its end of line";
  }
}

TEST(AppListeners, HearWhyTasksAndJobsFailed) {
  auto told = std::make_shared<Recorder>();
  Context context(Conf().setMaster("local[4,2]").setAppName("test"));
  context.addListener(told);
  auto numbers = context.range(0, 4, 1, 4);
  EXPECT_SAYS("two is too much", numbers.map([](std::int64_t n) {
    if (n == 2) throw std::runtime_error("two is too much");
    return n;
  }).count());
  EXPECT_EQ(numbers.map([](std::int64_t n) {
    if (n == 1 && TaskContext::get()->attemptNumber() == 0) throw std::runtime_error("not at once");
    return n;
  }).count(), 4);
  context.stop();
  expectInOrder(*told);
  ASSERT_EQ(told->jobEnds.size(), 2u);
  EXPECT_EQ(told->jobEnds[0].jobResult, JobResult::JobFailed);
  EXPECT_NE(told->jobEnds[0].error.find("two is too much"), std::string::npos) << told->jobEnds[0].error;
  EXPECT_EQ(told->jobEnds[1].jobResult, JobResult::JobSucceeded);
  ASSERT_EQ(told->completed.size(), 2u);
  EXPECT_NE(told->completed[0].stageInfo.failureReason.value_or("").find("two is too much"), std::string::npos);
  EXPECT_FALSE(told->completed[1].stageInfo.failureReason);
  std::map<std::string, int> failed;
  for (const auto& task : told->taskEnds) {
    if (task.reason != TaskEndReason::ExceptionFailure) continue;
    EXPECT_TRUE(task.taskInfo.failed);
    EXPECT_FALSE(task.taskInfo.successful());
    ++failed[task.error.find("two is") != std::string::npos ? "two" : task.error.find("not at once") != std::string::npos ? "once" : task.error];
  }
  EXPECT_EQ(failed, (std::map<std::string, int>{{"two", 2}, {"once", 1}}));
  EXPECT_EQ(told->count("task 1.0/1#1 over"), 1u) << "its second try";
}

TEST(AppListeners, HearOfKilledTasksAndCancelledJobs) {
  static std::atomic<bool> open;
  static std::atomic<int> arrived;
  open = false, arrived = 0;
  auto told = std::make_shared<Recorder>();
  Context context(onFourSlots());
  context.addListener(told);
  auto job = context.range(0, 2, 1, 2).map([](std::int64_t n) {
    ++arrived;
    arrived.notify_all();
    while (!open && !TaskContext::get()->isInterrupted()) std::this_thread::yield();
    return n;
  }).countAsync();
  for (int now = arrived; now < 2; now = arrived) arrived.wait(now);
  told->waitFor("task 0.0/0#0 begun");
  told->waitFor("task 0.0/1#0 begun");
  EXPECT_EQ(told->count("task 0.0/0#0 over"), 0u) << "its start is told while it runs";
  job.cancel();
  EXPECT_EQ(thrownBy([&] { job.get(); }).first, ErrorKind::kCancelled);
  context.stop();
  expectInOrder(*told);
  ASSERT_EQ(told->taskEnds.size(), 2u);
  for (const auto& task : told->taskEnds) {
    EXPECT_EQ(task.reason, TaskEndReason::TaskKilled);
    EXPECT_TRUE(task.taskInfo.killed);
  }
  ASSERT_EQ(told->jobEnds.size(), 1u);
  EXPECT_NE(told->jobEnds[0].error.find("was cancelled by"), std::string::npos) << told->jobEnds[0].error;
}

TEST(AppListeners, HearOfTasksThatEndedBeforeTheirJobFailed) {
  auto told = std::make_shared<Recorder>();
  Context context(Conf().setMaster("local[1]").setAppName("test"));
  context.addListener(told);
  EXPECT_SAYS("not this one", context.range(0, 500, 1, 500).map([](std::int64_t n) {
    if (n == 1) throw std::runtime_error("not this one");
    while (n > 1 && !TaskContext::get()->isInterrupted()) std::this_thread::yield();
    return n;
  }).count());
  context.stop();
  expectInOrder(*told);
  ASSERT_GE(told->taskEnds.size(), 2u);
  EXPECT_LE(told->taskEnds.size(), 4u) << "of those that never ran nothing is told";
  EXPECT_EQ(told->taskEnds[0].reason == TaskEndReason::Success ? told->taskEnds[0].taskInfo.index : told->taskEnds[1].taskInfo.index, 0);
  EXPECT_EQ(std::count_if(told->taskEnds.begin(), told->taskEnds.end(), [](const auto& e) { return e.reason == TaskEndReason::Success; }), 1);
  EXPECT_EQ(std::count_if(told->taskEnds.begin(), told->taskEnds.end(), [](const auto& e) { return e.reason == TaskEndReason::ExceptionFailure; }), 1);
}

TEST(AppListeners, HearOfExecutorsThatGo) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    auto told = std::make_shared<Recorder>();
    {
      Cluster cluster(shape);
      cluster.context().addListener(told);
      auto kept = cluster.context().range(0, 60, 1, 6).map([](std::int64_t n) { return n * 2; }).cache();
      EXPECT_EQ(kept.count(), 60);
      cluster.kill(1);
      EXPECT_EQ(kept.count(), 60);
      kept.unpersist();
      Context(cluster.context().core()).stop();
    }
    expectInOrder(*told);
    ASSERT_EQ(told->removed.size(), 1u);
    EXPECT_EQ(told->removed[0].executorId, "2");
    EXPECT_NE(told->removed[0].reason, "");
    EXPECT_EQ(told->added.size(), 3u);
    ASSERT_EQ(told->unpersisted.size(), 1u);
    ASSERT_EQ(told->jobEnds.size(), 2u);
    for (const auto& task : told->taskEnds) {
      if (told->at("executor removed") < told->at("job 2 begun") && task.stageId > 1) {
        EXPECT_NE(task.taskInfo.executorId, "2");
      }
    }
  }
}

// Sessions break and executors are lost: what is told is still whole and in order.
TEST(AppListeners, HearAllWhileSessionsBreak) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Faults faults;
    faults.seed = seed, faults.meanBreakUs = 8'000;
    if (seed % 3 == 0) faults.losses = {{15'000, 2}};
    auto told = std::make_shared<Recorder>();
    {
      Cluster cluster(faults, Seconds(1));
      cluster.context().addListener(told);
      for (int i = 0; i < 5; ++i) EXPECT_EQ(countWords(cluster.context()).collect().size(), 4u);
      Context(cluster.context().core()).stop();
    }
    expectInOrder(*told);
    EXPECT_EQ(told->jobStarts.size(), 5u);
    EXPECT_EQ(told->jobEnds.size(), 5u);
    std::map<int, std::set<int>> well;
    for (const auto& task : told->taskEnds) {
      if (task.reason == TaskEndReason::Success) well[task.stageId].insert(task.taskInfo.index);
    }
    for (int stage = 0; stage < 10; ++stage) EXPECT_EQ(well[stage].size(), stage % 2 == 0 ? 4u : 3u) << "stage " << stage;
  }
}

TEST(AppListeners, HearOfBatches) {
  for (Shape shape : kAll) {
    SCOPED_TRACE(nameOf(shape));
    auto told = std::make_shared<Recorder>();
    {
      Cluster cluster(shape);
      auto doubled = cluster.collect(cluster.input<int>({{1, 2, 3}, {4}}).map([](int n) { return n * 2; }));
      cluster.context().addListener(told);
      cluster.runBatches(2);
      EXPECT_EQ(doubled->size(), 2u);
      Context(cluster.context().core()).stop();
    }
    std::vector<std::int64_t> times;
    for (const auto& job : told->jobStarts) {
      if (!job.batchTime) continue;
      times.push_back(job.batchTime->milliseconds());
      EXPECT_EQ(job.jobId, 0);
    }
    ASSERT_EQ(times.size(), 2u);
    EXPECT_EQ(times[1] - times[0], 1000);
    EXPECT_EQ(std::count_if(told->jobEnds.begin(), told->jobEnds.end(), [&](const auto& job) { return job.batchTime && job.jobResult == JobResult::JobSucceeded; }), 2);
  }
}

TEST(AppListeners, ThatThrowHurtNobody) {
  struct Thrower : Recorder {
    void onJobStart(const SluiceListenerJobStart& e) override {
      Recorder::onJobStart(e);
      throw std::runtime_error("no");
    }
    void onTaskEnd(const SluiceListenerTaskEnd& e) override {
      Recorder::onTaskEnd(e);
      throw 1;
    }
  };
  auto bad = std::make_shared<Thrower>();
  auto good = std::make_shared<Recorder>();
  Context context(onFourSlots());
  context.addListener(bad);
  context.addListener(good);
  EXPECT_EQ(countWords(context).collect().size(), 4u);
  context.stop();
  EXPECT_EQ(bad->taskEnds.size(), 7u);
  EXPECT_EQ(good->taskEnds.size(), 7u);
  EXPECT_EQ(good->count("application over"), 1u);
}

TEST(AppListeners, ThatAreRemovedHearNoMore) {
  auto first = std::make_shared<Recorder>(), second = std::make_shared<Recorder>();
  Context context(onFourSlots());
  EXPECT_EQ(countWords(context).collect().size(), 4u);
  context.addListener(first);
  EXPECT_EQ(countWords(context).collect().size(), 4u);
  first->waitFor("job 2 over");
  context.removeListener(first);
  context.removeListener(second);  // was never there
  EXPECT_EQ(countWords(context).collect().size(), 4u);
  context.addListener(second);
  EXPECT_EQ(countWords(context).collect().size(), 4u);
  auto third = std::make_shared<Recorder>();
  second->waitFor("job 4 over");
  context.addListener(third);
  context.stop();
  EXPECT_EQ(first->jobStarts.size(), 1u);
  EXPECT_EQ(first->count("application over"), 0u);
  ASSERT_EQ(second->jobStarts.size(), 1u);
  EXPECT_EQ(second->jobStarts[0].jobId, 4);
  EXPECT_EQ(second->started.size(), 1u) << "whoever comes late hears of the start, too";
  EXPECT_EQ(second->added.size(), 1u);
  EXPECT_EQ(third->words(), (std::vector<std::string>{"application begun", "executor added", "application over"}));
}

TEST(AppListeners, Errors) {
  struct Stopper : Recorder {
    explicit Stopper(const Context& c) : context(c.core()) {}
    void onJobEnd(const SluiceListenerJobEnd& e) override {
      said = errorOf([&] { context.stop(); });
      Recorder::onJobEnd(e);
    }
    Context context;
    std::string said;
  };
  Context context(onFourSlots());
  EXPECT_SAYS("the listener is null", context.addListener(nullptr));
  auto stopper = std::make_shared<Stopper>(context);
  context.addListener(stopper);
  EXPECT_EQ(context.range(0, 3).count(), 3);
  stopper->waitFor("job 1 over");
  EXPECT_NE(stopper->said.find("cannot be stopped inside a SluiceListener"), std::string::npos) << stopper->said;
  Context same(context.core());
  context.stop();
  std::weak_ptr<Stopper> gone = stopper;
  stopper.reset();
  EXPECT_TRUE(gone.expired()) << "its context does not hold it any longer, as it held its context";
  EXPECT_SAYS("is stopped", same.addListener(std::make_shared<Recorder>()));
}

// ---- The same, as tasks see it ----

TEST(TaskMetricsOfTasks, AreThereWhileTheyRunAndWhole) {
  testing::everywhere([](const Context& context) {
    auto counts = countWords(context).mapPartitions([](auto& records) {
      std::vector<std::pair<std::int64_t, std::int64_t>> out;
      std::int64_t before = TaskContext::get()->taskMetrics().shuffleReadMetrics.recordsRead;
      while (records.hasNext()) records.next();
      out.emplace_back(before, TaskContext::get()->taskMetrics().shuffleReadMetrics.totalBytesRead);
      return out;
    }).collect();
    std::int64_t records = 0;
    for (auto [read, bytes] : counts) {
      records += read;
      EXPECT_EQ(read > 0, bytes > 0);
    }
    EXPECT_GE(records, 4);
    static std::mutex mutex;
    static std::map<int, TaskMetrics> atTheEnd;
    atTheEnd.clear();
    context.parallelize(std::vector<int>{1, 2, 3, 4, 5}, 2).foreachPartition([](auto& numbers) {
      TaskContext::get()->addTaskCompletionListener([](TaskContext& task) {
        std::lock_guard lock(mutex);
        atTheEnd[task.partitionId()] = task.taskMetrics();
      });
      while (numbers.hasNext()) numbers.next();
    });
    std::int64_t read = 0;
    for (const auto& [partition, metrics] : atTheEnd) {
      read += metrics.inputMetrics.recordsRead;
      EXPECT_GT(metrics.inputMetrics.bytesRead, 0);
    }
    EXPECT_EQ(read, 5);
  });
}

}  // namespace
}  // namespace sluice
