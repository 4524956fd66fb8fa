// A value that tasks add to and the driver reads. The handle is a number and may be captured by functions.
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

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
SLUICE_EXPORT std::uint64_t newAccumulator(AccumulatorValue* value, std::string_view name = {});  // takes ownership
SLUICE_EXPORT std::string nameOfAccumulator(std::uint64_t id);
// Calls use(value, argument) under the registry's lock. Throws Error(kIllegalState) if there is no such value in this process.
SLUICE_EXPORT void withAccumulator(std::uint64_t id, void (*use)(AccumulatorValue&, void*), void* argument);

template <class T, class U> concept HoldsSuch = requires { typename T::value_type; } && std::is_convertible_v<const U&, typename T::value_type>;

// Values of a type of the user's take parts by add and each other by merge; numbers are summed; containers take a record or all of another.
template <class T, class U> void accumulateInto(T& sum, const U& part) {
  if constexpr (std::is_same_v<T, U> && requires { sum.merge(part); }) sum.merge(part);
  else if constexpr (requires { sum.add(part); }) sum.add(part);
  else if constexpr (HoldsSuch<T, U> && requires { sum.push_back(part); }) sum.push_back(part);
  else if constexpr (HoldsSuch<T, U> && requires { sum.insert(part); }) sum.insert(part);
  else if constexpr (requires { sum += part; }) sum += part;
  else if constexpr (requires { sum.insert(sum.end(), part.begin(), part.end()); }) sum.insert(sum.end(), part.begin(), part.end());
  else if constexpr (requires { sum.insert(part.begin(), part.end()); }) sum.insert(part.begin(), part.end());
  else static_assert(never<T>, "sluice: an accumulator's value needs operator+=, or add(part) and merge(value), or must be a container");
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

// What an accumulator gives: of a type of the user's with a value() that, else a copy.
template <class T> auto readAccumulated(const T& value) {
  if constexpr (requires(T& sum) { sum.merge(value), value.value(); }) return value.value();
  else return value;
}
template <class T> bool isZeroAccumulated(const T& value) {
  if constexpr (requires { { value.isZero() } -> std::convertible_to<bool>; }) return value.isZero();
  else if constexpr (requires { value.empty(); }) return value.empty();
  else return encoded(value) == encoded(T{});
}

}  // namespace detail

// Made by Context::accumulator. What a task added counts once, when the task's result does: exactly once in actions and outputs, also
// when tasks run again. In transformations it counts again when a partition is recomputed.
//
// A value type of the user's (Spark's AccumulatorV2) starts from T{}, has add(part), merge(const T&), a value() if it is to give something
// else than itself, and an isZero() if T{} is not the only zero:
//
//   struct Mean {
//     double sum = 0;
//     std::int64_t n = 0;
//     void add(double x) { sum += x, ++n; }
//     void merge(const Mean& other) { sum += other.sum, n += other.n; }
//     double value() const { return n == 0 ? 0 : sum / double(n); }
//     SLUICE_FIELDS(Mean, sum, n)
//   };
//
// It is made by context.accumulator<Mean>({}, "mean size").
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
  auto value() const {
    if (currentTask()) throwError(ErrorKind::kIllegalState, "an accumulator's value can be read in the driver only");
    std::optional<decltype(detail::readAccumulated(std::declval<const T&>()))> copy;
    visit([&](T& value) { copy.emplace(detail::readAccumulated(std::as_const(value))); });
    return std::move(*copy);
  }
  bool isZero() const {
    bool zero = true;
    visit([&](T& value) { zero = detail::isZeroAccumulated(std::as_const(value)); });
    return zero;
  }
  // As it was given; "" if it has none.
  std::string name() const { return detail::nameOfAccumulator(id_); }
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
