// Rows: how records are encoded. Positional, no tags (both sides have the same module): numbers little endian in their width, bool and
// the tags of optional and variant one byte, text and containers as a varint length and their elements, structs field by field.
//
// Codec<T> has bound(x), an upper bound of the row's bytes; put<kKey>(x, at), which writes the row (with kKey the canonical one of a key:
// -0.0 as 0.0, one NaN) and returns its end; get(reader). Bytes that are no row of T end in Error(kLost), never in a large allocation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/error.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {

[[noreturn, gnu::cold]] SLUICE_EXPORT void throwDamagedRow(const char* what);

// Bytes being decoded.
struct RowReader {
  const char* at;
  const char* end;
  int depth = 0;  // of structs: hostile bytes must not exhaust the stack

  std::size_t left() const { return std::size_t(end - at); }
  const char* take(std::size_t n) {
    if (left() < n) [[unlikely]] throwDamagedRow("a row ends in the middle of a record");
    return std::exchange(at, at + n);
  }
  std::uint64_t varint() {
    auto first = static_cast<unsigned char>(*take(1));
    return first < 0x80 ? first : longVarint(first);
  }
  // A number of elements that take at least `least` bytes each.
  std::size_t count(std::size_t least) {
    std::uint64_t n = varint();
    if (n > left() / least) [[unlikely]] throwDamagedRow("a length in a row is larger than what is left of it");
    return std::size_t(n);
  }

 private:
  [[gnu::noinline]] std::uint64_t longVarint(std::uint64_t value) {
    value &= 0x7f;
    for (int shift = 7; shift < 64; shift += 7) {
      auto byte = static_cast<unsigned char>(*take(1));
      value |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throwDamagedRow("a length in a row has no end");
  }
};

namespace detail {
inline constexpr std::size_t kVarintBound = 10;
inline char* putVarint(std::uint64_t x, char* at) {
  for (; x >= 0x80; x >>= 7) *at++ = char(x | 0x80);
  *at++ = char(x);
  return at;
}
}  // namespace detail

template <class T> struct Codec {
  static_assert(never<T>, "sluice: this type cannot be stored, shuffled or sent; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct");
  static std::size_t bound(const T&) { return 0; }
  template <bool kKey = false> static char* put(const T&, char* at) { return at; }
  static T get(RowReader&);
  static constexpr std::size_t kLeast = 0;  // bytes of the shortest row
};

template <class T> requires(std::is_arithmetic_v<T> && !std::is_same_v<T, long double>) struct Codec<T> {
  static constexpr std::size_t kLeast = sizeof(T);
  static constexpr std::size_t bound(const T&) { return sizeof(T); }
  template <bool kKey = false> static char* put(T x, char* at) {
    if constexpr (kKey && std::is_floating_point_v<T>) {
      if (x == 0) x = 0;
      if (x != x) x = std::numeric_limits<T>::quiet_NaN();
    }
    std::memcpy(at, &x, sizeof x);
    return at + sizeof x;
  }
  static T get(RowReader& in) {
    if constexpr (std::is_same_v<T, bool>) {
      char c = *in.take(1);
      if (c & ~1) [[unlikely]] throwDamagedRow("a bool in a row is neither 0 nor 1");
      return c != 0;
    } else {
      T x;
      std::memcpy(&x, in.take(sizeof x), sizeof x);
      return x;
    }
  }
};

template <class T> requires std::is_enum_v<T> struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static constexpr std::size_t kLeast = sizeof(Number);
  static constexpr std::size_t bound(const T&) { return sizeof(Number); }
  template <bool kKey = false> static char* put(T x, char* at) { return Codec<Number>::put(Number(x), at); }
  static T get(RowReader& in) { return T(Codec<Number>::get(in)); }
};

