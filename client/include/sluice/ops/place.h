// Operators that name the reducer of each record, in front of a direct exchange: T -> pair<uint32_t, T>.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/ops/functors.h"
#include "sluice/ops/map.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class T, class Derived> class SLUICE_HIDDEN Placing : public StepOperator {
 public:
  using Record = std::pair<std::uint32_t, T>;

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out_.clear();
    T* const records = in.as<T>();
    std::size_t i = at_;
    try {
      for (; i < in.size && !out_.full(); ++i) {
        std::uint32_t reducer = static_cast<Derived*>(this)->place(std::as_const(records[i]), task);
        out_.emplace(reducer, std::move(records[i]));
      }
    } catch (...) {
      at_ = 0;
      task.failedAt(i);
      throw;
    }
    out = out_.chunk();
    at_ = i == in.size ? 0 : i;
    return i == in.size ? Step::kNeedInput : Step::kHaveMore;
  }

 private:
  OutputChunk<Record> out_;
  std::size_t at_ = 0;
};

// Less-than with NaN after all numbers.
template <class Key> bool keyLess(const Key& a, const Key& b) {
  if constexpr (std::is_floating_point_v<Key>) return a != a ? false : b != b ? true : a < b;
  else return a < b;
}

template <class F, class T> using key_t = owned_t<std::remove_cvref_t<std::invoke_result_t<F&, const T&>>>;

// Ranges of the key: reducer i gets keys above bounds[i - 1] up to bounds[i]; from the last one down if descending.
template <class T, class KeyF>
class SLUICE_HIDDEN RangeAssign : public Placing<T, RangeAssign<T, KeyF>>,
                                  public Ships<RangeAssign<T, KeyF>, OpDesc::Form::kStep, KeyF, Value<std::vector<key_t<KeyF, T>>>, Value<bool>> {
 public:
  using Key = key_t<KeyF, T>;
  static OpRef of(KeyF key, const std::vector<Key>& bounds, bool ascending = true) { return RangeAssign::ship(key, bounds, ascending); }
  RangeAssign(KeyF key, std::vector<Key> bounds, bool ascending) : key_(std::move(key)), bounds_(std::move(bounds)), ascending_(ascending) {}

  std::uint32_t place(const T& record, TaskContext&) {
    decltype(auto) key = key_(record);
    std::size_t low = 0, high = bounds_.size();
    while (low < high) {
      std::size_t middle = (low + high) / 2;
      if (below(bounds_[middle], key)) low = middle + 1;
      else high = middle;
    }
    return std::uint32_t(ascending_ ? low : bounds_.size() - low);
  }

 private:
  template <class K> static bool below(const Key& bound, const K& key) {
    if constexpr (std::is_same_v<K, Key>) return keyLess(bound, key);
    else if constexpr (requires { bound < key; }) return bound < key;
    else return keyLess(bound, toRecord<Key>(key));
  }

  KeyF key_;
  std::vector<Key> bounds_;
  bool ascending_;
};

// Even parts, from a start that depends on the partition only, so that a second attempt places the same.
template <class T>
class SLUICE_HIDDEN RoundRobin : public Placing<T, RoundRobin<T>>, public Ships<RoundRobin<T>, OpDesc::Form::kStep, Value<std::uint32_t>> {
 public:
  static OpRef of(std::uint32_t reducers) { return RoundRobin::ship(reducers); }
  explicit RoundRobin(std::uint32_t reducers) : reducers_(reducers ? reducers : 1), next_(reducers_) {}

  std::uint32_t place(const T&, TaskContext& task) {
    if (next_ == reducers_) [[unlikely]] next_ = started_ ? 0 : std::uint32_t(task.partition()) % reducers_;
    started_ = true;
    return next_++;
  }

 private:
  std::uint32_t reducers_, next_;
  bool started_ = false;
};

// A partitioner of the application: f(record) names the reducer.
template <class T, class F>
class SLUICE_HIDDEN DirectBy : public Placing<T, DirectBy<T, F>>, public Ships<DirectBy<T, F>, OpDesc::Form::kStep, F, Value<std::uint32_t>> {
 public:
  static OpRef of(F f, std::uint32_t reducers) { return DirectBy::ship(f, reducers); }
  DirectBy(F f, std::uint32_t reducers) : f_(std::move(f)), reducers_(reducers) {}

  std::uint32_t place(const T& record, TaskContext&) {
    auto reducer = f_(record);
    static_assert(std::is_integral_v<decltype(reducer)>, "sluice: a partitioner returns the number of the partition");
    if (std::uint64_t(reducer) >= reducers_) [[unlikely]] throwError(ErrorKind::kUserCode, "the partitioner named a partition that does not exist; return 0 up to the number of partitions - 1");
    return std::uint32_t(reducer);
  }

 private:
  F f_;
  std::uint32_t reducers_;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
