// Aggregations over trees, statistics of numbers, approximate counts, and the records one partition after the other.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/detail/rdd_sampling.h"
#include "sluice/local_iterator.h"
#include "sluice/ops/statistics.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

#define SLUICE_NEEDS_NUMBERS(method) static_assert(never<RDD<T>>, "sluice: " method " needs records that are numbers; map to numbers first")

template <class T> class EachPartition final : public PartitionReader<T> {
 public:
  EachPartition(NodeRef node, NodeRef kept, CallSite at) : node_(std::move(node)), kept_(std::move(kept)), at_(at) {}
  ~EachPartition() override {
    if (kept_) unpersist(kept_);
  }
  bool next(std::vector<T>& records) override {
    if (partition_ == partitions_) return false;
    auto rows = runJobOn(node_, &partition_, 1, "toLocalIterator", at_);
    partitions_ = rows.partitions();
    for (std::size_t i = 0; i < rows.size(); ++i) decodeInto(rows.part(i), records);
    if (partition_ < partitions_) ++partition_;
    return true;
  }

 private:
  NodeRef node_, kept_;
  CallSite at_;
  std::uint32_t partition_ = 0, partitions_ = ~0u;
};

template <class T> class RddStatistics : public RddSampling<T> {
  using Base = RddSampling<T>;
  using Own = owned_t<T>;

 public:
  using typename Base::Key;
  using typename Base::Value;

  // As reduce and aggregate, merging in the executors over `depth` levels where there are many partitions, so that the driver merges few
  // values. f and combine need not be commutative.
  template <class F> Own treeReduce(F f, int depth = 2, CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !stores<T>() || !usable<F, Own, T>()) return Own{};
    else {
      auto parts = overTree<Own>(step<Own>(node_, ops::Reduce<T, F>::of(f), method("treeReduce", at)), f, depth, method("treeReduce", at));
      if (parts.empty()) throwError(ErrorKind::kInvalidArgument, "treeReduce: the RDD is empty; use treeAggregate, which has a value to begin with");
      Own all = std::move(parts[0]);
      for (std::size_t i = 1; i < parts.size(); ++i) all = ops::mergeInto<Own>(f, all, parts[i]);
      return all;
    }
  }
  template <class A, class SeqF, class CombF>
  owned_t<A> treeAggregate(const A& zero, SeqF f, CombF combine, int depth = 2, CallSite at = CallSite::here()) const {
    using Sum = owned_t<A>;
    if constexpr (kBroken || !stores<A>() || !usable<SeqF, Sum, T>() || !usable<CombF, Sum, Sum>()) return Sum{};
    else {
      Sum all(zero);
      Method m = method("treeAggregate", at);
      for (auto& part : overTree<Sum>(step<Sum>(node_, ops::Aggregate<T, Sum, SeqF>::of(all, std::move(f)), m), combine, depth, m)) {
        all = ops::mergeInto<Sum>(combine, all, part);
      }
      return all;
    }
  }

  // The records in order, with at most one partition of them in the driver. Each partition is a job; what lies behind an exchange is
  // computed once, and kept in the executors for as long as the iterator lives.
  LocalIterator<Own> toLocalIterator(CallSite at = CallSite::here()) const {
    if constexpr (kBroken || !stores<T>()) return {};
    else {
      if (!readsExchange(node_)) return LocalIterator<Own>(new EachPartition<Own>(node_, {}, at));
      auto kept = step<T>(node_, ops::Map<T, T, Same>::of({}), method("toLocalIterator", at));
      keep(kept, StorageLevel::MEMORY_AND_DISK, false);
      LocalIterator<Own> records(new EachPartition<Own>(kept, kept, at));
      runForEffects(kept, "toLocalIterator", at);
      return records;
    }
  }

  // About how many different records there are, by HyperLogLog++ with this relative standard deviation (0.00026 or more; smaller costs
  // memory: 1.1 / relativeSD squared bytes in each task).
  std::int64_t countApproxDistinct(double relativeSD = 0.05, CallSite at = CallSite::here()) const {
    return sketched(HyperLogLog::precisionFor(relativeSD, "countApproxDistinct"), 25, at);
  }
  // With 2^p registers (4 to 24), and 2^sp where few are seen (0, or p to 32).
  std::int64_t countApproxDistinct(int p, int sp, CallSite at = CallSite::here()) const { return sketched(p, sp, at); }

  // ---- Of numbers ----
  double sum(CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return 0;
    else if constexpr (!kNumbers) { SLUICE_NEEDS_NUMBERS("sum"); return 0; }
    else {
      double sum = 0;
      for (double part : partial<double>(node_, ops::Aggregate<T, double, ops::AddUp>::of(0, {}), method("sum", at))) sum += part;
      return sum;
    }
  }
  // Count, mean, variance and extremes by one job.
  StatCounter stats(CallSite at = CallSite::here()) const {
    StatCounter all;
    if constexpr (kBroken) return all;
    else if constexpr (!kNumbers) { SLUICE_NEEDS_NUMBERS("stats"); return all; }
    else {
      for (const StatCounter& part : partial<StatCounter>(node_, ops::Stats<T>::of(), method("stats", at))) all.merge(part);
      return all;
    }
  }
  double mean(CallSite at = CallSite::here()) const { return stats(at).mean(); }
  // Of all records; the sample… forms estimate it from a sample.
  double variance(CallSite at = CallSite::here()) const { return stats(at).variance(); }
  double popVariance(CallSite at = CallSite::here()) const { return stats(at).popVariance(); }
  double sampleVariance(CallSite at = CallSite::here()) const { return stats(at).sampleVariance(); }
  double stdev(CallSite at = CallSite::here()) const { return stats(at).stdev(); }
  double popStdev(CallSite at = CallSite::here()) const { return stats(at).popStdev(); }
  double sampleStdev(CallSite at = CallSite::here()) const { return stats(at).sampleStdev(); }

  // The edges of `buckets` even buckets from the smallest number to the largest, and the counts in them; one bucket if these are equal. The
  // last bucket holds its upper edge too. Error(kInvalidArgument): no records, an infinite one, or NaN.
  std::pair<std::vector<double>, std::vector<std::int64_t>> histogram(int buckets, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return {};
    else if constexpr (!kNumbers) { SLUICE_NEEDS_NUMBERS("histogram"); return {}; }
    else {
      if (buckets < 1) Buckets::evenly(0, 1, buckets);  // says what is wrong before a job runs
      StatCounter range = stats(at);
      Buckets even = Buckets::evenly(range.min(), range.max(), buckets);
      auto counts = counted(even, at);
      return {std::move(even.edges), std::move(counts)};
    }
  }
  // The counts between these edges, which rise: bucket i holds edges[i] <= x < edges[i + 1], the last one its upper edge too; what lies
  // outside, and NaN, counts nowhere. evenBuckets: the edges lie evenly, so that each bucket is found by a division.
  std::vector<std::int64_t> histogram(const std::vector<double>& edges, bool evenBuckets = false, CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return {};
    else if constexpr (!kNumbers) { SLUICE_NEEDS_NUMBERS("histogram"); return {}; }
    else {
      Buckets buckets{edges, evenBuckets};
      buckets.check();
      return counted(buckets, at);
    }
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::kPairs;
  using Base::method;
  using Base::node_;
  static constexpr bool kNumbers = std::is_arithmetic_v<T>;

 private:
  // `parts` has at most one value for each partition.
  template <class A, class F> static std::vector<A> overTree(NodeRef parts, const F& f, int depth, const Method& m) {
    for (std::uint32_t n : treeLevels(partitionsOf(parts), depth, m.name)) {
      using Placed = std::pair<std::uint32_t, A>;
      auto placed = step<Placed>(parts, ops::Neighbours<A>::of(n), m);
      auto come = addPull({NodeInput{placed, Exchange::kDirect, typeDesc<Placed>()}}, ops::DropIndex<A>::of(), m.facts(typeDesc<A>(), Layout::kUnknown, n));
      parts = step<A>(come, ops::Reduce<A, F>::of(f), m);
    }
    return decodeAll<A>(runJob(parts, m.name, m.site));
  }
  std::int64_t sketched(int p, int sparse, CallSite at) const {
    if constexpr (kBroken || !shuffles<T>()) return 0;
    else {
      HyperLogLog all(p, sparse);
      for (const HyperLogLog& part : partial<HyperLogLog>(node_, ops::Sketch<T>::of(p, sparse), method("countApproxDistinct", at))) all.merge(part);
      return all.estimate();
    }
  }
  std::vector<std::int64_t> counted(const Buckets& buckets, CallSite at) const {
    std::vector<std::int64_t> all(buckets.edges.size() - 1);
    for (const auto& part : partial<std::vector<std::int64_t>>(node_, ops::Histogram<T>::of(buckets), method("histogram", at))) {
      for (std::size_t i = 0; i < all.size(); ++i) all[i] += part[i];
    }
    return all;
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
