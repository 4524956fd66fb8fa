// Job groups, tags, local properties and cancellation, on the shapes whose tasks run while others do something else.
#include <gtest/gtest.h>

#include <sluice/testing.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::thrownBy;
using testing::Cluster;
using testing::Shape;

constexpr Shape kThreads[] = {Shape::kLocal1, Shape::kLocal4, Shape::kInProcess};

std::atomic<int> tasksBegun{0};
void waitForTasks(int count) {
  for (int begun = tasksBegun; begun < count; begun = tasksBegun) tasksBegun.wait(begun);
}
// A task that ends when it is cancelled, and not before.
std::int64_t untilCancelled(std::int64_t x) {
  ++tasksBegun;
  tasksBegun.notify_all();
  while (!currentTask()->cancelled()) std::this_thread::yield();
  return x;
}

// An action on a thread of its own, and what it failed of.
class Action {
 public:
  template <class F> explicit Action(F f) : thread_([this, f] { error_ = thrownBy(f); }) {}
  const std::pair<ErrorKind, std::string>& error() {
    if (thread_.joinable()) thread_.join();
    return error_;
  }
  ~Action() { error(); }

 private:
  std::pair<ErrorKind, std::string> error_;
  std::thread thread_;
};

TEST(JobControl, LocalPropertiesAreOfTheThread) {
  Cluster cluster(Shape::kLocal1);
  const Context& context = cluster.context();
  EXPECT_EQ(context.getLocalProperty("color"), std::nullopt);
  context.setLocalProperty("color", "blue");
  EXPECT_EQ(context.getLocalProperty("color"), "blue");
  std::thread([&] { EXPECT_EQ(context.getLocalProperty("color"), std::nullopt); }).join();
  context.setLocalProperty("color", nullptr);
  EXPECT_EQ(context.getLocalProperty("color"), std::nullopt);
  EXPECT_EQ(thrownBy([&] { context.setLocalProperty("", "x"); }).second, "setLocalProperty: the key is empty");
}

TEST(JobControl, LocalPropertiesAreOfTheContext) {
  for (int i = 0; i < 2; ++i) {
    Cluster cluster(Shape::kLocal1);
    EXPECT_EQ(cluster.context().getLocalProperty("color"), std::nullopt) << "of the context before";
    cluster.context().setLocalProperty("color", "blue");
  }
}

TEST(JobControl, GroupsAreLocalProperties) {
  Cluster cluster(Shape::kLocal1);
  const Context& context = cluster.context();
  context.setJobGroup("g", "what it does", true);
  EXPECT_EQ(context.getLocalProperty("sluice.jobGroup.id"), "g");
  EXPECT_EQ(context.getLocalProperty("sluice.job.description"), "what it does");
  EXPECT_EQ(context.getLocalProperty("sluice.job.interruptOnCancel"), "true");
  context.setJobDescription("something else");
  EXPECT_EQ(context.getLocalProperty("sluice.job.description"), "something else");
  context.clearJobGroup();
  for (const char* key : {"sluice.jobGroup.id", "sluice.job.description", "sluice.job.interruptOnCancel"}) {
    EXPECT_EQ(context.getLocalProperty(key), std::nullopt) << key;
  }
}

TEST(JobControl, Tags) {
  Cluster cluster(Shape::kLocal1);
  const Context& context = cluster.context();
  context.addJobTag("a"), context.addJobTag("b"), context.addJobTag("a");
  EXPECT_EQ(context.getJobTags(), (std::vector<std::string>{"a", "b"}));
  context.removeJobTag("a"), context.removeJobTag("c");
  EXPECT_EQ(context.getJobTags(), (std::vector<std::string>{"b"}));
  context.clearJobTags();
  EXPECT_TRUE(context.getJobTags().empty());
  EXPECT_EQ(thrownBy([&] { context.addJobTag(""); }).second, "a job tag cannot be empty");
  EXPECT_EQ(thrownBy([&] { context.addJobTag("a,b"); }).second, "the job tag 'a,b' holds a comma; add several tags one by one");
  EXPECT_EQ(thrownBy([&] { context.cancelJobsWithTag(""); }).second, "a job tag cannot be empty");
}

