#include "sluice/hyper_log_log.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "sluice/error.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace {

constexpr int kMostSparse = 25;  // an index, a rank and a bit fit into 32 bits

// As in section 5.3.3 of the paper: the rank beyond the sparse index is kept only where the bits between p and it are all 0, since else the
// dense rank is in them.
//   index, 1 bit 0     |     index, 6 bits of rank, 1 bit 1
std::uint32_t encoded(std::uint64_t hash, int p, int sparse, std::uint8_t rank) {
  auto index = std::uint32_t(hash >> (64 - sparse));
  bool zeros = (index & ((1u << (sparse - p)) - 1)) == 0;
  return zeros ? index << 7 | std::uint32_t(rank) << 1 | 1 : index << 1;
}
std::uint32_t indexOf(std::uint32_t code) { return code & 1 ? code >> 7 : code >> 1; }
std::uint32_t rankIn(std::uint32_t code) { return code & 1 ? (code >> 1) & 63 : 0; }

// By index, the greatest rank first: what is encoded of one index has one form.
bool before(std::uint32_t a, std::uint32_t b) {
  std::uint32_t i = indexOf(a), j = indexOf(b);
  return i != j ? i < j : rankIn(a) > rankIn(b);
}

// Ertl's sums for registers that are 0 and for those that are full.
double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1, z = x, last;
  do {
    x *= x;
    last = z;
    z += x * y;
    y += y;
  } while (z != last);
  return z;
}
double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1, z = 1 - x, last;
  do {
    x = std::sqrt(x);
    last = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (z != last);
  return z / 3;
}

}  // namespace

HyperLogLog::HyperLogLog(int p, int sparse) : p_(std::uint8_t(p)), sparse_(std::uint8_t(std::min(sparse, kMostSparse))) {
  if (p < 4 || p > 24) throwError(ErrorKind::kInvalidArgument, "countApproxDistinct: p is " + std::to_string(p) + "; it must be from 4 to 24");
  if (sparse < 0 || sparse > 32) throwError(ErrorKind::kInvalidArgument, "countApproxDistinct: sp is " + std::to_string(sparse) + "; it must be from 0 to 32");
  if (sparse != 0 && p > sparse) {
    throwError(ErrorKind::kInvalidArgument, "countApproxDistinct: p (" + std::to_string(p) + ") must not be greater than sp (" + std::to_string(sparse) + ")");
  }
  registers_.assign(sparse_ == 0 ? std::size_t(1) << p_ : 0, 0);
}

int HyperLogLog::precisionFor(double relativeSD, const char* method) {
  if (!(relativeSD >= 0.00026)) {
    throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the relative standard deviation is " + std::to_string(relativeSD) +
                                                "; it must be at least 0.00026, which takes 16 MB; count distinct() for an exact number");
  }
  return std::max(4, int(std::ceil(2 * std::log2(1.054 / relativeSD))));
}

void HyperLogLog::addSparse(std::uint64_t hash) {
  new_.push_back(encoded(hash, p_, sparse_, rankOf(hash, sparse_)));
  if (new_.size() >= 64 && new_.size() >= few_.size() / 4) settle();
}

std::vector<std::uint32_t> HyperLogLog::allFew() const {
  std::vector<std::uint32_t> fresh(new_), all(few_.size() + new_.size());
  std::sort(fresh.begin(), fresh.end(), before);
  std::merge(few_.begin(), few_.end(), fresh.begin(), fresh.end(), all.begin(), before);
  all.erase(std::unique(all.begin(), all.end(), [](std::uint32_t a, std::uint32_t b) { return indexOf(a) == indexOf(b); }), all.end());
  return all;
}

void HyperLogLog::settle() {
  few_ = allFew();
  new_.clear();
  if (few_.size() * sizeof(std::uint32_t) > std::size_t(1) << p_) becomeDense();
}

void HyperLogLog::becomeDense() {
  registers_.assign(std::size_t(1) << p_, 0);
  const int between = sparse_ - p_;
  for (std::uint32_t code : few_) {
    std::uint32_t index = indexOf(code), rest = index & ((1u << between) - 1);
    // The first one lies between p and the sparse index, or beyond.
    int rank = rest != 0 ? __builtin_clz(rest) - (32 - between) + 1 : between + int(rankIn(code));
    auto& held = registers_[index >> between];
    held = std::max(held, std::uint8_t(rank));
  }
  sparse_ = 0;
  few_ = {}, new_ = {};
}

