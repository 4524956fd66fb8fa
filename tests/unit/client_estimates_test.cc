// Estimators of partial results, and the quantiles they need.
#include <gtest/gtest.h>

#include <sluice/partial_result.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "client/distributions.h"

namespace sluice {
namespace {

using namespace detail;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Tables of textbooks.
TEST(Distributions, NormalQuantiles) {
  EXPECT_NEAR(normalQuantile(0.975), 1.959963985, 1e-8);
  EXPECT_NEAR(normalQuantile(0.95), 1.644853627, 1e-8);
  EXPECT_NEAR(normalQuantile(0.5), 0, 1e-9);
  EXPECT_NEAR(normalQuantile(0.001), -3.090232306, 1e-8);
  EXPECT_EQ(normalQuantile(1), kInfinity);
  EXPECT_EQ(normalQuantile(0), -kInfinity);
}

TEST(Distributions, StudentQuantiles) {
  EXPECT_NEAR(studentQuantile(0.975, 1), 12.70620474, 1e-6);
  EXPECT_NEAR(studentQuantile(0.975, 2), 4.30265273, 1e-7);
  EXPECT_NEAR(studentQuantile(0.975, 10), 2.22813885, 1e-7);
  EXPECT_NEAR(studentQuantile(0.95, 30), 1.69726089, 1e-7);
  EXPECT_NEAR(studentQuantile(0.005, 10), -3.16927267, 1e-7);
  EXPECT_NEAR(studentQuantile(0.5, 7), 0, 1e-9);
  EXPECT_NEAR(studentQuantile(0.975, 1e6), normalQuantile(0.975), 1e-5);
  EXPECT_EQ(studentQuantile(1, 3), kInfinity);
}

// Against sums of the probabilities themselves.
double byAddingUp(double p, const std::function<double(int)>& logProbability) {
  double sum = 0;
  for (int k = 0;; ++k) {
    sum += std::exp(logProbability(k));
    if (sum >= p - 1e-12) return k;
  }
}

TEST(Distributions, PascalQuantiles) {
  for (double r : {1.0, 7.0, 500.0}) {
    for (double chance : {0.1, 0.5, 0.9}) {
      for (double p : {0.025, 0.5, 0.975}) {
        double wanted = byAddingUp(p, [&](int k) {
          return std::lgamma(r + k) - std::lgamma(r) - std::lgamma(k + 1.0) + r * std::log(chance) + k * std::log1p(-chance);
        });
        EXPECT_EQ(pascalQuantile(p, r, chance), wanted) << r << " " << chance << " " << p;
      }
    }
  }
  EXPECT_EQ(pascalQuantile(0.5, 10, 1), 0);
  EXPECT_EQ(pascalQuantile(1, 10, 0.5), kInfinity);
  EXPECT_EQ(pascalQuantile(0, 10, 0.5), 0);
}

TEST(Distributions, PoissonQuantiles) {
  for (double mean : {0.5, 10.0, 3000.0}) {
    for (double p : {0.025, 0.5, 0.975}) {
      double wanted = byAddingUp(p, [&](int k) { return k * std::log(mean) - mean - std::lgamma(k + 1.0); });
      EXPECT_EQ(poissonQuantile(p, mean), wanted) << mean << " " << p;
    }
  }
  EXPECT_EQ(poissonQuantile(0.5, 0), 0);
  double large = poissonQuantile(0.975, 1e9);
  EXPECT_NEAR(large, 1e9 + 1.96 * std::sqrt(1e9), 200) << "where it is almost normal";
}

TEST(Estimates, OfAWholeSampleAreExact) {
  Moments four{4, 10, 2.5, 5};
  EXPECT_EQ(countEstimate({3, 3}, 100, 0.95), (BoundedDouble{100, 1, 100, 100}));
  EXPECT_EQ(sumEstimate({3, 3}, four, 0.95), (BoundedDouble{10, 1, 10, 10}));
  EXPECT_EQ(meanEstimate({3, 3}, four, 0.95), (BoundedDouble{2.5, 1, 2.5, 2.5}));
  EXPECT_EQ(sumEstimate({3, 3}, {}, 0.95), (BoundedDouble{0, 1, 0, 0}));
  EXPECT_TRUE(std::isnan(meanEstimate({3, 3}, {}, 0.95).mean)) << "of no numbers there is no mean";
}

TEST(Estimates, OfNothingSayNothing) {
  for (SampleOf sample : {SampleOf{0, 0}, SampleOf{0, 5}}) {
    EXPECT_EQ(countEstimate(sample, 0, 0.95), (BoundedDouble{0, 0, 0, kInfinity}));
    EXPECT_EQ(sumEstimate(sample, {}, 0.95), (BoundedDouble{0, 0, -kInfinity, kInfinity}));
    EXPECT_EQ(meanEstimate(sample, {}, 0.95), (BoundedDouble{0, 0, -kInfinity, kInfinity}));
  }
  EXPECT_EQ(countEstimate({2, 5}, 0, 0.95), (BoundedDouble{0, 0, 0, kInfinity})) << "partitions without records";
  EXPECT_EQ(sumEstimate({2, 5}, {}, 0.95), (BoundedDouble{0, 0, -kInfinity, kInfinity}));
}

TEST(Estimates, OfOneNumberHaveNoBounds) {
  Moments one{1, 7, 7, 0};
  EXPECT_EQ(meanEstimate({1, 4}, one, 0.9), (BoundedDouble{7, 0.9, -kInfinity, kInfinity}));
  EXPECT_EQ(sumEstimate({1, 4}, one, 0.9), (BoundedDouble{28, 0.9, -kInfinity, kInfinity}));
}

TEST(Estimates, CountsOfAPartAreScaledUp) {
  auto half = countEstimate({5, 10}, 100, 0.95);
  EXPECT_DOUBLE_EQ(half.mean, 200);
  EXPECT_EQ(half.confidence, 0.95);
  EXPECT_EQ(half.low, 100 + pascalQuantile(0.025, 100, 0.5));
  EXPECT_EQ(half.high, 100 + pascalQuantile(0.975, 100, 0.5));
  EXPECT_LT(half.low, 175);
  EXPECT_GT(half.high, 225);
  auto many = countEstimate({5, 10}, 20'000, 0.95);
  EXPECT_EQ(many.low, 20'000 + poissonQuantile(0.025, 20'000));
  EXPECT_EQ(countEstimate({5, 10}, 100, 0.5).confidence, 0.5);
  EXPECT_LT(countEstimate({5, 10}, 100, 0.5).high, half.high);
}

TEST(Estimates, SmallSamplesAreStudents) {
  Moments five{5, 15, 3, 10};  // 1 2 3 4 5
  auto mean = meanEstimate({1, 2}, five, 0.95);
  double half = studentQuantile(0.975, 4) * std::sqrt(2.5 / 5);
  EXPECT_DOUBLE_EQ(mean.mean, 3);
  EXPECT_DOUBLE_EQ(mean.high - mean.mean, half);
  EXPECT_DOUBLE_EQ(mean.mean - mean.low, half);
  Moments many{101, 303, 3, 250};
  EXPECT_DOUBLE_EQ(meanEstimate({1, 2}, many, 0.95).high - 3, normalQuantile(0.975) * std::sqrt(2.5 / 101));
  auto sum = sumEstimate({1, 2}, five, 0.95);
  EXPECT_DOUBLE_EQ(sum.mean, 30);
  double variance = 9 * 10 + 25 * 0.5 + 0.5 * 10;
  EXPECT_DOUBLE_EQ(sum.high - 30, studentQuantile(0.975, 4) * std::sqrt(variance));
}

TEST(Estimates, MomentsOfPartsAreThoseOfTheWhole) {
  Moments all, parts[3];
  std::mt19937 random(1);
  double sum = 0;
  std::vector<double> values;
  for (int i = 0; i < 300; ++i) {
    double value = double(random() % 1000) / 7;
    values.push_back(value), sum += value;
    parts[i % 3].add({1, value, value, 0});
  }
  for (const auto& part : parts) all.add(part);
  all.add({});
  double mean = sum / 300, squares = 0;
  for (double v : values) squares += (v - mean) * (v - mean);
  EXPECT_EQ(all.count, 300);
  EXPECT_NEAR(all.sum, sum, 1e-6);
  EXPECT_NEAR(all.mean, mean, 1e-9);
  EXPECT_NEAR(all.squares, squares, 1e-4);
}

// What the confidence says is so: of many samples about that share holds the truth.
TEST(Estimates, HoldTheTruthAsOftenAsTheySay) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal(50, 10);
  std::poisson_distribution<int> sizes(40);
  int counts = 0, sums = 0, means = 0;
  constexpr int kTries = 2000, kParts = 20, kSeen = 5;
  for (int i = 0; i < kTries; ++i) {
    Moments seen;
    std::int64_t counted = 0, all = 0;
    double sum = 0;
    for (int p = 0; p < kParts; ++p) {
      int size = sizes(random);
      all += size;
      if (p < kSeen) counted += size;
      for (int k = 0; k < size; ++k) {
        double value = normal(random);
        sum += value;
        if (p < kSeen) seen.add({1, value, value, 0});
      }
    }
    auto holds = [](const BoundedDouble& b, double truth) { return b.low <= truth && truth <= b.high; };
    counts += holds(countEstimate({kSeen, kParts}, counted, 0.9), double(all));
    sums += holds(sumEstimate({kSeen, kParts}, seen, 0.9), sum);
    means += holds(meanEstimate({kSeen, kParts}, seen, 0.9), 50);
  }
  EXPECT_NEAR(counts, 0.9 * kTries, 0.04 * kTries);
  EXPECT_GT(sums, 0.86 * kTries);
  EXPECT_NEAR(means, 0.9 * kTries, 0.04 * kTries);
}

TEST(Estimates, ArePrintedAsSparkDoes) {
  EXPECT_EQ((BoundedDouble{2, 0.95, 1.5, 2.25}).toString(), "[1.500, 2.250]");
  EXPECT_EQ((BoundedDouble{0, 0, 0, kInfinity}).toString(), "[0.000, inf]");
}

}  // namespace
}  // namespace sluice
