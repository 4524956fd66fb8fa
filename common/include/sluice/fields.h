// How a struct joins records: SLUICE_FIELDS(Type, field, ...) as the last line inside the class, or SLUICE_FIELDS_OF(Type, field, ...)
// beside a struct that is not ours, in its own namespace and before its first use as a record. The fields, in this order, are what is
// encoded, printed and compared as a key; their names are the columns of a checkpoint's schema.
//
//   struct Reading {
//     std::string sensor;
//     double value = 0;
//     SLUICE_FIELDS(Reading, sensor, value)
//   };
#pragma once
#include <cstddef>
#include <tuple>
#include <type_traits>

#include "sluice/abi.h"

// Only plain member functions: structs inside functions may not have member templates.
#define SLUICE_FIELDS(Type, ...)                                                       \
 public:                                                                               \
  using SluiceSelf = Type;                                                             \
  static constexpr const char* sluiceTypeName() { return #Type; }                      \
  static constexpr const char* sluiceFieldNames() { return #__VA_ARGS__; }             \
  constexpr auto sluiceTie() { return std::tie(__VA_ARGS__); }                         \
  constexpr auto sluiceTie() const { return std::tie(__VA_ARGS__); }

#define SLUICE_FIELDS_OF(Type, ...)                                                                            \
  [[maybe_unused]] constexpr const char* sluiceTypeName(const Type*) { return #Type; }                         \
  [[maybe_unused]] constexpr const char* sluiceFieldNames(const Type*) { return #__VA_ARGS__; }                \
  [[maybe_unused]] constexpr auto sluiceTie(Type& self) { return std::tie(SLUICE_EACH(self, __VA_ARGS__)); }   \
  [[maybe_unused]] constexpr auto sluiceTie(const Type& self) { return std::tie(SLUICE_EACH(self, __VA_ARGS__)); }

// self.a, self.b, ... for up to 256 names.
#define SLUICE_EACH(self, ...) __VA_OPT__(SLUICE_EXPAND(SLUICE_EACH_STEP(self, __VA_ARGS__)))
#define SLUICE_EACH_STEP(self, first, ...) self.first __VA_OPT__(, SLUICE_EACH_AGAIN SLUICE_PARENS(self, __VA_ARGS__))
#define SLUICE_EACH_AGAIN() SLUICE_EACH_STEP
#define SLUICE_PARENS ()
#define SLUICE_EXPAND(...) SLUICE_EXPAND3(SLUICE_EXPAND3(SLUICE_EXPAND3(SLUICE_EXPAND3(__VA_ARGS__))))
#define SLUICE_EXPAND3(...) SLUICE_EXPAND2(SLUICE_EXPAND2(SLUICE_EXPAND2(SLUICE_EXPAND2(__VA_ARGS__))))
#define SLUICE_EXPAND2(...) SLUICE_EXPAND1(SLUICE_EXPAND1(SLUICE_EXPAND1(SLUICE_EXPAND1(__VA_ARGS__))))
#define SLUICE_EXPAND1(...) SLUICE_EXPAND0(SLUICE_EXPAND0(SLUICE_EXPAND0(SLUICE_EXPAND0(__VA_ARGS__))))
#define SLUICE_EXPAND0(...) __VA_ARGS__

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

template <class T>
concept MemberFields = requires { typename T::SluiceSelf; };
template <class T>
concept ForeignFields = std::is_class_v<T> && !MemberFields<T> && requires(const T* type) { sluiceFieldNames(type); };

// Converts to anything: counts what a braced initialiser takes.
struct AnyField {
  template <class U> operator U&() const& noexcept;
  template <class U> operator U&&() const&& noexcept;
};
template <std::size_t> using AnyFieldAt = AnyField;
template <class T, std::size_t... I>
constexpr bool takesFields(std::index_sequence<I...>) { return requires { T{AnyFieldAt<I>{}...}; }; }

template <class Tie> struct HoldsArray;
template <class... F> struct HoldsArray<std::tuple<F...>> {
  static constexpr bool value = (std::is_array_v<std::remove_reference_t<F>> || ...);
};

}  // namespace detail

template <class T> constexpr bool kHasFields = detail::MemberFields<T> || detail::ForeignFields<T>;

// References to the fields, in order.
template <class T> constexpr auto fieldsOf(T& record) {
  using Plain = std::remove_const_t<T>;
  if constexpr (detail::MemberFields<Plain>) {
    static_assert(std::is_same_v<typename Plain::SluiceSelf, Plain>,
                  "sluice: this type inherits the SLUICE_FIELDS of its base, which would lose its own fields; give it a SLUICE_FIELDS line of its "
                  "own that names the fields of both");
    return record.sluiceTie();
  } else {
    return sluiceTie(record);
  }
}

namespace detail {
template <class T> using TieOf = decltype(fieldsOf(std::declval<T&>()));

// True unless a member was added and not listed. Aggregates only; not where a listed array makes the count ambiguous.
template <class T> constexpr bool listsAllFields() {
  if constexpr (MemberFields<T>)
    if constexpr (!std::is_same_v<typename T::SluiceSelf, T>) return true;  // said already
  if constexpr (std::is_aggregate_v<T> && !HoldsArray<TieOf<T>>::value)
    return !takesFields<T>(std::make_index_sequence<std::tuple_size_v<TieOf<T>> + 1>());
  else
    return true;
}
}  // namespace detail

template <class T> constexpr const char* fieldTypeName() {
  if constexpr (detail::MemberFields<T>) return T::sluiceTypeName();
  else return sluiceTypeName(static_cast<const T*>(nullptr));
}

// The names as written: "sensor, value".
template <class T> constexpr const char* fieldNames() {
  if constexpr (detail::MemberFields<T>) return T::sluiceFieldNames();
  else return sluiceFieldNames(static_cast<const T*>(nullptr));
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