void HyperLogLog::merge(const HyperLogLog& other) {
  if (other.p_ != p_) throwError(ErrorKind::kInvalidArgument, "HyperLogLog: sketches of different precision cannot be merged");
  if (sparse_ != 0 && other.sparse_ == sparse_) {
    new_.insert(new_.end(), other.few_.begin(), other.few_.end());
    new_.insert(new_.end(), other.new_.begin(), other.new_.end());
    return settle();
  }
  if (sparse_ != 0) settle();
  if (sparse_ != 0) becomeDense();
  if (other.sparse_ != 0) {
    HyperLogLog dense(other);
    dense.few_ = other.allFew();
    dense.becomeDense();
    return merge(dense);
  }
  for (std::size_t i = 0; i < registers_.size(); ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

std::int64_t HyperLogLog::estimate() const {
  if (sparse_ != 0) {
    HyperLogLog settled(*this);
    settled.settle();
    if (settled.sparse_ == 0) return settled.estimate();
    // Linear counting: not even the dense form's registers are all used.
    double m = double(std::uint64_t(1) << sparse_), zeros = m - double(settled.few_.size());
    return std::llround(m * std::log(m / zeros));
  }
  const int q = 64 - p_;
  const double m = double(registers_.size());
  std::vector<double> counts(std::size_t(q) + 2);
  for (std::uint8_t rank : registers_) ++counts[std::min<std::size_t>(rank, std::size_t(q) + 1)];
  double z = m * tau(1 - counts[std::size_t(q) + 1] / m);
  for (int k = q; k >= 1; --k) z = 0.5 * (z + counts[std::size_t(k)]);
  z += m * sigma(counts[0] / m);
  constexpr double kAlpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  return std::llround(kAlpha * m * m / z);
}

bool HyperLogLog::whole() const {
  if (p_ < 4 || p_ > 24) return false;
  if (sparse_ == 0) {
    return registers_.size() == std::size_t(1) << p_ && few_.empty() && new_.empty() &&
           std::all_of(registers_.begin(), registers_.end(), [this](std::uint8_t rank) { return rank <= 64 - p_ + 1; });
  }
  if (sparse_ < p_ || sparse_ > kMostSparse || !registers_.empty() || few_.size() * sizeof(std::uint32_t) > std::size_t(1) << p_) return false;
  auto possible = [this](std::uint32_t code) {
    std::uint32_t index = indexOf(code);
    bool zeros = (index & ((1u << (sparse_ - p_)) - 1)) == 0;
    return index >> sparse_ == 0 && zeros == ((code & 1) != 0) && (!zeros || (rankIn(code) >= 1 && int(rankIn(code)) <= 64 - sparse_ + 1));
  };
  auto rises = [](std::uint32_t a, std::uint32_t b) { return indexOf(a) >= indexOf(b); };
  return std::all_of(few_.begin(), few_.end(), possible) && std::all_of(new_.begin(), new_.end(), possible) &&
         std::adjacent_find(few_.begin(), few_.end(), rises) == few_.end();
}

std::size_t Codec<HyperLogLog>::bound(const HyperLogLog& sketch) {
  return std::apply([](const auto&... field) { return (Codec<std::remove_cvref_t<decltype(field)>>::bound(field) + ...); }, fieldsOf(sketch));
}

char* Codec<HyperLogLog>::write(const HyperLogLog& sketch, char* at) {
  std::apply([&](const auto&... field) { ((at = Codec<std::remove_cvref_t<decltype(field)>>::put(field, at)), ...); }, fieldsOf(sketch));
  return at;
}

HyperLogLog Codec<HyperLogLog>::get(RowReader& in) {
  HyperLogLog sketch;
  std::apply([&](auto&... field) { ((field = Codec<std::remove_reference_t<decltype(field)>>::get(in)), ...); }, fieldsOf(sketch));
  if (!sketch.whole()) throwDamagedRow("a sketch of a number of different values is damaged");
  return sketch;
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
