// What is known of a record type at compile time: whether it holds text or views of text, what it becomes when it must be owned, and
// whether it can be encoded or be a key.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/abi.h"
#include "sluice/fields.h"
#include "sluice/time.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Nothing to say: the value of pairs that stand for a set.
struct Unit {
  friend constexpr auto operator<=>(Unit, Unit) = default;
};

// The record type of what follows an error that was already reported at compile time.
struct Broken {};

template <class...> constexpr bool never = false;

template <class T> struct is_pair : std::false_type {};
template <class K, class V> struct is_pair<std::pair<K, V>> : std::true_type {};

// May travel as bytes. Not "trivially copyable": in libstdc++ a closure that captured a pair or a tuple is not.
template <class F> constexpr bool kBitwise = std::is_trivially_copy_constructible_v<F> && std::is_trivially_destructible_v<F>;

namespace detail {

template <class T>
concept Container = requires { typename T::value_type; typename T::allocator_type; };
template <class T>
concept Associative = Container<T> && requires { typename T::key_type; };
template <class T>
concept MapLike = Associative<T> && requires { typename T::mapped_type; };
template <class T>
concept Unordered = Associative<T> && requires { typename T::hasher; };

enum Kind : unsigned { kView = 1, kText = 2, kNoCode = 4, kNoKey = 8, kCstr = 16, kSized = 32 };  // kSized: its row has bytes

template <class T, class... Seen> constexpr unsigned kindsOf();

template <class T> struct Parts : std::false_type {};
template <class... P> struct PartList {
  template <class... Seen> static constexpr unsigned kinds() { return (0u | ... | kindsOf<std::remove_cvref_t<P>, Seen...>()); }
};
template <class List_, bool sized = false> struct PartsAre : std::true_type {
  using List = List_;
  static constexpr bool kSizedItself = sized;
};
template <class A, class B> struct Parts<std::pair<A, B>> : PartsAre<PartList<A, B>> {};
template <class... P> struct Parts<std::tuple<P...>> : PartsAre<PartList<P...>> {};
template <class... P> struct Parts<std::variant<P...>> : PartsAre<PartList<P...>, true> {};
template <class T> struct Parts<std::optional<T>> : PartsAre<PartList<T>, true> {};
template <class T, std::size_t N> struct Parts<std::array<T, N>> : PartsAre<PartList<T>> {};
template <class T, std::size_t N> struct Parts<T[N]> : PartsAre<PartList<T>> {};
template <class T> requires MapLike<T> struct Parts<T> : PartsAre<PartList<typename T::key_type, typename T::mapped_type>, true> {};
template <class T> requires(Container<T> && !MapLike<T>) struct Parts<T> : PartsAre<PartList<typename T::value_type>, true> {};

template <class Tie> struct TieParts;
template <class... F> struct TieParts<std::tuple<F...>> { using List = PartList<F...>; };

// Bits of Kind. Seen stops at types that hold themselves.
template <class T, class... Seen> constexpr unsigned kindsOf() {
  if constexpr ((std::is_same_v<T, Seen> || ...)) return 0;
  else if constexpr (std::is_same_v<T, long double>) return kNoCode | kNoKey | kSized;
  else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) return kSized;
  else if constexpr (std::is_same_v<T, std::string_view>) return kView | kSized;
  else if constexpr (std::is_same_v<T, std::string>) return kText | kSized;
  else if constexpr (std::is_same_v<T, const char*> || std::is_same_v<T, char*>) return kCstr | kText | kNoCode | kNoKey | kSized;
  else if constexpr (std::is_same_v<T, Unit> || std::is_same_v<T, std::monostate>) return 0;
  else if constexpr (std::is_same_v<T, Time> || std::is_same_v<T, Duration>) return kSized;
  else if constexpr (kHasFields<T>) return TieParts<TieOf<T>>::List::template kinds<Seen..., T>() | (std::tuple_size_v<TieOf<T>> == 0 ? kSized : 0u);
  else if constexpr (Parts<T>::value)
    return Parts<T>::List::template kinds<Seen..., T>() | (Unordered<T> ? kNoKey : 0u) | (Parts<T>::kSizedItself ? kSized : 0u);
  else return kText | kNoCode | kNoKey | kSized;  // unknown classes may hold anything
}

// T with its text turned by Turn<Leaf>, at any depth of class templates.
template <class T, template <class> class Turn> struct Deep { using type = typename Turn<T>::type; };
template <class T, template <class> class Turn> struct Deep<const T, Turn> { using type = const typename Deep<T, Turn>::type; };
template <class T, std::size_t N, template <class> class Turn> struct Deep<std::array<T, N>, Turn> {
  using type = std::array<typename Deep<T, Turn>::type, N>;
};
template <template <class...> class X, class... A, template <class> class Turn> struct Deep<X<A...>, Turn> {
  template <class Same> struct Pick { using type = X<typename Deep<A, Turn>::type...>; };
  template <class Same> requires(std::is_same_v<A, typename Deep<A, Turn>::type> && ...) struct Pick<Same> {
    using type = typename Turn<X<A...>>::type;
  };
  using type = typename Pick<void>::type;
};

template <class T> struct Owned { using type = T; };
template <> struct Owned<std::string_view> { using type = std::string; };
template <> struct Owned<const char*> { using type = std::string; };
template <> struct Owned<char*> { using type = std::string; };

template <class T> struct NoCstr { using type = T; };
template <> struct NoCstr<const char*> { using type = std::string; };
template <> struct NoCstr<char*> { using type = std::string; };