TEST(JobControl, TasksReadLocalProperties) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    cluster.context().setLocalProperty("color", "blue");
    auto seen = cluster.context().range(0, 4, 1, 4).map([](std::int64_t) {
      return std::string(currentTask()->getLocalProperty("color").value_or("none")) + std::string(currentTask()->getLocalProperty("taste").value_or(""));
    });
    EXPECT_EQ(seen.collect(), std::vector<std::string>(4, "blue")) << nameOf(shape);
    cluster.context().setLocalProperty("color", nullptr);
    EXPECT_EQ(seen.collect(), std::vector<std::string>(4, "none")) << nameOf(shape);
  }
}

TEST(JobControl, StreamsHaveThePropertiesOfTheirStart) {
  for (Shape shape : {Shape::kLocal1, Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    const Context& context = cluster.streaming().context();
    auto inTasks = cluster.collect(cluster.input<int>({{1}, {2}}).map([](int) {
      auto read = [](const char* key) { return std::string(currentTask()->getLocalProperty(key).value_or("-")); };
      return read("color") + "," + read("sluice.jobGroup.id");
    }));
    std::vector<std::string> inFunctions;
    cluster.input<int>({{1}, {2}}).foreachRDD([&](const RDD<int>&, Time t) {
      inFunctions.push_back(context.getLocalProperty("color").value_or("-") + "," + context.getLocalProperty("sluice.jobGroup.id").value_or("-"));
      EXPECT_EQ(context.getLocalProperty("sluice.streaming.internal.batchTime"), std::to_string(t.milliseconds()));
      EXPECT_EQ(context.getLocalProperty("sluice.streaming.internal.outputOpId"), "1");
      EXPECT_EQ(context.getLocalProperty("sluice.job.description"),
                "Streaming job from [output operation 1, batch time " + std::to_string(t.milliseconds()) + " ms]");
      context.setLocalProperty("color", "red");  // of this call only
    });
    context.setJobGroup("g", "not theirs");
    context.setLocalProperty("color", "blue");
    cluster.runBatches(1);
    context.setLocalProperty("color", "green");
    cluster.runBatches(1);
    EXPECT_EQ(context.getLocalProperty("color"), "green") << nameOf(shape);
    EXPECT_EQ(inFunctions, (std::vector<std::string>{"blue,-", "blue,-"})) << nameOf(shape);
    for (const auto& batch : *inTasks) EXPECT_EQ(batch.records(), (std::vector<std::string>{"blue,-"})) << nameOf(shape);
  }
}

TEST(JobControl, ACancelledGroupSaysWhoCancelledIt) {
  for (Shape shape : kThreads) {
    Cluster cluster(shape);
    const Context& context = cluster.context();
    tasksBegun = 0;
    Action action([&] {
      context.setJobGroup("slow ones", "never ends");
      context.range(0, 2, 1, 2).map(untilCancelled).count();
    });
    waitForTasks(1);
    context.cancelJobGroup("quick ones");
    context.cancelJobGroup("slow ones", "nobody needs it");
    auto [kind, text] = action.error();
    EXPECT_EQ(kind, ErrorKind::kCancelled) << nameOf(shape);
    EXPECT_EQ(text.find("count at job_control_test.cc:"), 0u) << text;
    EXPECT_NE(text.find(": job 1 was cancelled by cancelJobGroup(\"slow ones\") at job_control_test.cc:"), std::string::npos) << text;
    EXPECT_NE(text.find(": nobody needs it"), std::string::npos) << text;
    EXPECT_EQ(context.range(0, 10).count(), 10) << "the context lives on";
  }
}

TEST(JobControl, CancelsByNumberTagAndAll) {
  for (Shape shape : kThreads) {
    Cluster cluster(shape);
    const Context& context = cluster.context();
    struct Case {
      std::function<void(std::int64_t)> cancel;
      std::string says;
    };
    std::int64_t job = 0;
    for (const Case& c : {Case{[&](std::int64_t n) { context.cancelJob(n); }, "was cancelled by cancelJob at job_control_test.cc:"},
                          Case{[&](std::int64_t) { context.cancelJobsWithTag("t"); }, "was cancelled by cancelJobsWithTag(\"t\") at job_control_test.cc:"},
                          Case{[&](std::int64_t) { context.cancelAllJobs(); }, "was cancelled by cancelAllJobs at job_control_test.cc:"}}) {
      tasksBegun = 0;
      Action action([&] {
        context.addJobTag("s"), context.addJobTag("t");
        context.range(0, 1, 1, 1).foreach([](std::int64_t x) { untilCancelled(x); });
      });
      waitForTasks(1);
      context.cancelJob(77);  // nobody's
      c.cancel(++job);
      EXPECT_EQ(action.error().first, ErrorKind::kCancelled);
      EXPECT_NE(action.error().second.find("job " + std::to_string(job) + " " + c.says), std::string::npos) << action.error().second;
    }
  }
}

TEST(JobControl, OtherJobsGoOn) {
  Cluster cluster(Shape::kLocal4);
  const Context& context = cluster.context();
  tasksBegun = 0;
  Action cancelled([&] {
    context.setJobGroup("a", "");
    context.range(0, 1, 1, 1).map(untilCancelled).count();
  });
  Action other([&] {
    context.setJobGroup("b", "");
    context.range(0, 1, 1, 1).map(untilCancelled).count();
  });
  waitForTasks(2);
  context.cancelJobGroup("a");
  EXPECT_NE(cancelled.error().second.find("cancelJobGroup(\"a\")"), std::string::npos);
  EXPECT_EQ(context.range(0, 5).count(), 5);
  context.cancelJobGroup("b");
  EXPECT_NE(other.error().second.find("cancelJobGroup(\"b\")"), std::string::npos);
}

TEST(JobControl, AStoppedContextHasNoJobs) {
  Cluster cluster(Shape::kLocal1);
  Context context(cluster.context().core());
  context.stop();
  EXPECT_NE(thrownBy([&] { context.cancelAllJobs(); }).second.find("is stopped"), std::string::npos);
}

// Executors of their own: the word to stop travels, and who does not hear it is replaced.
std::int64_t tell(std::int64_t x) {
  std::ofstream(std::string(*currentTask()->getLocalProperty("begun"))) << x;
  return x;
}
void waitForFile(const std::string& path) {
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // a file does not call back
}

TEST(JobControl, CancelsTasksOfOtherProcesses) {
  Cluster cluster(Shape::kProcesses);
  const Context& context = cluster.context();
  std::string begun = testing::temporaryDirectory() + "/begun";
  Action action([&] {
    context.setJobGroup("g", "");
    context.setLocalProperty("begun", begun);
    context.range(0, 1, 1, 1).map([](std::int64_t x) { return untilCancelled(tell(x)); }).count();
  });
  waitForFile(begun);
  context.cancelJobGroup("g");
  EXPECT_EQ(action.error().first, ErrorKind::kCancelled) << action.error().second;
  EXPECT_EQ(context.range(0, 100, 1, 12).count(), 100);
}

TEST(JobControl, AnExecutorWhoseTaskDoesNotStopIsReplaced) {
  Cluster cluster(Shape::kProcesses, Seconds(1), Conf().set("sluice.task.reaper.killTimeout", "200ms"));
  const Context& context = cluster.context();
  std::string folder = testing::temporaryDirectory();
  Action action([&] {
    context.setJobGroup("g", "", true);
    context.setLocalProperty("begun", folder + "/begun");
    context.range(0, 6, 1, 6).map([](std::int64_t x) {
      tell(x);
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
      return x;
    }).count();
  });
  waitForFile(folder + "/begun");
  context.cancelJobGroup("g");
  EXPECT_EQ(action.error().first, ErrorKind::kCancelled) << action.error().second;
  // Every slot of the three executors was taken: nothing could run before they are gone.
  EXPECT_EQ(context.range(0, 100, 1, 12).count(), 100);
}

}  // namespace
}  // namespace sluice
