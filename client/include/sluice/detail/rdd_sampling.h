// Samples. The same seed gives the same sample in every run and on every cluster; without a seed one is drawn when the method is called.
#pragma once
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sluice/detail/rdd_pairs.h"
#include "sluice/detail/sampling.h"
#include "sluice/ops/sample.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

template <class T> class RddSampling : public RddPairs<T> {
  using Base = RddPairs<T>;
  using Own = owned_t<T>;
  using K = owned_t<typename Base::Key>;

 public:
  using typename Base::Nothing;
  using typename Base::Key;
  using typename Base::Value;
  using Fractions = std::map<K, double>;

  // Each record with this probability; withReplacement each about `fraction` times (which may be above 1), by a Poisson distribution.
  // Error(kInvalidArgument): a fraction below 0, or above 1 without replacement. Each batch of a stream draws the same with a seed, anew
  // without one.
  auto sample(bool withReplacement, double fraction, std::uint64_t seed, CallSite at = CallSite::here()) const {
    return sampled(withReplacement, fraction, {seed, false}, at);
  }
  auto sample(bool withReplacement, double fraction, CallSite at = CallSite::here()) const { return sampled(withReplacement, fraction, newSeed(), at); }

  // Splits at random by these weights, which need not add up to 1: every record is in exactly one of the parts. All parts are computed from
  // this RDD, so cache it. Error(kInvalidArgument): a weight below 0, or a sum that is not above 0.
  std::vector<RDD<T>> randomSplit(const std::vector<double>& weights, std::uint64_t seed, CallSite at = CallSite::here()) const {
    return split(weights, {seed, false}, at);
  }
  std::vector<RDD<T>> randomSplit(const std::vector<double>& weights, CallSite at = CallSite::here()) const { return split(weights, newSeed(), at); }

  // Exactly `n` records at random, in random order; all of them, without replacement, if there are fewer. Counts the records first.
  std::vector<Own> takeSample(bool withReplacement, std::int64_t n, std::uint64_t seed, CallSite at = CallSite::here()) const {
    return sampleTaken(withReplacement, n, {seed, false}, at);
  }
  std::vector<Own> takeSample(bool withReplacement, std::int64_t n, CallSite at = CallSite::here()) const {
    return sampleTaken(withReplacement, n, newSeed(), at);
  }

  // As sample, with a fraction for each key; a key without one fails the job.
  auto sampleByKey(bool withReplacement, const Fractions& fractions, std::uint64_t seed, CallSite at = CallSite::here()) const {
    return sampledByKey(withReplacement, fractions, {seed, false}, at);
  }
  auto sampleByKey(bool withReplacement, const Fractions& fractions, CallSite at = CallSite::here()) const {
    return sampledByKey(withReplacement, fractions, newSeed(), at);
  }
  // Exactly ceil(fraction * the key's number of records) of each key; runs jobs at the call, which count the keys and find where to cut.
  auto sampleByKeyExact(bool withReplacement, const Fractions& fractions, std::uint64_t seed, CallSite at = CallSite::here()) const {
    return exactlyByKey(withReplacement, fractions, {seed, false}, at);
  }
  auto sampleByKeyExact(bool withReplacement, const Fractions& fractions, CallSite at = CallSite::here()) const {
    return exactlyByKey(withReplacement, fractions, newSeed(), at);
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::kPairs;
  using Base::method;
  using Base::node_;

 private:
  // A record's draw is of its place.
  static NodeFacts factsOf(const Method& m) {
    NodeFacts facts = m.facts(typeDesc<T>(), Layout::kSame);
    facts.byPlace = true;
    return facts;
  }
  RDD<T> drawn(const SampleSeed& seed, const Stratum& stratum, const Method& m) const {
    return RDD<T>(addStep(node_, ops::Sample<T>::of(seed, stratum), factsOf(m)));
  }
  RDD<T> sampled(bool withReplacement, double fraction, SampleSeed seed, CallSite at) const {
    if constexpr (kBroken) return RDD<T>();
    else return drawn(seed, fractionOf(withReplacement, fraction, "sample"), method("sample", at));
  }
  std::vector<RDD<T>> split(const std::vector<double>& weights, SampleSeed seed, CallSite at) const {
    std::vector<RDD<T>> parts;
    if constexpr (!kBroken) {
      for (const Stratum& cell : cellsOf(weights.data(), weights.size())) parts.push_back(drawn(seed, cell, method("randomSplit", at)));
    }
    return parts;
  }

  std::vector<Own> sampleTaken(bool withReplacement, std::int64_t n, SampleSeed seed, CallSite at) const {
    std::vector<Own> sample;
    if constexpr (!kBroken && stores<T>()) {
      if (n < 0) throwError(ErrorKind::kInvalidArgument, "takeSample: the number of records is " + std::to_string(n) + "; it must not be below 0");
      std::int64_t count = n == 0 ? 0 : this->count(at);
      if (!withReplacement && n > count) n = count;
      std::vector<std::pair<std::uint64_t, Own>> found;
      for (int tries = 0; count != 0 && std::int64_t(found.size()) < n; ++tries) {
        found = partial<std::pair<std::uint64_t, Own>>(node_, ops::DrawnRecords<T>::of(seed, enough(withReplacement, n, count, tries)), method("takeSample", at));
        if (tries > 40) throwError(ErrorKind::kLost, "takeSample: the RDD has other records each time it is computed; cache it");
      }
      // Those that drew least are a sample, in an order that tells nothing.
      ops::stableSort(found, [](const auto& a, const auto& b) { return a.first < b.first; });
      for (std::int64_t i = 0; i < n && i < std::int64_t(found.size()); ++i) sample.push_back(std::move(found[std::size_t(i)].second));
    }
    return sample;
  }

  auto sampledByKey(bool withReplacement, const Fractions& fractions, SampleSeed seed, CallSite at) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) { SLUICE_RDD_NEEDS_PAIRS("sampleByKey"); return Nothing(); }
    else if constexpr (!shuffles<Key>()) return Nothing();
    else {
      ops::StrataList<T> strata;
      for (const auto& [key, fraction] : fractions) strata.emplace_back(key, fractionOf(withReplacement, fraction, "sampleByKey"));
      return RDD<T>(addStep(node_, ops::SampleByKey<T>::of(seed, strata), factsOf(method("sampleByKey", at))));
    }
  }

  auto exactlyByKey(bool withReplacement, const Fractions& fractions, SampleSeed seed, CallSite at) const {
    if constexpr (kBroken) return Nothing();
    else if constexpr (!kPairs) { SLUICE_RDD_NEEDS_PAIRS("sampleByKeyExact"); return Nothing(); }
    else if constexpr (!shuffles<Key>()) return Nothing();
    else {
      Method m = method("sampleByKeyExact", at);
      for (const auto& [key, fraction] : fractions) fractionOf(withReplacement, fraction, m.name);
      auto keys = step<Key>(node_, ops::Keys<T>::of(), m);
      std::map<K, ExactStratum> wanted;
      for (const auto& [key, count] : Base::template countsOf<Key>(step<std::pair<Key, std::int64_t>>(keys, ops::CountOnes<Key>::of(), m), m)) {
        auto fraction = fractions.find(key);
        double share = fraction == fractions.end() ? 0 : fraction->second * double(count);
        auto whole = std::int64_t(share);
        wanted.emplace(key, ExactStratum(withReplacement, whole + (double(whole) < share), count));
      }
      ops::StrataList<T> strata;
      for (int round = 0; !narrowed(wanted, seed, strata, m); ++round) {
        if (round > 40) throwError(ErrorKind::kLost, "sampleByKeyExact: the RDD has other records each time it is computed; cache it");
      }
      // Keys that nobody gave a fraction fail the job, as in sampleByKey.
      std::erase_if(strata, [&](const auto& entry) { return !fractions.contains(entry.first); });
      return RDD<T>(addStep(node_, ops::SampleByKey<T>::of(seed, strata), factsOf(m)));
    }
  }
  // One job that looks for the cuts of all keys: true once all are found.
  template <class Strata> bool narrowed(std::map<K, ExactStratum>& wanted, const SampleSeed& seed, Strata& strata, const Method& m) const {
    bool all = true;
    strata.clear();
    for (const auto& [key, stratum] : wanted) strata.emplace_back(key, stratum.stratum()), all = all && stratum.found();
    if (all) return true;
    Strata asked(strata);
    for (auto& [key, stratum] : asked) stratum.none = wanted.at(key).found();
    std::map<K, typename ops::DrawsByKey<T>::Found> found;
    for (auto& [key, part] : partial<typename ops::DrawsByKey<T>::Record>(node_, ops::DrawsByKey<T>::of(seed, asked), m)) {
      auto& sum = found[key];
      sum.first += part.first;
      sum.second.insert(sum.second.end(), part.second.begin(), part.second.end());
    }
    for (auto& [key, stratum] : wanted) {
      if (!stratum.found()) stratum.narrow(found[key].first, std::move(found[key].second));
    }
    return false;
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