template <class T> struct View { using type = T; };
template <> struct View<std::string> { using type = std::string_view; };
template <class A, class B> struct View<std::pair<A, B>> { using type = std::pair<typename View<A>::type, typename View<B>::type>; };
template <class... P> struct View<std::tuple<P...>> { using type = std::tuple<typename View<P>::type...>; };
template <class T> struct View<std::optional<T>> { using type = std::optional<typename View<T>::type>; };
template <class T, std::size_t N> struct View<std::array<T, N>> { using type = std::array<typename View<T>::type, N>; };

}  // namespace detail

// T with std::string where it has views: std::pair<std::string_view, long> -> std::pair<std::string, long>. Structs holding views are
// templates over their text type: Event<std::string_view> -> Event<std::string>.
template <class T> using owned_t = typename detail::Deep<std::remove_cv_t<T>, detail::Owned>::type;
// What rows of T can be decoded as without allocating: strings as views into the rows. Containers stay as they are.
template <class T> using view_t = typename detail::View<std::remove_cv_t<T>>::type;
template <class T> using no_cstr_t = typename detail::Deep<std::remove_cv_t<T>, detail::NoCstr>::type;

template <class T> struct has_view : std::bool_constant<(detail::kindsOf<T>() & detail::kView) != 0> {};
template <class T> struct holds_text : std::bool_constant<(detail::kindsOf<T>() & detail::kText) != 0> {};
// Has a Codec. Types with SLUICE_FIELDS count, and say at their Codec which field has none.
template <class T> constexpr bool kEncodable = (detail::kindsOf<T>() & detail::kNoCode) == 0;
// Has a canonical encoding: no unordered containers, no long double.
template <class T> constexpr bool kKeyable = (detail::kindsOf<T>() & (detail::kNoCode | detail::kNoKey)) == 0;
// Can be copied out of the task's memory: false for a plain struct with a view field.
template <class T> constexpr bool kOwnable = !has_view<owned_t<T>>::value;

template <class T> constexpr bool kAllViews = has_view<T>::value && !holds_text<T>::value;
namespace detail {
// Elements of a map may be changed once they are records of their own.
template <class T> struct Plain { using type = T; };
template <class A, class B> struct Plain<std::pair<const A, B>> { using type = std::pair<A, B>; };
template <class R> using plain_t = typename Plain<std::remove_cvref_t<R>>::type;
}  // namespace detail

// What a record becomes after a function from In that returned R: views stay views iff all text in In is views.
template <class In, class R>
using record_t = std::conditional_t<kAllViews<In>, no_cstr_t<detail::plain_t<R>>, owned_t<detail::plain_t<R>>>;

// ---- Converting what a function returned to the record it becomes ----

template <class To, class From> constexpr To toRecord(From&& from);

namespace detail {

template <class To, class From, std::size_t... I> To tupleRecord(From&& from, std::index_sequence<I...>) {
  return To{toRecord<std::tuple_element_t<I, To>>(std::get<I>(std::forward<From>(from)))...};
}

template <class To, class From> To containerRecord(From&& from) {
  To to;
  if constexpr (requires { to.reserve(from.size()); }) to.reserve(from.size());
  for (auto& x : from) {
    if constexpr (MapLike<To>)
      to.emplace(toRecord<typename To::key_type>(x.first), toRecord<typename To::mapped_type>(x.second));
    else if constexpr (Associative<To>)
      to.emplace(toRecord<typename To::value_type>(x));
    else
      to.push_back(toRecord<typename To::value_type>(x));
  }
  return to;
}

template <class To, class From> To fieldsRecord(From&& from) {
  To to{};
  auto target = fieldsOf(to);
  auto source = fieldsOf(from);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((std::get<I>(target) = toRecord<std::remove_reference_t<decltype(std::get<I>(target))>>(std::get<I>(source))), ...);
  }(std::make_index_sequence<std::tuple_size_v<decltype(target)>>());
  return to;
}

template <class T> constexpr bool kTuple = false;
template <class A, class B> constexpr bool kTuple<std::pair<A, B>> = true;
template <class... P> constexpr bool kTuple<std::tuple<P...>> = true;
template <class T> constexpr bool kArray = false;
template <class T, std::size_t N> constexpr bool kArray<std::array<T, N>> = true;
template <class T> constexpr bool kOptional = false;
template <class T> constexpr bool kOptional<std::optional<T>> = true;
template <class T> constexpr bool kVariant = false;
template <class... P> constexpr bool kVariant<std::variant<P...>> = true;

}  // namespace detail

template <class To, class From> constexpr To toRecord(From&& from) {
  using Plain = std::remove_cvref_t<From>;
  if constexpr (std::is_same_v<To, Plain>) return std::forward<From>(from);
  else if constexpr (std::is_arithmetic_v<To> || std::is_same_v<To, std::string>) return To(std::forward<From>(from));
  else if constexpr ((detail::kTuple<To> && detail::kTuple<Plain>) || (detail::kArray<To> && detail::kArray<Plain>))
    return detail::tupleRecord<To>(std::forward<From>(from), std::make_index_sequence<std::tuple_size_v<To>>());
  else if constexpr (detail::kOptional<To> && detail::kOptional<Plain>)
    return from ? To(toRecord<typename To::value_type>(*std::forward<From>(from))) : To();
  else if constexpr (detail::kVariant<To> && detail::kVariant<Plain>)
    return std::visit(
        [](auto&& x) { return To(toRecord<typename detail::Deep<std::remove_cvref_t<decltype(x)>, detail::Owned>::type>(x)); },
        std::forward<From>(from));
  else if constexpr (detail::Container<To> && detail::Container<Plain>) return detail::containerRecord<To>(std::forward<From>(from));
  else if constexpr (kHasFields<To> && kHasFields<Plain>) return detail::fieldsRecord<To>(std::forward<From>(from));
  else return To(std::forward<From>(from));
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
