// Functions of ours around functions of the application, and the small ones that methods are made of.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "sluice/ops/flat_map.h"
#include "sluice/ops/map.h"
#include "sluice/ops/range_slot.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// (k, v) -> (k, f(v))
template <class F> struct OnValue {
  using SluiceInner = F;
  F f;
  template <class K, class V> auto operator()(std::pair<K, V>&& record) {
    using R = result_t<F, V>;
    return std::pair<K, R>(std::move(record.first), call(f, record.second));
  }
};

// The pairs of one key with each element of a range.
template <class K, class R> class PairedRange {
 public:
  template <class Make> PairedRange(K key, Make&& make) : key_(std::move(key)), range_(make()) {}
  // Has no other home than the slot it is built in.
  PairedRange(const PairedRange&) = delete;

  class Iterator {
   public:
    using Inner = decltype(std::begin(std::declval<R&>()));
    Iterator(const K* key, Inner at) : key_(key), at_(at) {}
    auto operator*() const { return std::pair<K, std::remove_cvref_t<decltype(*at_)>>(*key_, *at_); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    template <class End> bool operator!=(const End& end) const { return at_ != end.at; }

   private:
    const K* key_;
    mutable Inner at_;
  };
  struct End {
    decltype(std::end(std::declval<R&>())) at;
  };
  Iterator begin() { return Iterator(&key_, std::begin(range_)); }
  End end() { return {std::end(range_)}; }

 private:
  K key_;
  R range_;
};

// (k, v) -> (k, x) for each x of f(v)
template <class F> struct OnEachValue {
  using SluiceInner = F;
  F f;
  template <class K, class V> auto operator()(std::pair<K, V>&& record) {
    using R = result_t<F, V>;
    if constexpr (detail::OptionalLike<R>) {
      using X = std::remove_cvref_t<decltype(*std::declval<R&>())>;
      auto x = call(f, record.second);
      return x ? std::optional<std::pair<K, X>>(std::in_place, std::move(record.first), *std::move(x)) : std::optional<std::pair<K, X>>();
    } else {
      return PairedRange<K, R>(std::move(record.first), [&]() -> decltype(auto) { return call(f, record.second); });
    }
  }
};

// x -> (f(x), x)
template <class F> struct WithKey {
  using SluiceInner = F;
  F f;
  template <class T> auto operator()(T&& record) {
    auto key = toKey(f(std::as_const(record)));
    return std::pair<decltype(key), std::remove_cvref_t<T>>(std::move(key), std::forward<T>(record));
  }

 private:
  template <class K> static K toKey(K key) { return key; }
};

struct TakeKey {
  template <class K, class V> K operator()(std::pair<K, V>&& record) const { return std::move(record.first); }
};
struct TakeValue {
  template <class K, class V> V operator()(std::pair<K, V>&& record) const { return std::move(record.second); }
};
struct SwapPair {
  template <class K, class V> std::pair<V, K> operator()(std::pair<K, V>&& record) const {
    return {std::move(record.second), std::move(record.first)};
  }
};
struct AddUnit {
  template <class T> std::pair<T, Unit> operator()(T&& record) const { return {std::move(record), Unit()}; }
};
struct AddOne {
  template <class T> std::pair<T, std::int64_t> operator()(T&& record) const { return {std::move(record), 1}; }
};
struct TakeRecord {
  template <class T> T operator()(std::pair<std::uint32_t, T>&& record) const { return std::move(record.second); }
};

// create of a combiner whose values become C as they are.
template <class C> struct AsValue {
  template <class V> C operator()(V&& value) const { return toRecord<C>(std::forward<V>(value)); }
};
// merge that keeps what came first (distinct).
struct KeepFirst {
  template <class C, class V> C operator()(C&& first, const V&) const { return std::move(first); }
};
struct AddUp {
  template <class C, class V> C operator()(C sum, V x) const { return sum + x; }
};
struct KeepAll {
  template <class... T> bool operator()(const T&...) const { return true; }
};

template <class In, class Out, class F> struct SLUICE_HIDDEN MapValues : Map<In, Out, OnValue<F>> {
  static OpRef of(F f) { return Map<In, Out, OnValue<F>>::of({std::move(f)}); }
};
template <class In, class Out, class F> struct SLUICE_HIDDEN FlatMapValues : FlatMap<In, Out, OnEachValue<F>> {
  static OpRef of(F f) { return FlatMap<In, Out, OnEachValue<F>>::of({std::move(f)}); }
};
template <class In, class Out, class F> struct SLUICE_HIDDEN KeyBy : Map<In, Out, WithKey<F>> {
  static OpRef of(F f) { return Map<In, Out, WithKey<F>>::of({std::move(f)}); }
};
// Without a function of the application.
template <class In, class Out, class F> struct SLUICE_HIDDEN FixedMap : Map<In, Out, F> {
  static OpRef of() { return Map<In, Out, F>::of({}); }
};
template <class In> struct SLUICE_HIDDEN Keys : FixedMap<In, typename In::first_type, TakeKey> {};
template <class In> struct SLUICE_HIDDEN Values : FixedMap<In, typename In::second_type, TakeValue> {};
template <class In> struct SLUICE_HIDDEN Swap : FixedMap<In, std::pair<typename In::second_type, typename In::first_type>, SwapPair> {};
template <class In> struct SLUICE_HIDDEN PairWithUnit : FixedMap<In, std::pair<In, Unit>, AddUnit> {};
template <class In> struct SLUICE_HIDDEN CountOnes : FixedMap<In, std::pair<In, std::int64_t>, AddOne> {};
// pair<uint32_t, T> of a direct exchange -> T
template <class T> struct SLUICE_HIDDEN DropIndex : FixedMap<std::pair<std::uint32_t, T>, T, TakeRecord> {};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
