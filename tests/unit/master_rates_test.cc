// Backpressure: how the next rate follows from a batch, and how receivers hear of it.
#include "master/rates.h"

#include <cmath>

#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kInterval = 1000;
constexpr std::int64_t kSecond = 1'000'000;

RateSample sample(std::int64_t atUs, std::uint64_t records, std::int64_t processingUs, std::int64_t waitedUs = 0) {
  return {atUs, records, processingUs, waitedUs};
}

TEST(RateEstimator, TheFirstBatchGivesNoRate) {
  RateEstimator estimator;
  EXPECT_EQ(estimator.next({}, kInterval, sample(kSecond, 1000, kSecond)), std::nullopt);
  EXPECT_TRUE(estimator.next({}, kInterval, sample(2 * kSecond, 1000, kSecond)));
}

// The figures of the formula: rate - P * error - I * waiting - D * change, error = rate - processed.
TEST(RateEstimator, FollowsTheFormula) {
  RateOptions options;
  options.proportional = 0.5, options.integral = 0.2, options.derived = 0.1, options.minRate = 1;
  RateEstimator estimator;
  estimator.next(options, kInterval, sample(kSecond, 1000, kSecond));  // 1000 a second
  // 600 a second; half a second waited: 300 records a batch interval; the error rose by 400 in two seconds.
  auto rate = estimator.next(options, kInterval, sample(3 * kSecond, 600, kSecond, kSecond / 2));
  ASSERT_TRUE(rate);
  EXPECT_NEAR(*rate, 1000 - 0.5 * 400 - 0.2 * 300 - 0.1 * 200, 1e-9);
}

TEST(RateEstimator, BatchesThatSayNothingChangeNothing) {
  RateEstimator estimator;
  estimator.next({}, kInterval, sample(kSecond, 1000, kSecond));
  EXPECT_EQ(estimator.next({}, kInterval, sample(2 * kSecond, 0, kSecond)), std::nullopt) << "empty";
  EXPECT_EQ(estimator.next({}, kInterval, sample(2 * kSecond, 1000, 0)), std::nullopt) << "no time";
  EXPECT_EQ(estimator.next({}, kInterval, sample(kSecond, 10, kSecond)), std::nullopt) << "no later than the one before";
  EXPECT_DOUBLE_EQ(*estimator.next({}, kInterval, sample(2 * kSecond, 500, kSecond)), 500);
}

