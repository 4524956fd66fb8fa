// Actions that give what they have when the time is up.
#include <gtest/gtest.h>

#include <sluice/testing.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "everywhere.h"

namespace sluice {
namespace {

using testing::thrownBy;
using testing::Cluster;
using testing::Shape;

constexpr std::int64_t kLongMs = 60'000;

// Partition 3 waits at the gate.
std::atomic<bool> open{false};
std::int64_t atTheGate(std::int64_t n) {
  while (currentTask()->partition() == 3 && !open) {
    if (currentTask()->cancelled()) break;
    open.wait(false);
  }
  return n;
}
void setOpen(bool to) {
  open = to;
  open.notify_all();
}

TEST(ApproximateActions, AreExactWhenTheJobIsDoneInTime) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    Cluster cluster(shape);
    auto numbers = cluster.context().range(1, 101, 1, 8);
    auto count = numbers.countApprox(kLongMs);
    EXPECT_TRUE(count.isInitialValueFinal()) << nameOf(shape);
    EXPECT_EQ(count.initialValue(), (BoundedDouble{100, 1, 100, 100}));
    EXPECT_EQ(count.getFinalValue(), count.initialValue());
    EXPECT_EQ(numbers.sumApprox(kLongMs).getFinalValue(), (BoundedDouble{5050, 1, 5050, 5050}));
    EXPECT_EQ(numbers.meanApprox(kLongMs).getFinalValue().mean, 50.5);
    auto byValue = numbers.map([](std::int64_t n) { return n % 3; }).countByValueApprox(kLongMs);
    EXPECT_EQ(byValue.initialValue().size(), 3u);
    EXPECT_EQ(byValue.initialValue().at(1), (BoundedDouble{34, 1, 34, 34}));
    auto byKey = numbers.map([](std::int64_t n) { return std::pair(std::to_string(n % 2), n); }).countByKeyApprox(kLongMs);
    EXPECT_EQ(byKey.getFinalValue().at("0"), (BoundedDouble{50, 1, 50, 50}));
  }
}

TEST(ApproximateActions, OfNoRecords) {
  Cluster cluster(Shape::kLocal1);
  auto none = cluster.context().emptyRDD<double>();
  EXPECT_EQ(none.sumApprox(kLongMs).getFinalValue().mean, 0);
  EXPECT_TRUE(std::isnan(none.meanApprox(kLongMs).getFinalValue().mean));
  EXPECT_EQ(none.countApprox(kLongMs).getFinalValue().mean, 0);
  EXPECT_TRUE(none.countByValueApprox(kLongMs).getFinalValue().empty());
}

// The other partitions are done, and known at the master, at the latest when this gives all but one of them. A slow machine gets more time.
template <class Ask> auto whenThreeAreThere(Ask ask) {
  for (std::int64_t ms = 200;; ms *= 2) {
    auto result = ask(ms);
    if (result.initialValue().low > 0) return result;
    result.action().cancel();
    setOpen(true);  // lets it go
    result.action().wait(Seconds(60));
    setOpen(false);
  }
}

TEST(ApproximateActions, SayWhatIsKnownAtTheDeadline) {
  Context context(Conf().setMaster("local[4]").setAppName("test"));
  auto numbers = context.range(1, 101, 1, 4).map(atTheGate);
  setOpen(false);
  auto count = whenThreeAreThere([&](std::int64_t ms) { return numbers.countApprox(ms, 0.9); });
  EXPECT_FALSE(count.isInitialValueFinal());
  EXPECT_FALSE(count.action().isCompleted());
  EXPECT_EQ(count.initialValue(), detail::countEstimate({3, 4}, 75, 0.9));
  setOpen(true);
  EXPECT_EQ(count.getFinalValue(), (BoundedDouble{100, 1, 100, 100}));
  EXPECT_FALSE(count.isInitialValueFinal()) << "the initial one is what it was";
}

