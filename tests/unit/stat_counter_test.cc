// Counters of numbers: merged as one pass would have it, and printed as Spark prints them.
#include "sluice/stat_counter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "sluice/codec.h"

namespace sluice {
namespace {

TEST(StatCounter, MergesPartsOfAnySize) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(1e6, 2);  // a mean far from 0 shows cancellation
  for (std::size_t first : {0u, 1u, 5u, 300u, 995u, 1000u}) {
    StatCounter whole, a, b;
    for (std::size_t i = 0; i < 1000; ++i) {
      double x = normal(random);
      whole.merge(x);
      (i < first ? a : b).merge(x);
    }
    a.merge(b);
    EXPECT_EQ(a.count(), 1000);
    EXPECT_NEAR(a.mean(), whole.mean(), 1e-9 * 1e6);
    EXPECT_NEAR(a.variance(), whole.variance(), 1e-8);
    EXPECT_NEAR(a.variance(), 4, 0.6);
    EXPECT_EQ(a.max(), whole.max());
    EXPECT_EQ(a.min(), whole.min());
  }
}

TEST(StatCounter, NaNStays) {
  double nan = std::nan("");
  StatCounter a, b;
  a.merge(1).merge(nan).merge(5);
  EXPECT_TRUE(std::isnan(a.max()) && std::isnan(a.min()) && std::isnan(a.mean()));
  b.merge(2.0);
  b.merge(a);
  EXPECT_TRUE(std::isnan(b.max()) && std::isnan(b.min()));
  StatCounter c;
  c.merge(7).merge(b);
  EXPECT_TRUE(std::isnan(c.max()));
}

TEST(StatCounter, MergesWithItself) {
  StatCounter a;
  a.merge(1).merge(3);
  a.merge(StatCounter(a));
  EXPECT_EQ(a.count(), 4);
  EXPECT_EQ(a.mean(), 2);
  EXPECT_EQ(a.variance(), 1);
}

TEST(StatCounter, TravelsAsARow) {
  StatCounter a;
  a.merge(1.5).merge(-2);
  EXPECT_EQ(decoded<StatCounter>(encoded(a)).toString(), a.toString());
}

}  // namespace
}  // namespace sluice