TEST(RateEstimator, StaysWithinItsBounds) {
  RateOptions options;
  options.minRate = 100, options.maxRate = 2000;
  RateEstimator estimator;
  estimator.next(options, kInterval, sample(kSecond, 10, kSecond));
  EXPECT_DOUBLE_EQ(*estimator.next(options, kInterval, sample(2 * kSecond, 10, kSecond, 100 * kSecond)), 100);
  EXPECT_DOUBLE_EQ(*estimator.next(options, kInterval, sample(3 * kSecond, 1'000'000'000, 1)), 2000);
  EXPECT_DOUBLE_EQ(*estimator.next(options, kInterval, sample(4 * kSecond, 500, kSecond)), 500) << "the bound is not owed";
}

// A source that would give far more than can be processed, whose cost changes: the rate settles near what can be processed, and what waits
// is worked off. Random costs, gains within Spark's advice.
TEST(RateEstimator, SettlesNearWhatCanBeProcessed) {
  for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    auto between = [&](double low, double high) { return std::uniform_real_distribution<>(low, high)(random); };
    RateOptions options;
    options.proportional = between(0.5, 1), options.integral = between(0.1, 0.3), options.derived = between(0, 0.1), options.minRate = 10;
    RateEstimator estimator;
    double capacity = std::pow(10, between(2.5, 6)), overheadUs = between(100, 20'000);
    double rate = capacity * between(2, 20), freeUs = 0;  // the first batch is of no limit
    for (int phase = 0; phase < 3; ++phase) {
      std::int64_t waitedUs = 0;
      for (int batch = 0; batch < 60; ++batch) {
        double dueUs = double(phase * 60 + batch + 1) * kSecond;
        double processingUs = rate / capacity * kSecond + overheadUs;
        double beginUs = std::max(dueUs, freeUs);
        freeUs = beginUs + processingUs;
        waitedUs = std::int64_t(beginUs - dueUs);
        if (auto next = estimator.next(options, kInterval, sample(std::int64_t(freeUs), std::uint64_t(rate), std::int64_t(processingUs), waitedUs))) {
          ASSERT_TRUE(std::isfinite(*next));
          ASSERT_GE(*next, options.minRate);
          rate = *next;
        }
      }
      EXPECT_GT(rate, 0.5 * capacity);
      EXPECT_LT(rate, 1.01 * capacity);
      EXPECT_LT(waitedUs, 2 * kSecond) << "what had piled up is worked off";
      capacity *= std::pow(10, between(-0.5, 0.5));  // records become dearer or cheaper
    }
  }
}

TEST(RateOptions, AreReadAndBounded) {
  Settings conf;
  auto set = [&](const char* key, const char* value) { ASSERT_TRUE(conf.set(std::string("sluice.streaming.") + key, value, ConfOrigin::kProgram).ok()); };
  EXPECT_FALSE(rateOptionsOf(conf)) << "off";
  set("backpressure.enabled", "true");
  EXPECT_EQ(rateOptionsOf(conf)->initialRate, 0) << "no limit";
  set("receiver.maxRate", "500");
  EXPECT_EQ(rateOptionsOf(conf)->initialRate, 500);
  set("backpressure.initialRate", "900");
  EXPECT_EQ(rateOptionsOf(conf)->initialRate, 500);
  set("backpressure.initialRate", "300"), set("backpressure.pid.minRate", "7.5");
  EXPECT_EQ(rateOptionsOf(conf)->initialRate, 300);
  EXPECT_EQ(rateOptionsOf(conf)->minRate, 7.5);
  EXPECT_EQ(rateOptionsOf(conf)->proportional, 1.0);
  EXPECT_EQ(rateOptionsOf(conf)->integral, 0.2);
}

// ---- from a batch to its receiver ----

constexpr std::int64_t kZero = 10'000'000;

class Backpressure : public ::testing::Test {
 protected:
  static std::vector<std::string> on() {
    return {"sluice.streaming.backpressure.enabled=true", "sluice.streaming.backpressure.initialRate=5000", "sluice.streaming.backpressure.pid.minRate=1"};
  }
  static proto::Plan counting(proto::OutputKind kind = proto::OUTPUT_PRINT) {
    PlanMaker p(21, kInterval);
    return p.output(p.reduce(p.step(p.receiver())), kind).plan;
  }
  static std::uint64_t receiverAt(Fleet& fleet) {
    for (auto& [id, executor] : fleet.executors) {
      if (executor->receivers.contains(1)) return id;
    }
    return 0;
  }
  // The receiver's k-th batch, which takes so long to compute.
  static void batch(Fleet& fleet, int k, std::uint64_t records, std::int64_t processingMs) {
    proto::Input block;
    block.set_bytes(100), block.set_records(records), block.mutable_block();
    fleet.paused = true;
    fleet.advance(kZero + k * kInterval - fleet.now.time().milliseconds());
    fleet.executors[receiverAt(fleet)]->seal(1, kZero + k * kInterval, {block});
    fleet.settle();
    fleet.now = fleet.now + Milliseconds(processingMs);
    fleet.paused = false;
    fleet.settle();
  }
  static std::vector<double> rates(Fleet& fleet) {
    std::vector<double> all;
    for (const auto& rate : fleet.executors[receiverAt(fleet)]->rates) all.push_back(rate.records_per_second());
    return all;
  }
};

TEST_F(Backpressure, TellsReceiversWhatBatchesWereProcessedAt) {
  Fleet fleet(3, 2, on());
  fleet.startStream(counting());
  auto& started = fleet.executors[receiverAt(fleet)]->started;
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].records_per_second(), 5000);
  batch(fleet, 1, 1000, 500);
  EXPECT_EQ(rates(fleet), (std::vector<double>{})) << "the first batch gives none";
  batch(fleet, 2, 1000, 500);
  EXPECT_EQ(rates(fleet), (std::vector<double>{2000}));
  EXPECT_EQ(fleet.executors[receiverAt(fleet)]->rates[0].incarnation(), started[0].incarnation());
  batch(fleet, 3, 0, 500);
  EXPECT_EQ(rates(fleet).size(), 1u) << "nothing came";
  fleet.expectReplays();
}

TEST_F(Backpressure, FunctionsOfTheDriverCount) {
  Fleet fleet(3, 2, on());
  fleet.answerDriver = false;
  fleet.startStream(counting(proto::OUTPUT_DRIVER));
  for (int k = 1; k <= 2; ++k) {
    batch(fleet, k, 1000, 0);
    fleet.now = fleet.now + Milliseconds(400);  // with the jobs that it runs
    fleet.answer(fleet.received(proto::Message::kRunOutput).back());
    fleet.settle();
  }
  ASSERT_EQ(rates(fleet).size(), 1u);
  EXPECT_EQ(rates(fleet)[0], 2500) << "nothing else takes time";
}

TEST_F(Backpressure, IsOffUnlessItIsAskedFor) {
  Fleet fleet;
  fleet.startStream(counting());
  for (int k = 1; k <= 3; ++k) batch(fleet, k, 1000, 500);
  EXPECT_EQ(rates(fleet).size(), 0u);
  EXPECT_EQ(fleet.executors[receiverAt(fleet)]->started[0].records_per_second(), 0);
}

TEST_F(Backpressure, AReceiverThatStartsElsewhereKeepsTheRate) {
  Fleet fleet(3, 2, on());
  fleet.startStream(counting());
  for (int k = 1; k <= 2; ++k) batch(fleet, k, 1000, 500);
  fleet.kill(receiverAt(fleet));
  fleet.settle();
  ASSERT_NE(receiverAt(fleet), 0u);
  EXPECT_EQ(fleet.executors[receiverAt(fleet)]->started[0].records_per_second(), 2000);
}

TEST_F(Backpressure, ANewSessionHearsTheRateAgain) {
  Fleet fleet(3, 2, on());
  fleet.startStream(counting());
  batch(fleet, 1, 1000, 500);
  batch(fleet, 2, 1000, 500);
  fleet.breakSession(receiverAt(fleet), 0);
  fleet.settle();
  EXPECT_EQ(rates(fleet), (std::vector<double>{2000, 2000}));
}

TEST_F(Backpressure, AnotherMasterGoesOnAtTheRate) {
  Fleet fleet(3, 2, on());
  fleet.startStream(counting());
  for (int k = 1; k <= 3; ++k) batch(fleet, k, 1000, 500);
  for (std::uint64_t id : {1, 2, 3}) fleet.executors[id]->started.clear();
  fleet.restartFromSnapshot();
  for (std::uint64_t id : {1, 2, 3}) fleet.join(id, true);
  fleet.settle();
  int started = 0;
  for (std::uint64_t id : {1, 2, 3}) {
    for (const auto& start : fleet.executors[id]->started) {
      ++started;
      EXPECT_EQ(start.records_per_second(), 2000);
    }
  }
  EXPECT_EQ(started, 1);
}

}  // namespace
}  // namespace sluice::master
