// lookup: the values of one key. filterByRange: keys between two.
#pragma once
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "sluice/hash.h"
#include "sluice/ops/key_order.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// pair<K, V> -> V. Keys are compared by their canonical bytes, as everywhere.
template <class T> class SLUICE_HIDDEN ValuesOfKey : public StepOperator, public Ships<ValuesOfKey<T>, OpDesc::Form::kStep, Value<std::string>> {
 public:
  using Record = typename T::second_type;
  template <class K> static OpRef of(const K& key) {
    return ValuesOfKey::ship(withKeyBytes(key, [](const char* bytes, std::size_t size) { return std::string(bytes, size); }));
  }
  explicit ValuesOfKey(std::string key) : key_(std::move(key)) {}

  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out_.clear();
    for (; at_ < in.size && !out_.full(); ++at_) {
      T& record = in.as<T>()[at_];
      bool same = withKeyBytes(record.first, [&](const char* bytes, std::size_t size) {
        return size == key_.size() && std::memcmp(bytes, key_.data(), size) == 0;
      });
      if (same) out_.emplace(std::move(record.second));
    }
    out = out_.chunk();
    if (at_ < in.size) return Step::kHaveMore;
    at_ = 0;
    return Step::kNeedInput;
  }

 private:
  std::string key_;
  OutputChunk<Record> out_;
  std::size_t at_ = 0;
};

// Whether a pair's key lies between two, these included.
template <class K> struct KeyBetween {
  K lower{}, upper{};
  template <class T> bool operator()(const T& record) const {
    if constexpr (std::is_same_v<K, typename T::first_type>) return !keyLess(record.first, lower) && !keyLess(upper, record.first);
    else return between(toRecord<K>(record.first));
  }
  SLUICE_FIELDS(KeyBetween, lower, upper)

 private:
  bool between(const K& key) const { return !keyLess(key, lower) && !keyLess(upper, key); }
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
