// sample, randomSplit, sampleByKey, and what takeSample and sampleByKeyExact are made of.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "sluice/detail/sampling.h"
#include "sluice/key_table.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/print.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// A stratum for all records.
template <class T> struct SLUICE_HIDDEN OneStratum {
  detail::Stratum stratum;
  const detail::Stratum& of(const T&) { return stratum; }
};
template <class T> struct SLUICE_HIDDEN StratumOfKey {
  using Key = owned_t<typename T::first_type>;
  KeyTable<Key, detail::Stratum> strata;

  StratumOfKey(const std::vector<std::pair<Key, detail::Stratum>>& all) {  // NOLINT: one for the other
    for (const auto& [key, stratum] : all) strata[key] = stratum;
  }
  const detail::Stratum& of(const T& record) {
    const detail::Stratum* found = nullptr;
    strata.upsert(
        record.first,
        [&]() -> detail::Stratum {
          throwError(ErrorKind::kInvalidArgument, "no fraction is given for the key " + printed(record.first) + "; give one, which may be 0");
        },
        [&](const detail::Stratum& stratum) { found = &stratum; });
    return *found;
  }
};

// The records that are drawn, as often as they are.
template <class T, class Strata> class SLUICE_HIDDEN Drawing : public StepOperator {
 public:
  using Record = T;
  template <class Given> Drawing(const detail::SampleSeed& seed, const Given& strata) : seed_(seed), strata_{strata} {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    if (!std::exchange(begun_, true)) draws_ = detail::Draws(seed_, task.nodePart());
    out_.clear();
    T* const records = in.as<T>();
    try {
      for (;;) {
        for (; left_ > 1 && !out_.full(); --left_) out_.emplace(std::as_const(records[at_ - 1]));
        if (left_ == 1 && !out_.full()) out_.emplace(std::move(records[at_ - 1])), left_ = 0;
        if (left_ != 0 || at_ == in.size || out_.full()) break;
        strata_.of(records[at_]).each(draws_.next(), [&](std::uint64_t) { ++left_; });
        ++at_;
      }
    } catch (...) {
      task.failedAt(std::exchange(at_, 0));
      throw;
    }
    out = out_.chunk();
    if (left_ != 0 || at_ < in.size) return Step::kHaveMore;
    at_ = 0;
    return Step::kNeedInput;
  }

 private:
  detail::SampleSeed seed_;
  Strata strata_;
  detail::Draws draws_;
  OutputChunk<T> out_;
  std::size_t at_ = 0;      // the first record that has not drawn
  std::uint64_t left_ = 0;  // copies of the one before that are still to be made
  bool begun_ = false;
};

template <class T>
class SLUICE_HIDDEN Sample : public Drawing<T, OneStratum<T>>,
                             public Ships<Sample<T>, OpDesc::Form::kStep, Value<detail::SampleSeed>, Value<detail::Stratum>> {
 public:
  static OpRef of(const detail::SampleSeed& seed, const detail::Stratum& stratum) { return Sample::ship(seed, stratum); }
  Sample(const detail::SampleSeed& seed, const detail::Stratum& stratum) : Drawing<T, OneStratum<T>>(seed, stratum) {}
};

template <class T> using StrataList = std::vector<std::pair<owned_t<typename T::first_type>, detail::Stratum>>;

// T is pair<K, V>
template <class T>
class SLUICE_HIDDEN SampleByKey : public Drawing<T, StratumOfKey<T>>,
                                  public Ships<SampleByKey<T>, OpDesc::Form::kStep, Value<detail::SampleSeed>, Value<StrataList<T>>> {
 public:
  static OpRef of(const detail::SampleSeed& seed, const StrataList<T>& strata) { return SampleByKey::ship(seed, strata); }
  SampleByKey(const detail::SampleSeed& seed, const StrataList<T>& strata) : Drawing<T, StratumOfKey<T>>(seed, strata) {}
};

// Those drawn, each with what it drew.
template <class T>
class SLUICE_HIDDEN DrawnRecords : public StepOperator,
                                   public Ships<DrawnRecords<T>, OpDesc::Form::kStep, Value<detail::SampleSeed>, Value<detail::Stratum>> {
 public:
  using Record = std::pair<std::uint64_t, owned_t<T>>;
  static OpRef of(const detail::SampleSeed& seed, const detail::Stratum& stratum) { return DrawnRecords::ship(seed, stratum); }
  DrawnRecords(const detail::SampleSeed& seed, const detail::Stratum& stratum) : seed_(seed), stratum_(stratum) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    if (!std::exchange(begun_, true)) draws_ = detail::Draws(seed_, task.nodePart());
    drawn_.clear();
    for (std::size_t i = 0; i < in.size; ++i) {
      stratum_.each(draws_.next(), [&](std::uint64_t draw) { drawn_.emplace_back(draw, toRecord<owned_t<T>>(std::as_const(in.as<T>()[i]))); });
    }
    out = {drawn_.data(), drawn_.size()};
    return Step::kNeedInput;
  }

 private:
  detail::SampleSeed seed_;
  detail::Stratum stratum_;
  detail::Draws draws_;
  std::vector<Record> drawn_;
  bool begun_ = false;
};

// For each key how many of the partition's draws lie below its stratum, and those in it.
template <class T>
class SLUICE_HIDDEN DrawsByKey : public StepOperator,
                                 public Ships<DrawsByKey<T>, OpDesc::Form::kStep, Value<detail::SampleSeed>, Value<StrataList<T>>> {
  using Key = owned_t<typename T::first_type>;

 public:
  using Found = std::pair<std::int64_t, std::vector<std::uint64_t>>;
  using Record = std::pair<Key, Found>;
  static OpRef of(const detail::SampleSeed& seed, const StrataList<T>& strata) { return DrawsByKey::ship(seed, strata); }
  DrawsByKey(const detail::SampleSeed& seed, const StrataList<T>& strata) : seed_(seed), strata_(strata) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    if (!std::exchange(begun_, true)) draws_ = detail::Draws(seed_, task.nodePart());
    out = {};
    std::size_t i = 0;
    try {
      for (; i < in.size; ++i) {
        const T& record = in.as<T>()[i];
        const detail::Stratum& stratum = strata_.of(record);
        std::uint64_t own = draws_.next();
        if (stratum.none) continue;
        detail::Stratum all;
        all.poisson = stratum.poisson;
        Found& found = found_[record.first];
        all.each(own, [&](std::uint64_t draw) {
          if (draw < stratum.from) ++found.first;
          else if (draw <= stratum.last) found.second.push_back(draw);
        });
      }
    } catch (...) {
      task.failedAt(i);
      throw;
    }
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    for (std::size_t i = 0; i < found_.size(); ++i) all_.emplace_back(found_.key(i), std::move(found_.value(i)));
    found_.clear();
    out = {all_.data(), all_.size()};
    return Step::kFinished;
  }

 private:
  detail::SampleSeed seed_;
  StratumOfKey<T> strata_;
  detail::Draws draws_;
  KeyTable<Key, Found> found_;
  std::vector<Record> all_;
  bool begun_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
