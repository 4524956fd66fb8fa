// Samples: seeds, how many copies, which draws.
#include "sluice/detail/sampling.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "sluice/error.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

constexpr double kAllDraws = 18446744073709551616.0;  // 2^64
constexpr double kDeviations = 6;  // a sample misses by more than this about once in 10^9 times, and then is drawn again

// The draws in [low, high) of all; an upper end of 1 takes the last one.
Stratum between(double low, double high) {
  Stratum stratum;
  low = std::clamp(low, 0.0, 1.0), high = std::clamp(high, 0.0, 1.0);
  stratum.none = !(low < high);
  if (low > 0) stratum.from = low >= 1 ? ~0ull : std::uint64_t(low * kAllDraws);
  if (high < 1) {
    auto end = std::uint64_t(high * kAllDraws);
    stratum.none = stratum.none || end <= stratum.from;
    stratum.last = end - 1;
  }
  return stratum;
}

}  // namespace

SampleSeed newSeed() {
  std::random_device random;
  return {std::uint64_t(random()) << 32 | random(), true};
}

Poisson poissonOf(double mean) {
  if (!(mean > 0)) return {0, 1, 1};
  // A sum of Poisson numbers is one: parts of a small mean need few steps and keep exp(-mean) well above 0.
  constexpr double kMostAtOnce = 8;
  Poisson poisson;
  poisson.parts = std::uint32_t(std::ceil(mean / kMostAtOnce));
  poisson.mean = mean / poisson.parts;
  poisson.least = std::exp(-poisson.mean);
  return poisson;
}

// By inversion (Devroye, Non-Uniform Random Variate Generation, X.3).
std::uint32_t copies(const Poisson& poisson, std::uint64_t draw) {
  std::uint32_t sum = 0;
  for (std::uint32_t part = 0; part < poisson.parts; ++part) {
    double u = double(mixBits(draw ^ (part + 1) * 0xd1342543de82ef95ull) >> 11) * 0x1p-53;
    double p = poisson.least, below = p;
    for (std::uint32_t k = 1; u >= below && p > 0x1p-60; ++k) {
      p *= poisson.mean / k;
      below += p;
      ++sum;
    }
  }
  return sum;
}

Stratum cellOf(double low, double high) { return between(low, high); }

std::vector<Stratum> cellsOf(const double* weights, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!(weights[i] >= 0) || std::isinf(weights[i])) {
      throwError(ErrorKind::kInvalidArgument, "randomSplit: a weight is " + std::to_string(weights[i]) + "; weights must not be below 0");
    }
    sum += weights[i];
  }
  if (!(sum > 0)) throwError(ErrorKind::kInvalidArgument, "randomSplit: the sum of the weights must be above 0");
  std::vector<Stratum> cells;
  double low = 0;
  for (std::size_t i = 0; i < count; ++i) {
    bool rest = std::all_of(weights + i + 1, weights + count, [](double w) { return w == 0; });
    double high = rest ? 1 : low + weights[i] / sum;  // rounding must lose nobody
    cells.push_back(between(low, high));
    if (weights[i] == 0) cells.back().none = true;
    else low = high;
  }
  return cells;
}

Stratum fractionOf(bool withReplacement, double fraction, const char* method) {
  if (!(fraction >= 0) || std::isinf(fraction)) {
    throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the fraction is " + std::to_string(fraction) + "; it must not be below 0");
  }
  if (!withReplacement && fraction > 1) {
    throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the fraction is " + std::to_string(fraction) +
                                                "; it must be from 0 to 1, or the sample drawn with replacement");
  }
  if (!withReplacement) return between(0, fraction);
  Stratum stratum;
  stratum.poisson = poissonOf(fraction);
  stratum.none = fraction == 0;
  return stratum;
}

Stratum enough(bool withReplacement, std::int64_t wanted, std::int64_t count, int tries) {
  double more = double(wanted) + (kDeviations * std::sqrt(double(wanted)) + 12) * double(1 << std::min(tries, 30));
  double fraction = count == 0 ? 0 : more / double(count);
  return fractionOf(withReplacement, withReplacement ? fraction : std::min(fraction, 1.0), "sample");
}

ExactStratum::ExactStratum(bool withReplacement, std::int64_t wanted, std::int64_t count)
    : withReplacement_(withReplacement), wanted_(wanted), count_(count) {
  if (wanted_ <= 0 || (!withReplacement_ && wanted_ >= count_)) {
    stratum_.none = wanted_ <= 0;
    found_ = true;
  } else {
    guess();
  }
}

void ExactStratum::guess() {
  double wide = double(1 << std::min(tries_, 30));
  double rank = double(wanted_), n = double(count_), off;
  if (withReplacement_) {
    stratum_ = enough(true, wanted_, count_, tries_);
    Poisson poisson = stratum_.poisson;
    n *= poisson.mean * poisson.parts;  // copies, on average
    off = kDeviations * std::sqrt(rank) + 20;
    stratum_ = between((rank - off * wide) / n, (rank + off * wide) / n);
    stratum_.poisson = poisson;
  } else {
    off = kDeviations * std::sqrt(rank * (1 - rank / n)) + 20;
    stratum_ = between((rank - off * wide) / n, (rank + off * wide) / n);
  }
}

void ExactStratum::narrow(std::int64_t below, std::vector<std::uint64_t> in) {
  std::int64_t rank = wanted_ - below;  // among those in the stratum, from 1 on
  if (rank >= 1 && rank <= std::int64_t(in.size())) {
    std::sort(in.begin(), in.end());
    std::uint64_t last = in[std::size_t(rank - 1)];
    if (rank == std::int64_t(in.size()) || in[std::size_t(rank)] != last) {  // copies may draw alike, though hardly ever
      stratum_.from = 0, stratum_.last = last;
      found_ = true;
      return;
    }
  }
  ++tries_;
  guess();
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
