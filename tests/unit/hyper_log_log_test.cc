// HyperLogLog++: accuracy over the whole range, both forms, merging in any order.
#include "sluice/hyper_log_log.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sluice/codec.h"
#include "sluice/error.h"

namespace sluice {
namespace {

HyperLogLog of(int p, int sparse, std::uint64_t from, std::uint64_t to) {
  HyperLogLog sketch(p, sparse);
  for (std::uint64_t x = from; x < to; ++x) sketch.add(x);
  return sketch;
}

// Means and root mean squares of the relative error over many sets; the promise is 1.04 / sqrt(2^p).
TEST(HyperLogLog, KeepsItsStandardErrorFromSmallToLarge) {
  for (int p : {4, 8, 12}) {
    for (std::uint64_t n : {10u, 60u, 300u, 1500u, 6000u, 25000u, 100000u}) {
      const int sets = n > 10000 ? 40 : 150;
      double sum = 0, squares = 0;
      for (int set = 0; set < sets; ++set) {
        double error = double(of(p, 0, set * n * 7, set * n * 7 + n).estimate()) / double(n) - 1;
        sum += error, squares += error * error;
      }
      double promised = 1.04 / std::sqrt(std::pow(2, p));
      EXPECT_LT(std::sqrt(squares / sets), promised * 1.25) << "p " << p << ", n " << n;
      EXPECT_LT(std::fabs(sum / sets), promised * 4 / std::sqrt(double(sets)) + 0.5 / double(n)) << "unbiased: p " << p << ", n " << n;
    }
  }
}

TEST(HyperLogLog, SparseFormIsNearlyExact) {
  for (std::uint64_t n : {0u, 1u, 2u, 100u, 1000u, 3900u}) {
    HyperLogLog sketch = of(14, 25, 5, 5 + n);
    EXPECT_NEAR(double(sketch.estimate()), double(n), double(n) * 0.0005 + 0.5) << n;
    EXPECT_LT(sketch.memory(), 40000u);
  }
  EXPECT_LT(of(14, 25, 0, 20).memory(), 600u) << "few values take little room";
}

TEST(HyperLogLog, DoublesDoNotCount) {
  HyperLogLog sketch = of(10, 25, 0, 500);
  std::int64_t once = sketch.estimate();
  for (int i = 0; i < 5; ++i) sketch.merge(of(10, 25, 0, 500));
  for (std::uint64_t x = 0; x < 500; ++x) sketch.add(x);
  EXPECT_EQ(sketch.estimate(), once);
}

// However the values are cut up, and whichever forms the parts have, the estimate is the same as that of one dense sketch.
TEST(HyperLogLog, MergesInAnyFormAndOrder) {
  for (int p : {4, 9, 14}) {
    std::int64_t whole = of(p, 0, 0, 60000).estimate();
    for (int sparse : {0, 14, 20, 25}) {
      if (sparse != 0 && sparse < p) continue;
      EXPECT_EQ(of(p, sparse, 0, 60000).estimate(), whole) << p << " " << sparse;
      HyperLogLog up(p, sparse), down(p, sparse);
      for (std::uint64_t from : {0u, 10u, 300u, 5000u, 20000u}) {
        std::uint64_t to = from == 0 ? 10 : from == 10 ? 300 : from == 300 ? 5000 : from == 5000 ? 20000 : 60000;
        up.merge(of(p, sparse, from, to));
      }
      for (std::uint64_t from : {20000u, 5000u, 300u, 10u, 0u}) {
        std::uint64_t to = from == 0 ? 10 : from == 10 ? 300 : from == 300 ? 5000 : from == 5000 ? 20000 : 60000;
        down.merge(of(p, sparse, from, to));
      }
      EXPECT_EQ(up.estimate(), whole);
      EXPECT_EQ(down.estimate(), whole);
    }
  }
}

TEST(HyperLogLog, TravelsAsARow) {
  for (std::uint64_t n : {0u, 30u, 100u, 50000u}) {
    HyperLogLog sketch = of(11, 25, 0, n), copy = decoded<HyperLogLog>(encoded(sketch));
    EXPECT_EQ(copy.estimate(), sketch.estimate());
    copy.merge(of(11, 25, n, 2 * n));
    sketch.merge(of(11, 25, n, 2 * n));
    EXPECT_EQ(copy.estimate(), sketch.estimate());
  }
}

// As many values as there are registers, before the sparse form was looked through.
TEST(HyperLogLog, AFullSparseFormIsEstimatedAsTheDenseOne) {
  for (int p : {4, 5, 6}) {
    HyperLogLog sparse(p, p), dense(p, 0);
    for (std::uint64_t i = 0; i < std::uint64_t(1) << p; ++i) {
      std::uint64_t hash = i << (64 - p) | std::uint64_t(1) << 50;
      sparse.addHash(hash), dense.addHash(hash);
    }
    EXPECT_EQ(sparse.estimate(), dense.estimate()) << p;
  }
}

TEST(HyperLogLog, DamagedRowsAreRefused) {
  for (std::uint64_t n : {30u, 50000u}) {
    std::string row = encoded(of(4, n > 100 ? 0 : 10, 0, n));
    std::size_t refused = 0;
    for (std::size_t i = 0; i < row.size() * 8; ++i) {
      std::string broken = row;
      broken[i / 8] = char(broken[i / 8] ^ 1 << i % 8);
      try {
        auto sketch = decoded<HyperLogLog>(broken);
        sketch.addHash(0), sketch.addHash(~std::uint64_t(0));
        sketch.merge(sketch);
        EXPECT_GE(sketch.estimate(), 0);
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kLost) << error.what();
        ++refused;
      }
    }
    EXPECT_GT(refused, 16u) << "both numbers of bits, and ranks above what there can be";
  }
}

TEST(HyperLogLog, RefusesWhatItCannotBe) {
  EXPECT_THROW(HyperLogLog(3), Error);
  EXPECT_THROW(HyperLogLog(25), Error);
  EXPECT_THROW(HyperLogLog(14, 12), Error);
  HyperLogLog a(10), b(11);
  EXPECT_THROW(a.merge(b), Error);
  EXPECT_EQ(HyperLogLog::precisionFor(0.05, "x"), 9);
  EXPECT_EQ(HyperLogLog::precisionFor(0.9, "x"), 4);
  EXPECT_EQ(HyperLogLog::precisionFor(0.00026, "x"), 24);
}

}  // namespace
}  // namespace sluice