template <class T> requires(std::is_same_v<T, Unit> || std::is_same_v<T, std::monostate>) struct Codec<T> {
  static constexpr std::size_t kLeast = 0;
  static constexpr std::size_t bound(const T&) { return 0; }
  template <bool kKey = false> static char* put(T, char* at) { return at; }
  static T get(RowReader&) { return {}; }
};

template <class T> requires(std::is_same_v<T, Time> || std::is_same_v<T, Duration>) struct Codec<T> {
  static constexpr std::size_t kLeast = 8;
  static constexpr std::size_t bound(const T&) { return 8; }
  template <bool kKey = false> static char* put(T x, char* at) { return Codec<std::int64_t>::put(x.milliseconds(), at); }
  static T get(RowReader& in) { return T(Codec<std::int64_t>::get(in)); }
};

// The view that is decoded points into the rows.
template <class T> requires(std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) struct Codec<T> {
  static constexpr std::size_t kLeast = 1;
  static std::size_t bound(const T& x) { return detail::kVarintBound + x.size(); }
  template <bool kKey = false> static char* put(const T& x, char* at) {
    at = detail::putVarint(x.size(), at);
    if (!x.empty()) std::memcpy(at, x.data(), x.size());
    return at + x.size();
  }
  static T get(RowReader& in) {
    std::size_t n = in.count(1);
    return T(in.take(n), n);
  }
};

template <class A, class B> struct Codec<std::pair<A, B>> {
  static constexpr std::size_t kLeast = Codec<A>::kLeast + Codec<B>::kLeast;
  static std::size_t bound(const std::pair<A, B>& x) { return Codec<A>::bound(x.first) + Codec<B>::bound(x.second); }
  template <bool kKey = false> static char* put(const std::pair<A, B>& x, char* at) {
    at = Codec<A>::template put<kKey>(x.first, at);
    return Codec<B>::template put<kKey>(x.second, at);
  }
  static std::pair<A, B> get(RowReader& in) { return {Codec<A>::get(in), Codec<B>::get(in)}; }
};

template <class... P> struct Codec<std::tuple<P...>> {
  static constexpr std::size_t kLeast = (0 + ... + Codec<P>::kLeast);
  static std::size_t bound(const std::tuple<P...>& x) {
    return std::apply([](const P&... p) { return (std::size_t(0) + ... + Codec<P>::bound(p)); }, x);
  }
  template <bool kKey = false> static char* put(const std::tuple<P...>& x, char* at) {
    std::apply([&](const P&... p) { ((at = Codec<P>::template put<kKey>(p, at)), ...); }, x);
    return at;
  }
  static std::tuple<P...> get([[maybe_unused]] RowReader& in) { return std::tuple<P...>{Codec<P>::get(in)...}; }
};

template <class T> struct Codec<std::optional<T>> {
  static constexpr std::size_t kLeast = 1;
  static std::size_t bound(const std::optional<T>& x) { return 1 + (x ? Codec<T>::bound(*x) : 0); }
  template <bool kKey = false> static char* put(const std::optional<T>& x, char* at) {
    *at++ = char(x.has_value());
    return x ? Codec<T>::template put<kKey>(*x, at) : at;
  }
  static std::optional<T> get(RowReader& in) {
    if (!Codec<bool>::get(in)) return std::nullopt;
    return std::optional<T>(Codec<T>::get(in));
  }
};

template <class... P> struct Codec<std::variant<P...>> {
  static_assert(sizeof...(P) < 256, "sluice: a variant of more than 255 types cannot be encoded");
  using Value = std::variant<P...>;
  static constexpr std::size_t kLeast = 1;
  static std::size_t bound(const Value& x) {
    return 1 + std::visit([](const auto& v) { return Codec<std::remove_cvref_t<decltype(v)>>::bound(v); }, x);
  }
  template <bool kKey = false> static char* put(const Value& x, char* at) {
    *at++ = char(x.index());
    return std::visit([&](const auto& v) { return Codec<std::remove_cvref_t<decltype(v)>>::template put<kKey>(v, at); }, x);
  }
  static Value get(RowReader& in) { return alternative<0>(static_cast<unsigned char>(*in.take(1)), in); }

 private:
  template <std::size_t I> static Value alternative(std::size_t index, RowReader& in) {
    if constexpr (I == sizeof...(P)) {
      throwDamagedRow("a row holds an alternative that its variant does not have");
    } else {
      if (index == I) return Value(std::in_place_index<I>, Codec<std::variant_alternative_t<I, Value>>::get(in));
      return alternative<I + 1>(index, in);
    }
  }
};

