// How operators and the functions in them travel: as the place of a constant descriptor in an image, and bytes for what was captured.
//
// A function that can be copied as bytes (kBitwise: captures numbers, pairs of them, handles) travels as its bytes, after a check that
// they hold no pointer. sluice::with(f, value, ...) and functors with SLUICE_FIELDS travel encoded, so they may hold strings, containers
// and models. A plain function of the module travels as its distance from the descriptor.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sluice/abi.h"
#include "sluice/codec.h"
#include "sluice/error.h"
#include "sluice/operator.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {

// An operator as a driver names it.
struct OpRef {
  const OpDesc* desc = nullptr;
  std::string captures;
  bool scan = false;         // the first scanSize bytes of the captures are raw: look for pointers in them
  std::size_t scanSize = 0;
};

// The hidden constant that names Op in its image. Op has kForm, kCaptureSize and make (see Ships).
template <class Op> struct SLUICE_HIDDEN Shipped {
  static constexpr const char* sign() { return __PRETTY_FUNCTION__; }
  static Operator* make(const char* captures, std::size_t size) { return Op::make(captures, size); }
  static constinit const OpDesc desc;
};
template <class Op> constinit const OpDesc Shipped<Op>::desc{OpDesc::kMagic, sign(), Op::kForm, Op::kCaptureSize, &Shipped<Op>::make};

// ---- Calling functions of the application ----

// A record is moved into the function if it takes it so, else lent to it as const.
template <class F, class... A>
constexpr bool kCallable = std::is_invocable_v<F&, A&&...> || std::is_invocable_v<F&, const A&...>;

template <class F, class... A> decltype(auto) call(F& f, A&... args) {
  if constexpr (std::is_invocable_v<F&, A&&...>) {
    return f(std::move(args)...);
  } else if constexpr (std::is_invocable_v<F&, const A&...>) {
    return f(std::as_const(args)...);
  } else {
    static_assert(never<F>, "sluice: this function cannot be called with the records at hand; let it take T, const T& or auto (not T&), with "
                            "std::string_view where the records are views");
  }
}

template <class F, class... A> using result_t = std::remove_cvref_t<decltype(call(std::declval<F&>(), std::declval<A&>()...))>;

namespace detail {
// Stands for a function that was refused, so that one error is all there is.
struct RefusedFunction {
  template <class... A> Broken operator()(A&&...) const { return {}; }
};
}  // namespace detail

// f together with values that travel encoded; made by with().
template <class F, class... V> struct With {
  F f;
  std::tuple<V...> values;
  template <class... A> requires std::is_invocable_v<F&, A..., const V&...> decltype(auto) operator()(A&&... a) {
    return std::apply([&](const V&... v) -> decltype(auto) { return f(std::forward<A>(a)..., v...); }, values);
  }
};

// A function for any method that takes one: calls f with the method's own arguments and, after them, with these values as const references.
// They travel by their Codec, so they may be strings, containers and structs with SLUICE_FIELDS. (A value that is large and used by many
// tasks is better sent by Context::broadcast.)
//
//   auto is = [](const std::string& word, const std::string& wanted) { return word == wanted; };
//   auto some = words.filter(sluice::with(is, std::string("sluice")));
template <class F, class... V> auto with(F f, V&&... values) {
  constexpr bool encodable = (kEncodable<owned_t<std::decay_t<V>>> && ...);
  static_assert(encodable,
                "sluice: a value given to sluice::with cannot be encoded; if it is an accumulator or another handle, let the function capture it, else add "
                "SLUICE_FIELDS(Type, field, ...) as the last line of its struct");
  if constexpr (!encodable) return detail::RefusedFunction();
  else return With<F, owned_t<std::decay_t<V>>...>{std::move(f), {toRecord<owned_t<std::decay_t<V>>>(std::forward<V>(values))...}};
}

// ---- What travels how ----

// A value among an operator's parts: travels by its Codec.
template <class T> struct Value {};

SLUICE_EXPORT bool sameImage(const void* a, const void* b) noexcept;

