// What samples are drawn by: a number for each record that depends on the seed and on where the record lies, and on nothing else. So a
// sample is the same in every run, and the parts of a split are disjoint.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "sluice/abi.h"
#include "sluice/fields.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

struct SampleSeed {
  std::uint64_t seed = 0;
  bool perBatch = false;  // nobody named a seed: each batch of a stream draws anew
  SLUICE_FIELDS(SampleSeed, seed, perBatch)
};

// From the system's entropy, at definition.
SLUICE_EXPORT SampleSeed newSeed();

// A bijection (the finaliser of SplitMix64).
constexpr std::uint64_t mixBits(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// The numbers of a partition's records, in their order. No two records of a dataset have the same: each is a bijection of its place.
class Draws {
 public:
  Draws() = default;
  Draws(const SampleSeed& seed, const NodePart& part)
      : first_(mixBits(seed.seed + (seed.perBatch ? mixBits(std::uint64_t(part.time.milliseconds())) : 0) + 0x9e3779b97f4a7c15ull)),
        second_(mixBits(first_ + 0x9e3779b97f4a7c15ull)),
        at_(std::uint64_t(part.partition) << 40) {}
  std::uint64_t next() { return mixBits(mixBits(at_++ ^ first_) + second_); }

 private:
  std::uint64_t first_ = 0, second_ = 0, at_ = 0;
};

// How many copies a record has where one is drawn with replacement: by a Poisson distribution. All that needs more than IEEE's basic
// operations is worked out in the driver, so that the draws do not depend on a machine's library.
struct Poisson {
  double mean = 0;       // of one part; 0 parts: always one copy
  double least = 0;      // exp(-mean)
  std::uint32_t parts = 0;
  SLUICE_FIELDS(Poisson, mean, least, parts)
};
SLUICE_EXPORT Poisson poissonOf(double mean);
SLUICE_EXPORT std::uint32_t copies(const Poisson& poisson, std::uint64_t draw);

// Which draws are in the sample.
struct Stratum {
  std::uint64_t from = 0, last = ~0ull;
  bool none = false;
  Poisson poisson;

  bool holds(std::uint64_t draw) const { return !none && draw >= from && draw <= last; }
  // The draw of copy i of a record that drew `draw`.
  static std::uint64_t ofCopy(std::uint64_t draw, std::uint32_t i) { return mixBits(draw + (i + 1) * 0x9e3779b97f4a7c15ull); }
  // use(draw) for each copy of the record that is in the sample.
  template <class Use> void each(std::uint64_t draw, Use&& use) const {
    if (none) return;
    if (poisson.parts == 0) {
      if (holds(draw)) use(draw);
      return;
    }
    for (std::uint32_t i = 0, n = copies(poisson, draw); i < n; ++i) {
      if (std::uint64_t own = ofCopy(draw, i); holds(own)) use(own);
    }
  }
  SLUICE_FIELDS(Stratum, from, last, none, poisson)
};

// Without replacement: the draws from `low` up to `high` of all.
SLUICE_EXPORT Stratum cellOf(double low, double high);
// One for each weight, side by side. Throws Error(kInvalidArgument) for weights below 0 or a sum that is not above 0.
SLUICE_EXPORT std::vector<Stratum> cellsOf(const double* weights, std::size_t count);
// Throws Error(kInvalidArgument): below 0, above 1 without replacement, no number.
SLUICE_EXPORT Stratum fractionOf(bool withReplacement, double fraction, const char* method);

// For `wanted` of `count` records exactly: a stratum which almost surely gives as many and not many more; more with each try.
SLUICE_EXPORT Stratum enough(bool withReplacement, std::int64_t wanted, std::int64_t count, int tries);

// Looks for the draw up to which exactly `wanted` of `count` records (or copies) lie.
class SLUICE_EXPORT ExactStratum {
 public:
  ExactStratum(bool withReplacement, std::int64_t wanted, std::int64_t count);
  bool found() const { return found_; }
  // Found: the sample. Else where the draw will almost surely lie.
  const Stratum& stratum() const { return stratum_; }
  // How many draws lie below the stratum, and those in it. Not found after this: ask with the next one.
  void narrow(std::int64_t below, std::vector<std::uint64_t> in);

 private:
  void guess();
  bool withReplacement_;
  std::int64_t wanted_, count_;
  int tries_ = 0;
  bool found_ = false;
  Stratum stratum_;
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