TEST(ApproximateActions, OfSumsAndKeysToo) {
  Context context(Conf().setMaster("local[4]").setAppName("test"));
  auto numbers = context.range(1, 101, 1, 4).map(atTheGate);
  setOpen(false);
  auto sum = whenThreeAreThere([&](std::int64_t ms) { return numbers.sumApprox(ms); });
  EXPECT_NEAR(sum.initialValue().mean, 2850.0 * 4 / 3, 1e-6);
  EXPECT_LT(sum.initialValue().low, sum.initialValue().mean);
  setOpen(true);
  EXPECT_EQ(sum.getFinalValue().mean, 5050);
  setOpen(false);
  // More than fits into a message: these parts are fetched.
  auto words = numbers.flatMap([](std::int64_t n) {
    std::vector<std::string> all;
    for (int i = 0; i < 400; ++i) all.push_back(std::string(20, 'x') + std::to_string(n % 25) + "-" + std::to_string(i));
    return all;
  });
  std::uint64_t parts = 0;
  for (std::int64_t ms = 300; parts < 3; ms *= 2) {
    auto counts = words.countByValueApprox(ms);
    const bool any = !counts.initialValue().empty();  // each part has all of the words, once
    const BoundedDouble known = any ? counts.initialValue().at(std::string(20, 'x') + "7-3") : BoundedDouble{};
    for (parts = any ? 1 : 0; parts == 1 || parts == 2; ++parts) {  // slow machines are not done with all of them
      if (known == detail::countEstimate({parts, 4}, std::int64_t(parts), 0.95)) break;
    }
    if (parts == 3) {
      EXPECT_EQ(counts.initialValue().size(), 10'000u);
      EXPECT_EQ(known, detail::countEstimate({3, 4}, 3, 0.95));
    }
    setOpen(true);
    EXPECT_EQ(counts.getFinalValue().at(std::string(20, 'x') + "7-3"), (BoundedDouble{4, 1, 4, 4}));
    setOpen(false);
  }
}

TEST(ApproximateActions, GoOnBehindTheirResult) {
  Context context(Conf().setMaster("local[4]").setAppName("test"));
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> said;
  auto say = [&](const std::string& what) {
    std::lock_guard lock(mutex);
    said.push_back(what);
    changed.notify_all();
  };
  auto told = [&](std::size_t n) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return said.size() >= n; });
  };
  setOpen(false);
  auto count = context.range(0, 100, 1, 4).map(atTheGate).countApprox(1);
  count.onComplete([&](const BoundedDouble& b) { say(b.toString()); }).onFail([&](const Error&) { say("failed"); });
  setOpen(true);
  told(1);
  EXPECT_EQ(said, (std::vector<std::string>{"[100.000, 100.000]"}));
  setOpen(false);
  auto cancelled = context.range(0, 100, 1, 4).map(atTheGate).countApprox(1);
  cancelled.onComplete([&](const BoundedDouble&) { say("done"); }).onFail([&](const Error& e) { say(e.kind() == ErrorKind::kCancelled ? "cancelled" : e.what()); });
  cancelled.action().cancel();
  setOpen(true);
  told(2);
  EXPECT_EQ(said[1], "cancelled");
  EXPECT_EQ(thrownBy([&] { cancelled.getFinalValue(); }).first, ErrorKind::kCancelled);
}

TEST(ApproximateActions, AJobThatFailsInTimeThrows) {
  Cluster cluster(Shape::kLocal1);
  auto bad = cluster.context().range(0, 4).map([](std::int64_t n) -> std::int64_t { throw std::runtime_error("bad " + std::to_string(n)); });
  EXPECT_NE(thrownBy([&] { bad.countApprox(kLongMs); }).second.find("bad 0"), std::string::npos);
}

TEST(ApproximateActions, ArgumentsAreChecked) {
  Cluster cluster(Shape::kLocal1);
  auto numbers = cluster.context().range(0, 4);
  EXPECT_EQ(thrownBy([&] { numbers.countApprox(-1); }).second, "countApprox: the timeout is -1 ms; it must not be negative");
  EXPECT_EQ(thrownBy([&] { numbers.sumApprox(1, 1.5); }).second, "sumApprox: the confidence is 1.5; it must be between 0 and 1");
  EXPECT_EQ(thrownBy([&] { numbers.meanApprox(1, -0.1); }).second, "meanApprox: the confidence is -0.1; it must be between 0 and 1");
  EXPECT_EQ(thrownBy([&] { numbers.countByValueApprox(1, std::nan("")); }).second, "countByValueApprox: the confidence is nan; it must be between 0 and 1");
}

}  // namespace
}  // namespace sluice
