// A value that tasks add to and the driver reads. The handle is a number and may be captured by functions.
#pragma once
#include <cstdint>
#include <string_view>

#include "sluice/abi.h"
#include "sluice/codec.h"
#include "sluice/error.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// The driver's value, erased.
class SLUICE_EXPORT AccumulatorValue {
 public:
  virtual ~AccumulatorValue();
  virtual void merge(std::string_view encoded) = 0;
};
SLUICE_EXPORT std::uint64_t newAccumulator(AccumulatorValue* value);  // takes ownership
// Calls use(value, argument) under the registry's lock. Throws Error(kIllegalState) if there is no such value in this process.
SLUICE_EXPORT void withAccumulator(std::uint64_t id, void (*use)(AccumulatorValue&, void*), void* argument);

// Numbers are summed, containers appended.
template <class T, class U> void accumulateInto(T& sum, const U& part) {
  if constexpr (requires { sum += part; }) sum += part;
  else if constexpr (requires { sum.insert(sum.end(), part.begin(), part.end()); }) sum.insert(sum.end(), part.begin(), part.end());
  else if constexpr (requires { sum.insert(part.begin(), part.end()); }) sum.insert(part.begin(), part.end());
  else static_assert(never<T>, "sluice: an accumulator's value needs operator+= or must be a container");
}

template <class T> class AccumulatorValueOf final : public AccumulatorValue {
 public:
  explicit AccumulatorValueOf(T start) : value(std::move(start)) {}
  void merge(std::string_view encoded) override { accumulateInto(value, decoded<T>(encoded)); }
  T value;
};

// What one task has added so far; goes to the engine when the task ends.
template <class T> struct TaskSum {
  TaskContext* task;
  std::uint64_t id;
  T value{};
  static void finish(void* sum) {
    auto* self = static_cast<TaskSum*>(sum);
    self->task->accumulate(self->id, encoded(self->value));
    delete self;
  }
};

}  // namespace detail

// Made by Context::accumulator. What a task added counts once, when the task's result does: exactly once in actions and outputs, also
// when tasks run again. In transformations it counts again when a partition is recomputed.
template <class T> class Accumulator {
  static_assert(kEncodable<T>, "sluice: an accumulator's value must be encodable; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct");

 public:
  Accumulator() = default;
  explicit Accumulator(std::uint64_t id) : id_(id) {}

  template <class U> void add(const U& part) const {
    if (TaskContext* task = currentTask()) {
      void*& slot = task->local(id_, &detail::TaskSum<T>::finish);
      if (!slot) slot = new detail::TaskSum<T>{task, id_};
      detail::accumulateInto(static_cast<detail::TaskSum<T>*>(slot)->value, part);
    } else {
      visit([&](T& value) { detail::accumulateInto(value, part); });
    }
  }
  const Accumulator& operator+=(const T& part) const {
    add(part);
    return *this;
  }
  // In the driver only: tasks see no sum.
  T value() const {
    if (currentTask()) throwError(ErrorKind::kIllegalState, "an accumulator's value can be read in the driver only");
    T copy{};
    visit([&](T& value) { copy = value; });
    return copy;
  }
  void setValue(T to) const {
    visit([&](T& value) { value = std::move(to); });
  }
  void reset() const { setValue(T{}); }
  std::uint64_t id() const { return id_; }

 private:
  template <class Use> void visit(Use use) const {
    detail::withAccumulator(
        id_, [](detail::AccumulatorValue& v, void* u) { (*static_cast<Use*>(u))(static_cast<detail::AccumulatorValueOf<T>&>(v).value); }, &use);
  }
  std::uint64_t id_ = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
