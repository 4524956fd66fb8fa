#include "sluice/partial_result.h"

#include <cmath>
#include <cstdio>
#include <limits>

#include "client/async_action.h"
#include "client/context_core.h"
#include "client/distributions.h"
#include "client/jobs.h"

namespace sluice {
inline namespace SLUICE_ABI {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kManySeen = 10'000;  // from here on a count is Poisson's, whose quantiles are as good and easier to have
constexpr std::int64_t kAsGoodAsNormal = 100;

// Half the width of the interval, in standard deviations.
double factor(std::int64_t count, double confidence) {
  double p = 1 - (1 - confidence) / 2;
  return count > kAsGoodAsNormal ? normalQuantile(p) : studentQuantile(p, double(count - 1));
}

BoundedDouble exact(double value) { return {value, 1, value, value}; }

}  // namespace

std::string BoundedDouble::toString() const {
  char text[80];
  std::snprintf(text, sizeof text, "[%.3f, %.3f]", low, high);
  return text;
}

namespace detail {

void checkApproximation(const char* method, std::int64_t timeoutMs, double confidence) {
  if (timeoutMs < 0) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the timeout is " + std::to_string(timeoutMs) + " ms; it must not be negative");
  if (confidence >= 0 && confidence <= 1) return;
  char text[32];
  std::snprintf(text, sizeof text, "%g", confidence);
  throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the confidence is " + text + "; it must be between 0 and 1");
}

void Moments::add(const Moments& other) {
  if (other.count == 0) return;
  double all = double(count + other.count), apart = other.mean - mean;
  squares += other.squares + apart * apart * double(count) * double(other.count) / all;
  mean += apart * double(other.count) / all;
  sum += other.sum;
  count += other.count;
}

// As if each record had been seen with probability p: how many were not?
BoundedDouble countEstimate(SampleOf sample, std::int64_t seen, double confidence) {
  if (sample.whole()) return exact(double(seen));
  if (sample.merged == 0 || seen == 0) return {0, 0, 0, kInfinity};
  double p = double(sample.merged) / double(sample.total), sum = double(seen);
  double rest = sum * (1 - p) / p;
  auto quantile = [&](double q) { return sum <= kManySeen ? pascalQuantile(q, sum, p) : poissonQuantile(q, rest); };
  return {sum + rest, confidence, sum + quantile((1 - confidence) / 2), sum + quantile((1 + confidence) / 2)};
}

BoundedDouble meanEstimate(SampleOf sample, const Moments& seen, double confidence) {
  if (sample.whole()) return exact(seen.count == 0 ? std::numeric_limits<double>::quiet_NaN() : seen.mean);
  if (sample.merged == 0 || seen.count == 0) return {0, 0, -kInfinity, kInfinity};
  if (seen.count == 1) return {seen.mean, confidence, -kInfinity, kInfinity};
  double variance = seen.squares / double(seen.count - 1);
  double half = factor(seen.count, confidence) * std::sqrt(variance / double(seen.count));
  return {seen.mean, confidence, seen.mean - half, seen.mean + half};
}

// The sum of the rest is its mean, which is that of what was seen, times its count, which is that of countEstimate; the variances of both
// go into its own.
BoundedDouble sumEstimate(SampleOf sample, const Moments& seen, double confidence) {
  const double sum = seen.sum;
  if (sample.whole()) return exact(sum);
  if (sample.merged == 0 || seen.count == 0) return {0, 0, -kInfinity, kInfinity};
  double p = double(sample.merged) / double(sample.total), count = double(seen.count);
  double restCount = count * (1 - p) / p, rest = seen.mean * restCount;
  if (seen.count == 1) return {sum + rest, confidence, -kInfinity, kInfinity};
  double meanVariance = seen.squares / (count - 1) / count, countVariance = count * (1 - p) / (p * p);
  double variance = seen.mean * seen.mean * countVariance + restCount * restCount * meanVariance + meanVariance * countVariance;
  double half = factor(seen.count, confidence) * std::sqrt(variance);
  return {sum + rest, confidence, sum + rest - half, sum + rest + half};
}

bool partOf(AsyncAction& action, JobRows& rows) {
  auto jobs = action.jobIds();
  ContextRef context = action.context();
  if (!context) return false;
  Driver::Results results;
  if (!jobs.empty() && !context->driver().partOf(std::uint64_t(jobs.back()), results)) return false;
  rows = rowsOf(std::move(results));
  return true;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
