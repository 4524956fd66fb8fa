// A function of the application's over partitions of a dataset, for what no action does. Methods of Context.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/detail/rdd_jobs.h"
#include "sluice/future_action.h"
#include "sluice/ops/map_partitions.h"
#include "sluice/rdd.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Throws Error(kInvalidArgument) for a partition that the RDD does not have.
SLUICE_EXPORT std::vector<std::uint32_t> checkedPartitions(const NodeRef& node, const std::vector<int>& partitions, const char* method);

template <class F> struct OncePerPartition {
  using SluiceInner = F;
  F f;
  template <class It> auto operator()(It& records) {
    std::vector<owned_t<std::remove_cvref_t<decltype(f(records))>>> one;
    one.push_back(toRecord<owned_t<std::remove_cvref_t<decltype(f(records))>>>(f(records)));
    return one;
  }
};

template <class Self> class RunJobs {
 public:
  // f(sluice::Iterator<T>&) over every partition, or over these; what it returned, in their order.
  template <class T, class F> auto runJob(const RDD<T>& rdd, F f, CallSite at = CallSite::here()) const {
    return decodeAll<ResultOf<T, F>>(detail::runJob(node<T>(rdd, std::move(f), "runJob", at), "runJob", at));
  }
  template <class T, class F> auto runJob(const RDD<T>& rdd, F f, const std::vector<int>& partitions, CallSite at = CallSite::here()) const {
    auto wanted = checkedPartitions(rdd.node(), partitions, "runJob");
    auto made = node<T>(rdd, std::move(f), "runJob", at);
    std::vector<ResultOf<T, F>> results;
    if (wanted.empty()) return results;
    auto rows = runJobOn(made, wanted.data(), wanted.size(), "runJob", at);
    for (std::uint32_t partition : wanted) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows.part(i).partition == partition) decodeInto(rows.part(i), results);
      }
    }
    return results;
  }
  template <class T, class F> auto runJob(const RDD<T>& rdd, F f, std::initializer_list<int> partitions, CallSite at = CallSite::here()) const {
    return runJob(rdd, std::move(f), std::vector<int>(partitions), at);
  }
  // The same in the background.
  template <class T, class F> auto submitJob(const RDD<T>& rdd, F f, CallSite at = CallSite::here()) const {
    using Results = std::vector<ResultOf<T, F>>;
    auto made = node<T>(rdd, std::move(f), "submitJob", at);
    return async<Results>(*contextOf(rdd.node()), "submitJob", at, [made, at] { return decodeAll<ResultOf<T, F>>(detail::runJob(made, "submitJob", at)); });
  }
  // For so many milliseconds at most: evaluate(const std::vector<U>& results, int partitions) -> R, in the driver, over what f gave for the
  // partitions that are done by then (of how many; 0: not known yet), and over all of them once the job is, which goes on.
  template <class T, class F, class Evaluate>
  auto runApproximateJob(const RDD<T>& rdd, F f, Evaluate evaluate, std::int64_t timeoutMs, CallSite at = CallSite::here()) const {
    using Results = std::vector<ResultOf<T, F>>;
    using R = std::remove_cvref_t<std::invoke_result_t<const Evaluate&, const Results&, int>>;
    checkApproximation("runApproximateJob", timeoutMs, 0);
    return approximate<R>(node<T>(rdd, std::move(f), "runApproximateJob", at), Duration(timeoutMs), "runApproximateJob", at,
                          [evaluate = std::move(evaluate)](const JobRows& rows, SampleOf) { return evaluate(decodeAll<ResultOf<T, F>>(rows), int(rows.partitions())); });
  }

 private:
  template <class T, class F> using ResultOf = owned_t<std::remove_cvref_t<std::invoke_result_t<F&, Iterator<T>&>>>;
  template <class T, class F> static NodeRef node(const RDD<T>& rdd, F f, const char* name, CallSite at) {
    static_assert(kShippable<F>, "sluice: this function captures something that cannot travel to the executors as bytes; pass values with sluice::with(f, value, ...)");
    using Once = OncePerPartition<F>;
    return step<ResultOf<T, F>>(rdd.node(), ops::MapPartitions<T, ResultOf<T, F>, Once>::of(Once{std::move(f)}), Method{name, at, false});
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