namespace detail {

template <class F> constexpr bool kIsWith = false;
template <class F, class... V> constexpr bool kIsWith<With<F, V...>> = true;
template <class F> constexpr bool kFunctionPointer = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;
// A functor of ours around a function of the application.
template <class F>
concept Adaptor = requires { typename F::SluiceInner; };

template <class F> constexpr bool shippable() {
  if constexpr (Adaptor<F>) return shippable<typename F::SluiceInner>();
  else if constexpr (kIsWith<F>) return shippable<decltype(F::f)>();
  else return kFunctionPointer<F> || (kHasFields<F> && kEncodable<F>) || (kBitwise<F> && !std::is_pointer_v<F> && !std::is_member_pointer_v<F>);
}

struct Packing {
  const void* anchor;  // the descriptor, from which functions are measured
  std::string raw;
  Buffer rest;
};
struct Unpacking {
  const void* anchor;
  const char* raw;
  RowReader rest;
};

template <class F> struct Travel {
  static_assert(shippable<F>(),
                "sluice: this function captures something that cannot travel to the executors as bytes (a string, a container, a pointer, an RDD or "
                "DStream); pass values with sluice::with(f, value, ...), which reach f after the record, or make it a functor with SLUICE_FIELDS");
  using Type = F;
  static constexpr bool kFields = kHasFields<F>;
  static constexpr bool kEncodes = kFields || kFunctionPointer<F>;
  static constexpr std::size_t kRaw = kEncodes || std::is_empty_v<F> ? 0 : sizeof(F);

  static void pack(const F& f, Packing& to) {
    if constexpr (kFunctionPointer<F>) {
      auto address = reinterpret_cast<const void*>(f);
      if (!sameImage(address, to.anchor))
        throwError(ErrorKind::kInvalidArgument,
                   "a plain function of another library cannot travel to the executors; wrap it in a lambda: [](auto x) { return f(x); }");
      encodeValue(std::int64_t(reinterpret_cast<std::intptr_t>(address) - reinterpret_cast<std::intptr_t>(to.anchor)), to.rest);
    } else if constexpr (kFields) {
      encodeValue(f, to.rest);
    } else if constexpr (kRaw != 0) {
      alignas(F) char bytes[sizeof(F)] = {};  // zero between the members, or stale stack could look like a pointer
      new (bytes) F(f);
#if defined(__GNUC__) && !defined(__clang__)
      if constexpr (std::is_trivially_copyable_v<F>) __builtin_clear_padding(reinterpret_cast<F*>(bytes));
#endif
      to.raw.append(bytes, sizeof bytes);
    }
  }
  static F unpack(Unpacking& from) {
    if constexpr (kFunctionPointer<F>) {
      // Unsigned: damaged bytes may say any distance.
      return reinterpret_cast<F>(reinterpret_cast<std::uintptr_t>(from.anchor) + std::uintptr_t(Codec<std::int64_t>::get(from.rest)));
    } else if constexpr (kFields) {
      return Codec<F>::get(from.rest);
    } else {
      alignas(F) char bytes[sizeof(F)] = {};
      if constexpr (kRaw != 0) std::memcpy(bytes, from.raw, kRaw), from.raw += kRaw;
      return F(*std::launder(reinterpret_cast<F*>(bytes)));
    }
  }
};

template <class F, class... V> struct Travel<With<F, V...>> {
  using Type = With<F, V...>;
  static constexpr bool kEncodes = true;
  static constexpr std::size_t kRaw = Travel<F>::kRaw;
  static void pack(const Type& with, Packing& to) {
    Travel<F>::pack(with.f, to);
    encodeValue(with.values, to.rest);
  }
  static Type unpack(Unpacking& from) { return {Travel<F>::unpack(from), Codec<std::tuple<V...>>::get(from.rest)}; }
};

template <Adaptor F> struct Travel<F> {
  using Inner = Travel<typename F::SluiceInner>;
  using Type = F;
  static constexpr bool kEncodes = Inner::kEncodes;
  static constexpr std::size_t kRaw = Inner::kRaw;
  static void pack(const F& f, Packing& to) { Inner::pack(f.f, to); }
  static F unpack(Unpacking& from) { return F{Inner::unpack(from)}; }
};

template <class T> struct Travel<Value<T>> {
  using Type = T;
  static constexpr bool kEncodes = true;
  static constexpr std::size_t kRaw = 0;
  static void pack(const T& value, Packing& to) { encodeValue(value, to.rest); }
  static T unpack(Unpacking& from) { return Codec<T>::get(from.rest); }
};

}  // namespace detail

template <class F> constexpr bool kShippable = detail::shippable<F>();

// Makes Op ship with the given parts (functions, Value<T>), which are also the parameters of its constructor, in that order.
template <class Op, OpDesc::Form form, class... Parts> struct Ships {
  static constexpr OpDesc::Form kForm = form;
  static constexpr std::size_t kRaw = (std::size_t(0) + ... + detail::Travel<Parts>::kRaw);
  static constexpr std::uint32_t kCaptureSize =
      (false || ... || detail::Travel<Parts>::kEncodes) ? OpDesc::kEncodedCaptures : std::uint32_t(kRaw);

  static OpRef ship(const typename detail::Travel<Parts>::Type&... parts) {
    detail::Packing to{&Shipped<Op>::desc, {}, {}};
    (detail::Travel<Parts>::pack(parts, to), ...);
    to.raw.append(to.rest.view());
    return {&Shipped<Op>::desc, std::move(to.raw), kRaw != 0, kRaw};
  }
  static Operator* make(const char* captures, std::size_t size) {
    if (size < kRaw || (kCaptureSize != OpDesc::kEncodedCaptures && size != kRaw)) throwDamagedRow("captures of another size than the operator's");
    [[maybe_unused]] detail::Unpacking from{&Shipped<Op>::desc, captures, {captures + kRaw, captures + size}};
    return new Op{detail::Travel<Parts>::unpack(from)...};
  }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
