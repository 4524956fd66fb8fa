// What Spark's streaming.concurrentJobs is set for: here the outputs of a batch are made side by side.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::partitions;
using testing::Shape;

std::mutex mutex;
std::condition_variable changed;
int inside = 0, most = 0;

// Until the tasks of both outputs are in here, for so long at most.
void meetTheOther(Iterator<int>& records) {
  for (int x : records) (void)x;
  std::unique_lock lock(mutex);
  most = std::max(most, ++inside);
  changed.notify_all();
  changed.wait_for(lock, std::chrono::seconds(20), [] { return most == 2; });
  --inside;
}

TEST(ConcurrentOutputs, OfABatchAreMadeSideBySide) {
  for (Shape shape : {Shape::kLocal4, Shape::kInProcess}) {
    inside = most = 0;
    Cluster cluster(shape);
    auto numbers = cluster.input<int>({partitions<int>({{1}})});
    numbers.foreachPartition(meetTheOther);
    numbers.map([](int x) { return x + 1; }).foreachPartition(meetTheOther);
    cluster.runBatches(1);
    EXPECT_EQ(most, 2) << nameOf(shape) << ": one was made after the other";
  }
}

}  // namespace
}  // namespace sluice
