// What is known of a result while its job goes on: RDD::countApprox and its like.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "sluice/future_action.h"

namespace sluice {
inline namespace SLUICE_ABI {

// A number with its error: with this confidence (0 to 1) it lies between low and high.
struct BoundedDouble {
  double mean = 0, confidence = 0, low = 0, high = 0;
  // "[low, high]", three digits after the point.
  SLUICE_EXPORT std::string toString() const;
  friend bool operator==(const BoundedDouble&, const BoundedDouble&) = default;
};

namespace detail {

class JobRows;
// The results that the master has by now of the last job the action began. Partitions whose tasks ended within the last 50 ms may be missing.
// False: the job is over, and the action is about to be.
SLUICE_EXPORT bool partOf(AsyncAction& action, JobRows& rows);
// Error(kInvalidArgument) unless 0 <= confidence <= 1 and the time is not negative.
SLUICE_EXPORT void checkApproximation(const char* method, std::int64_t timeoutMs, double confidence);

// How much of a sample: `merged` of `total` partitions (0: unknown yet).
struct SampleOf {
  std::uint64_t merged = 0, total = 0;
  bool whole() const { return total != 0 && merged == total; }
};
// Moments of the numbers seen.
struct Moments {
  std::int64_t count = 0;
  double sum = 0, mean = 0, squares = 0;  // of squared distances from the mean
  SLUICE_EXPORT void add(const Moments& other);
};
// Spark's estimators: what is not counted yet is taken to be like what is.
SLUICE_EXPORT BoundedDouble countEstimate(SampleOf sample, std::int64_t seen, double confidence);
SLUICE_EXPORT BoundedDouble sumEstimate(SampleOf sample, const Moments& seen, double confidence);
SLUICE_EXPORT BoundedDouble meanEstimate(SampleOf sample, const Moments& seen, double confidence);

}  // namespace detail

// The value at the deadline, and the exact one once the job is done. Copies stand for the same result.
template <class R> class PartialResult {
 public:
  PartialResult(R initial, bool isFinal, FutureAction<R> rest) : initial_(std::move(initial)), final_(isFinal), rest_(std::move(rest)) {}

  const R& initialValue() const { return initial_; }
  // Whether the job was done in time, so that the initial value is the exact one.
  bool isInitialValueFinal() const { return final_; }
  // Waits for the job; throws what it failed of.
  const R& getFinalValue() const& { return rest_.get(); }
  R getFinalValue() && { return rest_.get(); }
  // Calls f(const R&) with the final value, or f(const Error&) if the job fails; at once if it is over, else on a thread of the engine's.
  template <class F> const PartialResult& onComplete(F f) const {
    rest_.onComplete([f = std::move(f)](const FutureAction<R>& action) mutable {
      if (!failureOf(action)) f(action.get());
    });
    return *this;
  }
  template <class F> const PartialResult& onFail(F f) const {
    rest_.onComplete([f = std::move(f)](const FutureAction<R>& action) mutable {
      if (auto error = failureOf(action)) f(*error);
    });
    return *this;
  }
  // The job behind it: to cancel it, or to see its number.
  const FutureAction<R>& action() const { return rest_; }

 private:
  static std::optional<Error> failureOf(const FutureAction<R>& action) {
    try {
      action.get();
      return std::nullopt;
    } catch (const Error& error) {
      return error;
    }
  }
  R initial_;
  bool final_;
  FutureAction<R> rest_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
