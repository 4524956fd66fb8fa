// What Spark's streaming.concurrentJobs is set for: here the outputs of a batch are made side by side.
#include <atomic>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::partitions;
using testing::Shape;

std::atomic<int> begun{0};

// Returns once the tasks of both outputs run.
void meetTheOther(Iterator<int>& records) {
  for (int x : records) (void)x;
  ++begun;
  begun.notify_all();
  for (int seen = begun; seen < 2; seen = begun) begun.wait(seen);
}

TEST(ConcurrentOutputs, OfABatchAreMadeSideBySide) {
  for (Shape shape : {Shape::kLocal4, Shape::kInProcess}) {
    begun = 0;
    Cluster cluster(shape);
    auto numbers = cluster.input<int>({partitions<int>({{1}})});
    numbers.foreachPartition(meetTheOther);
    numbers.map([](int x) { return x + 1; }).foreachPartition(meetTheOther);
    cluster.runBatches(1);
    EXPECT_EQ(begun, 2) << nameOf(shape);
  }
}

}  // namespace
}  // namespace sluice
