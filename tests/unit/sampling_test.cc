// The numbers that samples are drawn by.
#include "sluice/detail/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "sluice/error.h"

namespace sluice::detail {
namespace {

std::vector<std::uint64_t> draws(std::uint64_t seed, int partition, int n) {
  Draws draw({seed, false}, {partition, 100, {}});
  std::vector<std::uint64_t> all;
  for (int i = 0; i < n; ++i) all.push_back(draw.next());
  return all;
}

TEST(Draws, AreUniformAndAllDifferent) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed : {0ull, 1ull, 2ull, 12345678901234567ull}) {
    std::vector<int> cells(64), bits(64);
    for (int partition : {0, 1, 77}) {
      auto all = draws(seed, partition, 20000);
      for (std::uint64_t x : all) {
        ++cells[x >> 58];
        for (int bit = 0; bit < 64; ++bit) bits[std::size_t(bit)] += x >> bit & 1;
      }
      // Neighbours have nothing in common.
      double product = 0;
      for (std::size_t i = 1; i < all.size(); ++i) product += (double(all[i]) * 0x1p-64 - 0.5) * (double(all[i - 1]) * 0x1p-64 - 0.5);
      EXPECT_LT(std::fabs(product / 20000 * 12), 0.035);
      if (seed == 1) seen.insert(all.begin(), all.end());
    }
    double chi = 0;
    for (int n : cells) chi += (n - 937.5) * (n - 937.5) / 937.5;
    EXPECT_LT(chi, 110) << "63 degrees of freedom, seed " << seed;
    EXPECT_GT(chi, 30);
    for (int n : bits) EXPECT_NEAR(n, 30000, 560) << "seed " << seed;
  }
  EXPECT_EQ(seen.size(), 60000u);
}

TEST(Draws, DependOnTheBatchOnlyWhereNobodyNamedASeed) {
  Draws a({5, true}, {0, 1, Time(1000)}), b({5, true}, {0, 1, Time(2000)}), c({5, false}, {0, 1, Time(1000)}), d({5, false}, {0, 1, Time(2000)});
  EXPECT_NE(a.next(), b.next());
  EXPECT_EQ(c.next(), d.next());
}

TEST(Poisson, HasItsMeanVarianceAndShape) {
  for (double mean : {0.01, 0.5, 2.0, 7.9, 8.1, 40.0, 1000.0}) {
    Poisson poisson = poissonOf(mean);
    double sum = 0, squares = 0;
    int zeros = 0, n = mean > 100 ? 3000 : 40000;
    for (std::uint64_t x : draws(9, 3, n)) {
      double k = copies(poisson, x);
      sum += k, squares += k * k, zeros += k == 0;
    }
    double average = sum / n, variance = squares / n - average * average;
    EXPECT_NEAR(average, mean, 4.5 * std::sqrt(mean / n)) << mean;
    EXPECT_NEAR(variance, mean, 5 * mean * std::sqrt((2 + 1 / mean) / n)) << mean;
    EXPECT_NEAR(zeros, n * std::exp(-mean), 4.5 * std::sqrt(n * std::exp(-mean)) + 1e-9) << mean;
  }
  EXPECT_EQ(copies(poissonOf(0), 12345), 0u);
}

TEST(Stratum, CellsCoverEverythingOnce) {
  double weights[] = {0, 1, 2, 0, 4, 0.1, 0};
  auto cells = cellsOf(weights, 7);
  ASSERT_EQ(cells.size(), 7u);
  for (std::uint64_t x : draws(3, 0, 5000)) EXPECT_EQ(std::count_if(cells.begin(), cells.end(), [&](const Stratum& cell) { return cell.holds(x); }), 1);
  for (std::uint64_t x : {std::uint64_t(0), ~std::uint64_t(0)})
    EXPECT_EQ(std::count_if(cells.begin(), cells.end(), [&](const Stratum& cell) { return cell.holds(x); }), 1);
  EXPECT_TRUE(cells[0].none && cells[3].none && cells[6].none);
  EXPECT_FALSE(cellOf(0, 0).holds(0));
  EXPECT_TRUE(cellOf(0, 1).holds(~0ull));
}

// As RDD::sampleByKeyExact asks, until the cut is found: exactly so many draws lie up to it.
TEST(ExactStratum, FindsTheCut) {
  for (bool replacement : {false, true}) {
    for (int n : {1, 2, 10, 500, 20000}) {
      auto all = draws(std::uint64_t(n), 0, n);
      for (int wanted : {0, 1, n / 3, n - 1, n, replacement ? 3 * n : n}) {
        ExactStratum exact(replacement, wanted, n);
        int jobs = 0;
        for (; !exact.found(); ++jobs) {
          ASSERT_LT(jobs, 10);
          Stratum every;
          every.poisson = exact.stratum().poisson;
          std::int64_t below = 0;
          std::vector<std::uint64_t> in;
          for (std::uint64_t x : all)
            every.each(x, [&](std::uint64_t own) {
              if (own < exact.stratum().from) ++below;
              else if (own <= exact.stratum().last) in.push_back(own);
            });
          EXPECT_LT(in.size(), 14 * std::sqrt(double(wanted)) * (1 << jobs) + 100 * (1 << jobs)) << "few come to the driver";
          exact.narrow(below, in);
        }
        std::int64_t taken = 0;
        for (std::uint64_t x : all) exact.stratum().each(x, [&](std::uint64_t) { ++taken; });
        EXPECT_EQ(taken, wanted) << n << (replacement ? " with replacement" : "");
        EXPECT_LE(jobs, 2);
      }
    }
  }
}

TEST(Stratum, EnoughIsMoreThanWanted) {
  for (bool replacement : {false, true}) {
    for (std::int64_t wanted : {1, 20, 700}) {
      for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Stratum stratum = enough(replacement, wanted, 1000, 0);
        std::int64_t taken = 0;
        for (std::uint64_t x : draws(seed, 0, 1000)) stratum.each(x, [&](std::uint64_t) { ++taken; });
        EXPECT_GE(taken, wanted);
        EXPECT_LT(double(taken), double(wanted) + 12 * std::sqrt(double(wanted)) + 40);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::detail
