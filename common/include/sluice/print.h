// Values as Spark prints them: (hello,3) [a,b] Some(x) None Type(1,2) 1.0 1.0E10.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {

SLUICE_EXPORT void printNumber(std::int64_t x, Buffer& out);
SLUICE_EXPORT void printNumber(std::uint64_t x, Buffer& out);
SLUICE_EXPORT void printNumber(float x, Buffer& out);   // the shortest digits that read back as x, in Java's form
SLUICE_EXPORT void printNumber(double x, Buffer& out);

// Appends the value as print() and saveAsTextFile show it. Any type with a codec, or that converts to std::string_view.
template <class T> void print(const T& x, Buffer& out);

namespace detail {

template <class... P> void printList(char open, char close, Buffer& out, const P&... parts) {
  out.push(open);
  [[maybe_unused]] bool first = true;
  ((first ? void(first = false) : out.push(','), print(parts, out)), ...);
  out.push(close);
}

template <class T> void printContainer(const T& x, Buffer& out) {
  out.push('[');
  bool first = true;
  for (const auto& v : x) {
    if (!first) out.push(',');
    first = false;
    if constexpr (MapLike<T>) {
      print(v.first, out);
      out.append("->");
      print(v.second, out);
    } else if constexpr (Container<T>) {
      print<typename T::value_type>(v, out);
    } else {
      print(v, out);
    }
  }
  out.push(']');
}

}  // namespace detail

template <class T> void print(const T& x, Buffer& out) {
  if constexpr (std::is_same_v<T, bool>) out.append(x ? "true" : "false");
  else if constexpr (std::is_same_v<T, char>) out.push(x);
  else if constexpr (std::is_same_v<T, float>) printNumber(x, out);
  else if constexpr (std::is_floating_point_v<T>) printNumber(double(x), out);
  else if constexpr (std::is_enum_v<T>) print(std::underlying_type_t<T>(x), out);
  else if constexpr (std::is_signed_v<T>) printNumber(std::int64_t(x), out);
  else if constexpr (std::is_unsigned_v<T>) printNumber(std::uint64_t(x), out);
  else if constexpr (std::is_convertible_v<const T&, std::string_view>) out.append(std::string_view(x));
  else if constexpr (std::is_same_v<T, Unit> || std::is_same_v<T, std::monostate>) out.append("()");
  else if constexpr (std::is_same_v<T, Time> || std::is_same_v<T, Duration>) printNumber(x.milliseconds(), out), out.append(" ms");
  else if constexpr (kHasFields<T>) {
    out.append(fieldTypeName<T>());
    std::apply([&](const auto&... field) { detail::printList('(', ')', out, field...); }, fieldsOf(x));
  } else if constexpr (detail::kTuple<T>) {
    std::apply([&](const auto&... part) { detail::printList('(', ')', out, part...); }, x);
  } else if constexpr (detail::kOptional<T>) {
    if (!x) return out.append("None");
    out.append("Some");
    detail::printList('(', ')', out, *x);
  } else if constexpr (detail::kVariant<T>) {
    std::visit([&](const auto& v) { print(v, out); }, x);
  } else if constexpr (std::is_array_v<T> || detail::kArray<T> || detail::Container<T>) {
    detail::printContainer(x, out);
  } else {
    static_assert(never<T>, "sluice: this type cannot be printed; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct, or map to text first");
  }
}

template <class T> constexpr bool kPrintable = kEncodable<T> || std::is_convertible_v<const T&, std::string_view>;

// The same as a string: printed(std::pair("hello", 3)) is "(hello,3)".
template <class T> std::string printed(const T& x) {
  Buffer out;
  print(x, out);
  return std::string(out.view());
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
