// How many executors an application has, if it says so.
#include <gtest/gtest.h>

#include <sluice/listener.h>
#include <sluice/testing.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::Shape;
using testing::errorOf;

// Which executors there are.
class Executors : public SluiceListener {
 public:
  void onExecutorAdded(const SluiceListenerExecutorAdded& e) override {
    std::lock_guard lock(mutex_);
    ids_.insert(e.executorId);
    changed_.notify_all();
  }
  void onExecutorRemoved(const SluiceListenerExecutorRemoved& e) override {
    std::lock_guard lock(mutex_);
    ids_.erase(e.executorId);
    reason_ = e.reason;
    changed_.notify_all();
  }
  std::set<std::string> waitFor(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ids_.size() == count; });
    return ids_;
  }
  std::string reason() {
    std::lock_guard lock(mutex_);
    return reason_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> ids_;
  std::string reason_;
};

TEST(ScalingExecutors, InLocalModeIsAWarning) {
  Context context(Conf().setMaster("local[2]").setAppName("test"));
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(context.requestTotalExecutors(3));
  EXPECT_FALSE(context.requestExecutors(1));
  EXPECT_FALSE(context.killExecutors({"1"}));
  EXPECT_FALSE(context.killExecutor("1"));
  std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("requestTotalExecutors: local mode has one executor, which stays; name a cluster with sluice.master"), std::string::npos) << said;
  EXPECT_EQ(context.range(0, 3).count(), 3);
}

TEST(ScalingExecutors, Errors) {
  Context context(Conf().setMaster("local[2]").setAppName("test"));
  EXPECT_SAYS("requestExecutors: the number of executors is -1; it must not be below 0", context.requestExecutors(-1));
  EXPECT_SAYS("requestTotalExecutors: the number of executors is -2", context.requestTotalExecutors(-2));
  Context same(context.core());
  context.stop();
  EXPECT_SAYS("is stopped", same.requestExecutors(1));
}

TEST(ScalingExecutors, OfProcessesEndAndComeBack) {
  Cluster cluster(Shape::kProcesses);  // three workers
  const Context& context = cluster.context();
  auto executors = std::make_shared<Executors>();
  context.addListener(executors);
  auto three = executors->waitFor(3);
  auto kept = context.range(0, 60, 1, 6).map([](std::int64_t n) { return n * 2; }).cache();
  EXPECT_EQ(kept.count(), 60);
  EXPECT_FALSE(context.killExecutors({"77", "nobody", ""}));
  EXPECT_TRUE(context.killExecutor(*three.begin()));
  auto two = executors->waitFor(2);
  EXPECT_FALSE(two.contains(*three.begin()));
  EXPECT_EQ(executors->reason(), "its driver ended it (killExecutors)");
  EXPECT_EQ(kept.count(), 60) << "what it held is made again";
  EXPECT_FALSE(context.killExecutor(*three.begin())) << "it has gone";
  EXPECT_TRUE(context.requestExecutors(1));
  auto again = executors->waitFor(3);
  EXPECT_FALSE(again.contains(*three.begin())) << "another one";
  EXPECT_EQ(kept.count(), 60);
  EXPECT_TRUE(context.requestTotalExecutors(1));
  EXPECT_EQ(executors->waitFor(3), again) << "those that are there stay";
  EXPECT_TRUE(context.killExecutors({again.begin(), std::next(again.begin(), 2)}));
  executors->waitFor(1);
  EXPECT_EQ(kept.count(), 60);
}

}  // namespace
}  // namespace sluice