template <class T, std::size_t N> struct Codec<std::array<T, N>> {
  static constexpr std::size_t kLeast = N * Codec<T>::kLeast;
  static std::size_t bound(const std::array<T, N>& x) {
    std::size_t sum = 0;
    for (const T& v : x) sum += Codec<T>::bound(v);
    return sum;
  }
  template <bool kKey = false> static char* put(const std::array<T, N>& x, char* at) {
    for (const T& v : x) at = Codec<T>::template put<kKey>(v, at);
    return at;
  }
  static std::array<T, N> get(RowReader& in) { return make(in, std::make_index_sequence<N>()); }

 private:
  template <std::size_t... I> static std::array<T, N> make([[maybe_unused]] RowReader& in, std::index_sequence<I...>) {
    return {((void)I, Codec<T>::get(in))...};
  }
};

namespace detail {
// Elements of no bytes would let a few bytes ask for any number of them: in containers each takes one.
template <class T> struct ElementCodec : Codec<T> {};
template <class T> requires((kindsOf<T>() & kSized) == 0) struct ElementCodec<T> {
  static std::size_t bound(const T&) { return 1; }
  template <bool kKey = false> static char* put(const T&, char* at) { return *at = 0, at + 1; }
  static T get(RowReader& in) { return in.take(1), Codec<T>::get(in); }
};
template <class T> struct ElementOf { using type = typename T::value_type; };
template <MapLike T> struct ElementOf<T> { using type = std::pair<typename T::key_type, typename T::mapped_type>; };
template <class T> constexpr bool kPlainBytes = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;
}  // namespace detail

// vector, deque, list, set, map and their relatives: a count and the elements in the container's order.
template <detail::Container T> requires(!std::is_same_v<T, std::string>) struct Codec<T> {
  using Element = typename detail::ElementOf<T>::type;
  using Each = detail::ElementCodec<Element>;
  static constexpr std::size_t kLeast = 1;

  static std::size_t bound(const T& x) {
    std::size_t sum = detail::kVarintBound;
    if constexpr (detail::kPlainBytes<Element>) {
      sum += x.size() * sizeof(Element);
    } else if constexpr (detail::MapLike<T>) {
      for (const auto& [key, value] : x) sum += Codec<typename T::key_type>::bound(key) + Codec<typename T::mapped_type>::bound(value) + 1;
    } else {
      for (const auto& v : x) sum += Each::bound(v);
    }
    return sum;
  }

  template <bool kKey = false> static char* put(const T& x, char* at) {
    static_assert(!kKey || !detail::Unordered<T>, "sluice: an unordered container cannot be part of a key; use std::map, std::set or a sorted vector");
    at = detail::putVarint(x.size(), at);
    if constexpr (detail::MapLike<T>) {
      for (const auto& [key, value] : x) {
        at = Codec<typename T::key_type>::template put<kKey>(key, at);
        at = detail::ElementCodec<typename T::mapped_type>::template put<kKey>(value, at);
      }
    } else if constexpr (detail::kPlainBytes<Element> && !(kKey && std::is_floating_point_v<Element>) && requires { x.data(); }) {
      if (!x.empty()) std::memcpy(at, x.data(), x.size() * sizeof(Element));
      at += x.size() * sizeof(Element);
    } else {
      for (const auto& v : x) at = Each::template put<kKey>(v, at);
    }
    return at;
  }

  static T get(RowReader& in) {
    T to;
    if constexpr (detail::MapLike<T>) {
      for (std::size_t n = in.count(1); n > 0; --n) {
        auto key = Codec<typename T::key_type>::get(in);
        to.emplace_hint(to.end(), std::move(key), detail::ElementCodec<typename T::mapped_type>::get(in));
      }
    } else if constexpr (detail::Associative<T>) {
      for (std::size_t n = in.count(1); n > 0; --n) to.emplace_hint(to.end(), Each::get(in));
    } else if constexpr (detail::kPlainBytes<Element> && requires { to.data(); }) {
      std::size_t n = in.count(sizeof(Element));
      to.resize(n);
      if (n != 0) std::memcpy(to.data(), in.take(n * sizeof(Element)), n * sizeof(Element));
    } else {
      std::size_t n = in.count(1);
      // The elements may be much larger than their rows: grow as they come.
      if constexpr (requires { to.reserve(n); }) to.reserve(n < 1024 ? n : 1024);
      for (; n > 0; --n) to.push_back(Each::get(in));
    }
    return to;
  }
};

