#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "common/metrics.h"

namespace sluice {
namespace {

TEST(Metrics, AreFoundByNameAndCountedByManyThreads) {
  Metrics metrics;
  Counter& counter = metrics.counter("sluice_tasks_launched_total", "Tasks sent");
  EXPECT_EQ(&counter, &metrics.counter("sluice_tasks_launched_total", "Tasks sent"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) counter.add();
    });
  }
  for (auto& thread : threads) thread.join();
  metrics.gauge("sluice_executors", "Executors that are up").set(-3);
  EXPECT_EQ(metrics.text(),
            "# HELP sluice_executors Executors that are up\n# TYPE sluice_executors gauge\nsluice_executors -3\n"
            "# HELP sluice_tasks_launched_total Tasks sent\n# TYPE sluice_tasks_launched_total counter\nsluice_tasks_launched_total 4000\n");
}

TEST(Metrics, DurationsFallIntoDoublingBuckets) {
  Metrics metrics;
  DurationHistogram& durations = metrics.durations("sluice_batch_seconds", "Processing");
  for (std::int64_t us : {-5, 0, 1, 2, 3, 4, 5, 1'000'000}) durations.observe(us);
  durations.observe(std::int64_t(1) << 40);
  EXPECT_EQ(durations.atMost(0), 3u);  // -5 (a clock stepped back), 0 and 1
  EXPECT_EQ(durations.atMost(1), 4u);
  EXPECT_EQ(durations.atMost(2), 6u);
  EXPECT_EQ(durations.atMost(3), 7u);
  EXPECT_EQ(durations.atMost(20), 8u);
  EXPECT_EQ(durations.atMost(DurationHistogram::kBounds - 1), 8u);
  EXPECT_EQ(durations.count(), 9u);
  std::string text = metrics.text();
  EXPECT_NE(text.find("# TYPE sluice_batch_seconds histogram\n"), std::string::npos);
  EXPECT_NE(text.find("sluice_batch_seconds_bucket{le=\"4e-06\"} 6\n"), std::string::npos) << text;
  EXPECT_NE(text.find("sluice_batch_seconds_bucket{le=\"+Inf\"} 9\n"), std::string::npos);
  EXPECT_NE(text.find("sluice_batch_seconds_count 9\n"), std::string::npos);
}

}  // namespace
}  // namespace sluice
