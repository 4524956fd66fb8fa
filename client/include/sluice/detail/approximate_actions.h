// Actions of RDD that give what they have when the time is up. Self is RDD<T>.
#pragma once
#include <cstdint>
#include <map>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sluice/detail/async_actions.h"
#include "sluice/detail/rdd_jobs.h"
#include "sluice/detail/transforms.h"
#include "sluice/ops/reduce.h"
#include "sluice/partial_result.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// (count, sum, mean, sum of squared distances), by Welford's method.
using MomentsRow = std::tuple<std::int64_t, double, double, double>;
struct AddToMoments {
  template <class T> MomentsRow operator()(MomentsRow seen, const T& value) const {
    auto& [count, sum, mean, squares] = seen;
    double apart = double(value) - mean;
    sum += double(value);
    mean += apart / double(++count);
    squares += apart * (double(value) - mean);
    return seen;
  }
};

// evaluate(const JobRows&, SampleOf) -> R
template <class R, class Evaluate>
PartialResult<R> approximate(const NodeRef& node, Duration timeout, const char* name, CallSite at, Evaluate evaluate) {
  auto rest = async<R>(*contextOf(node), name, at, [node, name, at, evaluate] { return evaluate(runJob(node, name, at), SampleOf{1, 1}); });
  if (rest.wait(timeout)) return PartialResult<R>(rest.get(), true, rest);
  JobRows rows;
  if (!partOf(*rest.core(), rows)) return PartialResult<R>(rest.get(), true, rest);  // meanwhile
  return PartialResult<R>(evaluate(rows, SampleOf{rows.size(), rows.partitions()}), false, rest);
}

template <class Self, class T> class ApproximateActions : public AsyncActions<Self, T> {
 public:
  // How many records there are, as far as is known when the time (in milliseconds) is up; the job goes on. What is still missing is
  // taken to be like what was counted.
  PartialResult<BoundedDouble> countApprox(std::int64_t timeoutMs, double confidence = 0.95, CallSite at = CallSite::here()) const {
    checkApproximation("countApprox", timeoutMs, confidence);
    auto counted = step<std::int64_t>(dataset(), ops::Count<T>::of(), Method{"countApprox", at, false});
    return approximate<BoundedDouble>(counted, Duration(timeoutMs), "countApprox", at, [confidence](const JobRows& rows, SampleOf sample) {
      std::int64_t sum = 0;
      for (auto n : decodeAll<std::int64_t>(rows)) sum += n;
      return countEstimate(sample, sum, confidence);
    });
  }
  // How many records of each value; of values that were not met yet nothing is said.
  auto countByValueApprox(std::int64_t timeoutMs, double confidence = 0.95, CallSite at = CallSite::here()) const {
    using Counts = std::map<owned_t<T>, BoundedDouble>;
    if constexpr (!shuffles<T>()) return PartialResult<Counts>({}, true, FutureAction<Counts>({}));
    else return counts<T>(dataset(), timeoutMs, confidence, Method{"countByValueApprox", at, false});
  }
  // How many records of each key.
  auto countByKeyApprox(std::int64_t timeoutMs, double confidence = 0.95, CallSite at = CallSite::here()) const {
    using K = typename PairOf<T>::Key;
    using Counts = std::map<owned_t<K>, BoundedDouble>;
    if constexpr (kAnyBroken<T>) return PartialResult<Counts>({}, true, FutureAction<Counts>({}));
    else if constexpr (std::is_same_v<K, Broken>) {
      static_assert(never<T>, "sluice: countByKeyApprox needs records that are std::pair<K, V>; make them with map or keyBy first");
      return PartialResult<Counts>({}, true, FutureAction<Counts>({}));
    } else if constexpr (!shuffles<K>()) return PartialResult<Counts>({}, true, FutureAction<Counts>({}));
    else {
      Method m{"countByKeyApprox", at, false};
      return counts<K>(step<K>(dataset(), ops::Keys<T>::of(), m), timeoutMs, confidence, m);
    }
  }
  // Of numbers.
  PartialResult<BoundedDouble> sumApprox(std::int64_t timeoutMs, double confidence = 0.95, CallSite at = CallSite::here()) const {
    return moments(&sumEstimate, timeoutMs, confidence, Method{"sumApprox", at, false});
  }
  PartialResult<BoundedDouble> meanApprox(std::int64_t timeoutMs, double confidence = 0.95, CallSite at = CallSite::here()) const {
    return moments(&meanEstimate, timeoutMs, confidence, Method{"meanApprox", at, false});
  }

 private:
  const NodeRef& dataset() const { return static_cast<const Self&>(*this).node(); }

  template <class K> PartialResult<std::map<owned_t<K>, BoundedDouble>> counts(const NodeRef& keys, std::int64_t timeoutMs, double confidence, const Method& m) const {
    using Own = owned_t<K>;
    using Counted = std::pair<Own, std::int64_t>;
    checkApproximation(m.name, timeoutMs, confidence);
    auto ones = step<std::pair<K, std::int64_t>>(keys, ops::CountOnes<K>::of(), m);
    using Add = ops::Combine<K, std::int64_t, std::int64_t, ops::AsValue<std::int64_t>, ops::AddUp>;
    auto counted = step<Counted>(ones, Add::of({}, {}), m);
    return approximate<std::map<Own, BoundedDouble>>(counted, Duration(timeoutMs), m.name, m.site, [confidence](const JobRows& rows, SampleOf sample) {
      std::map<Own, std::int64_t> sums;
      for (auto& [key, n] : decodeAll<Counted>(rows)) sums[std::move(key)] += n;
      std::map<Own, BoundedDouble> all;
      for (const auto& [key, sum] : sums) all.emplace(key, countEstimate(sample, sum, confidence));
      return all;
    });
  }

  PartialResult<BoundedDouble> moments(BoundedDouble (*estimate)(SampleOf, const Moments&, double), std::int64_t timeoutMs, double confidence, const Method& m) const {
    if constexpr (kAnyBroken<T>) return PartialResult<BoundedDouble>({}, true, FutureAction<BoundedDouble>({}));
    else if constexpr (!std::is_arithmetic_v<T>) {
      static_assert(never<T>, "sluice: sumApprox and meanApprox need an RDD of numbers; make them with map first");
      return PartialResult<BoundedDouble>({}, true, FutureAction<BoundedDouble>({}));
    } else {
      checkApproximation(m.name, timeoutMs, confidence);
      auto summed = step<MomentsRow>(dataset(), ops::Aggregate<T, MomentsRow, AddToMoments>::of({}, {}), m);
      return approximate<BoundedDouble>(summed, Duration(timeoutMs), m.name, m.site, [estimate, confidence](const JobRows& rows, SampleOf sample) {
        Moments all;
        for (const auto& [count, sum, mean, squares] : decodeAll<MomentsRow>(rows)) all.add({count, sum, mean, squares});
        return estimate(sample, all, confidence);
      });
    }
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
