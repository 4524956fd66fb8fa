// Operators that name the reducer of each record, in front of a direct exchange: T -> pair<uint32_t, T>.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/ops/functors.h"
#include "sluice/ops/map.h"
#include "sluice/ops/place_key.h"
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

// Ranges of the key: reducer i gets keys above bounds[i - 1] up to bounds[i]; from the last one down if descending.
template <class T, class KeyF>
class SLUICE_HIDDEN RangeAssign : public Placing<T, RangeAssign<T, KeyF>>,
                                  public Ships<RangeAssign<T, KeyF>, OpDesc::Form::kStep, KeyF, Value<std::vector<key_t<KeyF, T>>>, Value<bool>> {
 public:
  using Key = key_t<KeyF, T>;
  static OpRef of(KeyF key, const std::vector<Key>& bounds, bool ascending = true) { return RangeAssign::ship(key, bounds, ascending); }
  RangeAssign(KeyF key, std::vector<Key> bounds, bool ascending) : key_(std::move(key)), range_{std::move(bounds), ascending} {}

  std::uint32_t place(const T& record, TaskContext&) { return range_(key_(record)); }

 private:
  KeyF key_;
  InRange<Key> range_;
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

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
