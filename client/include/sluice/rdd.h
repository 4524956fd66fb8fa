// RDD<T>: a dataset in partitions, described by how it is computed. A value type: copies stand for the same dataset.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/detail/transforms.h"
#include "sluice/ops/foreach.h"
#include "sluice/ops/lines.h"
#include "sluice/ops/reduce.h"
#include "sluice/ops/sort.h"
#include "sluice/ops/stable_sort.h"
#include "sluice/ops/take.h"

namespace sluice {
inline namespace SLUICE_ABI {

namespace detail {

// Appends the part's records, owned.
template <class T> void decodeInto(const JobRows::Part& part, std::vector<T>& out) {
  out.reserve(out.size() + part.records);
  RowReader in{part.rows.data(), part.rows.data() + part.rows.size()};
  for (std::uint64_t i = 0; i < part.records; ++i) out.push_back(Codec<T>::get(in));
}
template <class T> std::vector<T> decodeAll(const JobRows& rows) {
  std::vector<T> all;
  all.reserve(rows.records());
  for (std::size_t i = 0; i < rows.size(); ++i) decodeInto(rows.part(i), all);
  return all;
}

struct Itself {
  template <class T> const T& operator()(const T& x) const { return x; }
};
struct FirstOf {
  template <class K, class V> const K& operator()(const std::pair<K, V>& record) const { return record.first; }
};
struct Largest {
  template <class T> T operator()(T a, const T& b) const { return a < b ? b : a; }
};
struct Smallest {
  template <class T> T operator()(T a, const T& b) const { return b < a ? b : a; }
};

// create of an aggregation that begins from a value: f(zero, v).
template <class F> struct FromZero {
  using SluiceInner = F;
  F f;
  template <class V, class A> auto operator()(V&& value, const A& zero) {
    A start(zero);
    return ops::mergeInto<A>(f, start, value);
  }
};

// Bounds between `parts` ranges of about equal weight; equal keys fall into one range, so there may be fewer.
template <class Key> std::vector<Key> rangeBounds(std::vector<std::pair<Key, std::int64_t>> sample, std::uint32_t parts) {
  ops::stableSort(sample, [](const auto& a, const auto& b) { return ops::keyLess(a.first, b.first); });
  double total = 0, seen = 0;
  for (const auto& [key, weight] : sample) total += double(weight);
  std::vector<Key> bounds;
  for (auto& [key, weight] : sample) {
    seen += double(weight);
    if (bounds.size() + 1 >= parts) break;
    if (seen >= total * double(bounds.size() + 1) / parts && (bounds.empty() || ops::keyLess(bounds.back(), key))) bounds.push_back(std::move(key));
  }
  return bounds;
}

}  // namespace detail

template <class T> class RDD : public detail::Transforms<RDD, T> {
  using Base = detail::Transforms<RDD, T>;
  using Base::method;
  using Base::node_;
  using Own = owned_t<T>;

 public:
  static constexpr bool kStream = false;
  RDD() = default;
  explicit RDD(detail::NodeRef node) : Base(std::move(node)) {}

  // ---- Transformations that streams do not have ----
  template <class F> auto mapPartitionsWithIndex(F f, bool preservesPartitioning = false, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else if constexpr (!std::is_invocable_v<F&, int, Iterator<T>&>) {
      static_assert(never<F>, "sluice: mapPartitionsWithIndex needs a function that takes (int, sluice::Iterator<T>&) and returns a range");
      return RDD<Broken>();
    } else {
      using Out = record_t<T, range_value_t<std::invoke_result_t<F&, int, Iterator<T>&>>>;
      return RDD<Out>(detail::step<Out>(node_, ops::MapPartitionsWithIndex<T, Out, F>::of(std::move(f)), method("mapPartitionsWithIndex", at),
                                        preservesPartitioning ? detail::Layout::kSame : detail::Layout::kUnknown));
    }
  }
  template <class F> auto keyBy(F f, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else if constexpr (!detail::usable<F, const T>()) return RDD<Broken>();
    else {
      using Out = record_t<T, std::pair<result_t<F, const T>, T>>;
      return RDD<Out>(detail::step<Out>(node_, ops::KeyBy<T, Out, F>::of(std::move(f)), method("keyBy", at)));
    }
  }
  auto distinct(int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else if constexpr (!detail::shuffles<T>()) return RDD<Broken>();
    else {
      using Marked = std::pair<Own, Unit>;
      detail::Method m = method("distinct", at);
      auto marked = detail::step<std::pair<T, Unit>>(node_, ops::PairWithUnit<T>::of(), m);
      auto one = detail::combined<T, Unit, Unit>(marked, ops::AsValue<Unit>(), ops::KeepFirst(), ops::KeepFirst(), partitions, m);
      return RDD<Own>(detail::step<Own>(one, ops::Keys<Marked>::of(), m));
    }
  }
  // f(A, V) -> A from `zero` in each partition, combine(A, A) -> A between them.
  template <class A, class SeqF, class CombF>
  auto aggregateByKey(const A& zero, SeqF f, CombF combine, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<A>, "sluice: aggregateByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return RDD<Broken>();
    } else {
      return this->combineByKey(with(detail::FromZero<SeqF>{f}, zero), f, std::move(combine), partitions, at);
    }
  }
  template <class F> auto foldByKey(const owned_t<typename Base::Value>& zero, F f, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<F>, "sluice: foldByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return RDD<Broken>();
    } else {
      return this->combineByKey(with(detail::FromZero<F>{f}, zero), f, f, partitions, at);
    }
  }
  // Fewer partitions, of neighbours; without an exchange unless `shuffle`.
  auto coalesce(int partitions, bool shuffle = false, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else {
      detail::Method m = method("coalesce", at);
      std::uint32_t n = Base::atLeastOne(partitions, m);
      if constexpr (std::is_same_v<Own, T>) {
        if (shuffle) return this->repartition(partitions, at);
      } else if (shuffle) {
        throwError(ErrorKind::kInvalidArgument, "coalesce with a shuffle gives owned text; use repartition");
      }
      return RDD<T>(detail::addCoalesce(node_, m.facts(typeDesc<T>(), detail::Layout::kUnknown, n)));
    }
  }
  // In order of f(record), over all partitions. Where the bounds of the ranges lie is asked by a job of its own, at the call; inside
  // transform, where there is no data to ask, everything is sorted in one partition.
  template <class F> auto sortBy(F f, bool ascending = true, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else if constexpr (!detail::stores<T>() || !kShippable<F>) return detail::usable<F, const T>(), RDD<Broken>();
    else if constexpr (!std::is_invocable_v<F&, const T&> || !std::is_invocable_v<F&, const Own&>) {
      static_assert(never<F>, "sluice: sortBy needs a function that takes const T& and returns the key; text may come as std::string or std::string_view, so let it take the latter or auto");
      return RDD<Broken>();
    } else return sorted(std::move(f), ascending, partitions, method("sortBy", at));
  }
  auto sortByKey(bool ascending = true, int partitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return RDD<Broken>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<RDD<T>>, "sluice: sortByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return RDD<Broken>();
    } else if constexpr (!detail::stores<T>()) return RDD<Broken>();
    else return sorted(detail::FirstOf(), ascending, partitions, method("sortByKey", at));
  }

  // ---- Actions: each runs a job, blocks, and throws what it failed of ----
  std::vector<Own> collect(CallSite at = CallSite::here()) const {
    if constexpr (!detail::stores<T>()) return {};
    else return detail::decodeAll<Own>(detail::runJob(node_, "collect", at));
  }
  std::int64_t count(CallSite at = CallSite::here()) const {
    std::int64_t sum = 0;
    auto counted = detail::step<std::int64_t>(node_, ops::Count<T>::of(), method("count", at));
    for (auto n : detail::decodeAll<std::int64_t>(detail::runJob(counted, "count", at))) sum += n;
    return sum;
  }
  // f(T, T) -> T, associative and commutative. Error(kInvalidArgument) if there are no records.
  template <class F> Own reduce(F f, CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken || !detail::stores<T>() || !detail::usable<F, Own, T>()) return Own{};
    else {
      auto parts = partial<ops::Reduce<T, F>, Own>(ops::Reduce<T, F>::of(f), "reduce", at);
      if (parts.empty()) throwError(ErrorKind::kInvalidArgument, "reduce: the RDD is empty; use fold, which has a value to begin with");
      Own all = std::move(parts[0]);
      for (std::size_t i = 1; i < parts.size(); ++i) all = ops::mergeInto<Own>(f, all, parts[i]);
      return all;
    }
  }
  // As reduce, beginning from `zero` in each partition and between them.
  template <class F> Own fold(const Own& zero, F f, CallSite at = CallSite::here()) const { return aggregate(zero, f, f, at); }
  // f(A, T) -> A in each partition, combine(A, A) -> A between them.
  template <class A, class SeqF, class CombF> owned_t<A> aggregate(const A& zero, SeqF f, CombF combine, CallSite at = CallSite::here()) const {
    using Sum = owned_t<A>;
    if constexpr (Base::kBroken || !detail::stores<A>() || !detail::usable<SeqF, Sum, T>()) return Sum{};
    else {
      Sum all(zero);
      for (auto& part : partial<ops::Aggregate<T, Sum, SeqF>, Sum>(ops::Aggregate<T, Sum, SeqF>::of(all, std::move(f)), "aggregate", at)) {
        all = ops::mergeInto<Sum>(combine, all, part);
      }
      return all;
    }
  }
  // The first n records, in order of partitions; computes no more of them than it must.
  std::vector<Own> take(std::int64_t n, CallSite at = CallSite::here()) const {
    std::vector<Own> taken;
    if constexpr (detail::stores<T>()) {
      if (n <= 0) return taken;
      auto first = detail::step<T>(node_, ops::Take<T>::of(std::uint64_t(n)), method("take", at));
      std::uint32_t all = detail::partitionsOf(node_), done = 0;
      // What lies behind an exchange is all computed for the first partition already.
      std::uint32_t next = detail::readsExchange(node_) ? all : 1;
      while (done < all && taken.size() < std::size_t(n)) {
        std::vector<std::uint32_t> wanted;
        for (; wanted.size() < next && done < all; ++done) wanted.push_back(done);
        auto rows = wanted.size() == all ? detail::runJob(first, "take", at) : detail::runJobOn(first, wanted.data(), wanted.size(), "take", at);
        for (std::size_t i = 0; i < rows.size() && taken.size() < std::size_t(n); ++i) detail::decodeInto(rows.part(i), taken);
        next *= 4;
      }
      if (taken.size() > std::size_t(n)) taken.erase(taken.begin() + n, taken.end());
    }
    return taken;
  }
  Own first(CallSite at = CallSite::here()) const {
    auto taken = take(1, at);
    if (taken.empty()) throwError(ErrorKind::kInvalidArgument, "first: the RDD is empty");
    return std::move(taken[0]);
  }
  bool isEmpty(CallSite at = CallSite::here()) const { return take(1, at).empty(); }
  // The n largest records, largest first.
  std::vector<Own> top(std::int64_t n, CallSite at = CallSite::here()) const { return best(n, ops::Greater(), "top", at); }
  template <class Before> requires(!std::is_convertible_v<Before, CallSite>)
  std::vector<Own> top(std::int64_t n, Before largerFirst, CallSite at = CallSite::here()) const { return best(n, std::move(largerFirst), "top", at); }
  // The n smallest records, or those that come first by before(a, b), in order.
  std::vector<Own> takeOrdered(std::int64_t n, CallSite at = CallSite::here()) const { return best(n, ops::Less(), "takeOrdered", at); }
  template <class Before> requires(!std::is_convertible_v<Before, CallSite>)
  std::vector<Own> takeOrdered(std::int64_t n, Before before, CallSite at = CallSite::here()) const { return best(n, std::move(before), "takeOrdered", at); }
  Own max(CallSite at = CallSite::here()) const { return reduce(detail::Largest(), at); }
  Own min(CallSite at = CallSite::here()) const { return reduce(detail::Smallest(), at); }
  auto countByValue(CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken || !detail::shuffles<T>()) return std::map<Own, std::int64_t>();
    else {
      detail::Method m = method("countByValue", at);
      auto ones = detail::step<std::pair<T, std::int64_t>>(node_, ops::CountOnes<T>::of(), m);
      return counts<T>(ones, m);
    }
  }
  auto countByKey(CallSite at = CallSite::here()) const {
    if constexpr (Base::kBroken) return std::map<int, std::int64_t>();
    else if constexpr (!Base::kPairs) {
      static_assert(never<RDD<T>>, "sluice: countByKey needs records that are std::pair<K, V>; make them with map or keyBy first");
      return std::map<int, std::int64_t>();
    } else {
      using K = typename Base::Key;
      detail::Method m = method("countByKey", at);
      auto keys = detail::step<K>(node_, ops::Keys<T>::of(), m);
      return counts<K>(detail::step<std::pair<K, std::int64_t>>(keys, ops::CountOnes<K>::of(), m), m);
    }
  }
  // The last value of each key.
  auto collectAsMap(CallSite at = CallSite::here()) const {
    if constexpr (!Base::kPairs) {
      static_assert(Base::kBroken || never<RDD<T>>, "sluice: collectAsMap needs records that are std::pair<K, V>; make them with map or keyBy first");
      return std::map<int, int>();
    } else {
      std::map<owned_t<typename Base::Key>, owned_t<typename Base::Value>> all;
      for (auto& [key, value] : collect(at)) all.insert_or_assign(std::move(key), std::move(value));
      return all;
    }
  }
  template <class F> void foreach (F f, CallSite at = CallSite::here()) const {
    if constexpr (!Base::kBroken) {
      if constexpr (detail::usable<F, T>()) detail::runForEffects(detail::step<T>(node_, ops::Foreach<T, F>::of(std::move(f)), method("foreach", at)), "foreach", at);
    }
  }
  // f(sluice::Iterator<T>&), once for each partition.
  template <class F> void foreachPartition(F f, CallSite at = CallSite::here()) const {
    if constexpr (!Base::kBroken) {
      detail::runForEffects(detail::step<T>(node_, ops::ForeachPartition<T, F>::of(std::move(f)), method("foreachPartition", at)), "foreachPartition", at);
    }
  }
  // A new directory with a file part-00000, ... for each partition, one record a line, and _SUCCESS once all are there.
  void saveAsTextFile(std::string_view directory, CallSite at = CallSite::here()) const {
    if constexpr (!Base::kBroken) {
      detail::saveText(detail::step<std::string>(node_, ops::TextLines<T>::of(), method("saveAsTextFile", at)), directory, at);
    }
  }

  RDD<T> unpersist() const {
    detail::unpersist(node_);
    return *this;
  }
  int getNumPartitions() const { return int(detail::partitionsOf(node_)); }

 private:
  template <class Op, class Out> std::vector<Out> partial(const OpRef& op, const char* name, CallSite at) const {
    return detail::decodeAll<Out>(detail::runJob(detail::step<Out>(node_, op, method(name, at)), name, at));
  }

  template <class Before> std::vector<Own> best(std::int64_t n, Before before, const char* name, CallSite at) const {
    std::vector<Own> all;
    if constexpr (!Base::kBroken && detail::stores<T>()) {
      if (n <= 0) return all;
      all = partial<ops::TopN<T, Before>, Own>(ops::TopN<T, Before>::of(std::uint64_t(n), before), name, at);
      ops::stableSort(all, [&](const Own& a, const Own& b) { return bool(before(a, b)); });
      if (all.size() > std::size_t(n)) all.erase(all.begin() + n, all.end());
    }
    return all;
  }

  template <class K> static std::map<owned_t<K>, std::int64_t> counts(const detail::NodeRef& ones, const detail::Method& m) {
    auto sums = detail::combined<K, std::int64_t, std::int64_t>(ones, ops::AsValue<std::int64_t>(), ops::AddUp(), ops::AddUp(), 0, m);
    std::map<owned_t<K>, std::int64_t> all;
    for (auto& [key, n] : detail::decodeAll<std::pair<owned_t<K>, std::int64_t>>(detail::runJob(sums, m.name, m.site))) all.emplace(std::move(key), n);
    return all;
  }

  template <class F> RDD<Own> sorted(F f, bool ascending, int partitions, const detail::Method& m) const {
    if (ascending) return sortedAs<true>(std::move(f), partitions, m);
    return sortedAs<false>(std::move(f), partitions, m);
  }
  template <bool ascending, class F> RDD<Own> sortedAs(F f, int partitions, const detail::Method& m) const {
    using Sort = ops::Sort<Own, F, ascending>;
    using Assign = ops::RangeAssign<T, F>;
    std::uint32_t parts = partitions != 0 ? Base::atLeastOne(partitions, m) : detail::partitionsOf(node_);
    if (parts <= 1 || detail::isSymbolic(node_)) return RDD<Own>(detail::gathered<Own, Own>(node_, Sort::of(std::move(f)), m));
    std::uint64_t inputs = detail::partitionsOf(node_);
    std::uint64_t each = inputs == 0 || 60ull * parts / inputs < 20 ? 20 : 60ull * parts / inputs;
    auto sample = partial<ops::SampleKeys<T, F>, std::pair<typename Assign::Key, std::int64_t>>(ops::SampleKeys<T, F>::of(f, each), m.name, m.site);
    auto bounds = detail::rangeBounds(std::move(sample), parts);
    auto ranges = std::uint32_t(bounds.size()) + 1;
    auto placed = Base::template placed<Own>(Assign::of(f, bounds, ascending), ranges, m);
    return RDD<Own>(detail::step<Own>(placed, Sort::of(std::move(f)), m));
  }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