// Structs with fields. Their default constructor runs first, so members that are not fields keep their initialisers.
template <class T> requires kHasFields<T> struct Codec<T> {
  static_assert(std::is_default_constructible_v<T>, "sluice: a type with SLUICE_FIELDS needs a default constructor");
  static_assert(detail::listsAllFields<T>(), "sluice: this struct has a member that its SLUICE_FIELDS line does not name, and which would be lost; add it");
  static constexpr std::size_t kLeast = 0;

  static std::size_t bound(const T& x) {
    return std::apply([](const auto&... field) { return (std::size_t(0) + ... + boundOf(field)); }, fieldsOf(x)) + 1;
  }
  template <bool kKey = false> static char* put(const T& x, char* at) {
    if constexpr (std::tuple_size_v<detail::TieOf<T>> == 0) return *at = 0, at + 1;
    std::apply([&](const auto&... field) { ((at = putOne<kKey>(field, at)), ...); }, fieldsOf(x));
    return at;
  }
  static T get(RowReader& in) {
    if (++in.depth > 500) [[unlikely]] throwDamagedRow("structs in a row lie more than 500 deep in each other");
    T to{};
    if constexpr (std::tuple_size_v<detail::TieOf<T>> == 0) in.take(1);
    else std::apply([&](auto&... field) { (getOne(field, in), ...); }, fieldsOf(to));
    --in.depth;
    return to;
  }

 private:
  template <class F> static std::size_t boundOf(const F& field) {
    if constexpr (std::is_array_v<F>) {
      std::size_t sum = 0;
      for (const auto& x : field) sum += boundOf(x);
      return sum;
    } else {
      return Codec<F>::bound(field);
    }
  }
  template <bool kKey, class F> static char* putOne(const F& field, char* at) {
    if constexpr (std::is_array_v<F>) {
      for (const auto& x : field) at = putOne<kKey>(x, at);
      return at;
    } else {
      return Codec<F>::template put<kKey>(field, at);
    }
  }
  template <class F> static void getOne(F& field, RowReader& in) {
    if constexpr (std::is_array_v<F>) {
      for (auto& x : field) getOne(x, in);
    } else {
      field = Codec<F>::get(in);
    }
  }
};

// ---- Whole values, for captures, results and accumulators ----

template <class T> void encodeValue(const T& value, Buffer& out) {
  char* at = out.reserve(Codec<T>::bound(value));
  out.advance(std::size_t(Codec<T>::put(value, at) - at));
}

template <class T> std::string encoded(const T& value) {
  Buffer out;
  encodeValue(value, out);
  return std::string(out.view());
}

// The value that all of `bytes` are.
template <class T> T decoded(std::string_view bytes) {
  RowReader in{bytes.data(), bytes.data() + bytes.size()};
  T value = Codec<T>::get(in);
  if (in.at != in.end) throwDamagedRow("bytes are left over after the last value");
  return value;
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
