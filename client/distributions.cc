#include "client/distributions.h"

#include <cmath>
#include <functional>
#include <limits>

namespace sluice {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTiny = 1e-300;
constexpr int kSteps = 100'000;  // of continued fractions and series, which end long before

// Lentz's algorithm for the continued fraction of the incomplete beta function; good for x < (a + 1) / (a + b + 2).
double betaFraction(double a, double b, double x) {
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double value = d;
  for (int m = 1; m < kSteps; ++m) {
    auto step = [&](double numerator) {
      d = 1 + numerator * d, c = 1 + numerator / c;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d), c = std::abs(c) < kTiny ? kTiny : c;
      value *= d * c;
    };
    step(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)));
    double before = value;
    step(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)));
    if (std::abs(value - before) < 1e-15 * std::abs(value)) break;
  }
  return value;
}

// Regularised incomplete beta function.
double beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * betaFraction(a, b, x) / a;
  return 1 - front * betaFraction(b, a, 1 - x) / b;
}

// Regularised upper incomplete gamma function.
double upperGamma(double a, double x) {
  if (x <= 0) return 1;
  double front = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (int n = 1; n < kSteps && term > sum * 1e-16; ++n) term *= x / (a + n), sum += term;
    return 1 - front * sum;
  }
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, value = d;
  for (int n = 1; n < kSteps; ++n) {
    double numerator = -n * (n - a);
    b += 2;
    d = numerator * d + b, c = b + numerator / c;
    d = 1 / (std::abs(d) < kTiny ? kTiny : d), c = std::abs(c) < kTiny ? kTiny : c;
    value *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return front * value;
}

double bisect(double low, double high, double p, const std::function<double(double)>& cumulative) {
  for (int i = 0; i < 200 && high - low > 1e-13 * (1 + std::abs(low)); ++i) {
    double middle = low + (high - low) / 2;
    (cumulative(middle) < p ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

// Of whole numbers from 0 on.
double smallest(double p, double guess, const std::function<double(double)>& cumulative) {
  if (p <= 0) return 0;
  if (p >= 1) return kInfinity;
  double high = std::max(1.0, std::ceil(guess));
  while (cumulative(high) < p) high *= 2;
  double low = -1;  // cumulative(low) < p <= cumulative(high)
  while (high - low > 1) {
    double middle = std::floor(low + (high - low) / 2);
    (cumulative(middle) < p ? low : high) = middle;
  }
  return high;
}

}  // namespace

double normalQuantile(double p) {
  if (p <= 0) return -kInfinity;
  if (p >= 1) return kInfinity;
  return bisect(-40, 40, p, [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; });
}

double studentQuantile(double p, double degrees) {
  if (p <= 0) return -kInfinity;
  if (p >= 1) return kInfinity;
  if (p == 0.5) return 0;
  auto cumulative = [&](double t) {
    double tail = beta(degrees / 2, 0.5, degrees / (degrees + t * t)) / 2;
    return t < 0 ? tail : 1 - tail;
  };
  double reach = 1;
  while (cumulative(reach) < std::max(p, 1 - p)) reach *= 2;
  return bisect(-reach, reach, p, cumulative);
}

double pascalQuantile(double p, double successes, double chance) {
  if (chance >= 1) return 0;
  return smallest(p, successes * (1 - chance) / chance, [&](double k) { return k < 0 ? 0 : beta(successes, k + 1, chance); });
}

double poissonQuantile(double p, double mean) {
  if (mean <= 0) return 0;
  return smallest(p, mean, [&](double k) { return k < 0 ? 0 : upperGamma(k + 1, mean); });
}

}  // namespace sluice
