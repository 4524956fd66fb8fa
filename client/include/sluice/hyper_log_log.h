// How many different values there are, about, in a few kilobytes: HyperLogLog++ (Heule, Nunkesser, Hall, "HyperLogLog in Practice", 2013):
// 64-bit hashes and a sparse form of 2^25 registers while few were seen. The dense form is read by Ertl's improved raw estimator ("New
// cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no tables of measured bias.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/abi.h"
#include "sluice/codec.h"
#include "sluice/fields.h"
#include "sluice/hash.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Standard error 1.04 / sqrt(2^p). The same values give the same sketch, in whatever order and parts they came.
class SLUICE_EXPORT HyperLogLog {
 public:
  HyperLogLog() = default;
  // 2^p registers of a byte, 4 <= p <= 24; sparse: registers of 2^sparse while it is smaller so (p <= sparse <= 25), 0: dense from the start.
  // Throws Error(kInvalidArgument).
  explicit HyperLogLog(int p, int sparse = 25);
  // The p for this relative standard deviation, from 0.00026 on.
  static int precisionFor(double relativeSD, const char* method);

  template <class T> void add(const T& value) { addHash(keyHash(value)); }
  void addHash(std::uint64_t hash) {
    if (sparse_ != 0) return addSparse(hash);
    std::uint8_t& held = registers_[hash >> (64 - p_)];
    std::uint8_t rank = rankOf(hash, p_);
    if (rank > held) held = rank;
  }
  // Throws Error(kInvalidArgument) unless both have the same p.
  void merge(const HyperLogLog& other);
  std::int64_t estimate() const;
  // Whether it is one that could have been made: a row of it may have been damaged.
  bool whole() const;
  std::size_t memory() const { return registers_.capacity() + (few_.capacity() + new_.capacity()) * sizeof(std::uint32_t); }

 private:
  // The place of the first one after the first `skipped` bits, from 1 on.
  static std::uint8_t rankOf(std::uint64_t hash, int skipped) {
    return std::uint8_t(__builtin_clzll(hash << skipped | std::uint64_t(1) << (skipped - 1)) + 1);
  }
  void addSparse(std::uint64_t hash);
  void settle();  // new_ into few_
  void becomeDense();
  std::vector<std::uint32_t> allFew() const;

  std::uint8_t p_ = 4, sparse_ = 0;
  std::vector<std::uint8_t> registers_ = std::vector<std::uint8_t>(16);  // dense
  std::vector<std::uint32_t> few_;  // sparse: (index, rank) in one word, rising, one of each index
  std::vector<std::uint32_t> new_;  // sparse: not in few_ yet

 public:
  SLUICE_FIELDS(HyperLogLog, p_, sparse_, registers_, few_, new_)
};

// As any struct with fields, but for the check: registers are found by numbers that are part of the row.
template <> struct SLUICE_EXPORT Codec<HyperLogLog> {
  static constexpr std::size_t kLeast = 0;
  static std::size_t bound(const HyperLogLog& sketch);
  template <bool kKey = false> static char* put(const HyperLogLog& sketch, char* at) { return write(sketch, at); }
  // Throws Error(kLost).
  static HyperLogLog get(RowReader& in);

 private:
  static char* write(const HyperLogLog& sketch, char* at);
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
