// The order of keys, as sorting and ranges see it.
#pragma once
#include <type_traits>

#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Less-than with NaN after all numbers.
template <class Key> bool keyLess(const Key& a, const Key& b) {
  if constexpr (std::is_floating_point_v<Key>) return a != a ? false : b != b ? true : a < b;
  else return a < b;
}
// A bound against a key that may be a view of such.
template <class Bound, class K> bool keyBelow(const Bound& bound, const K& key) {
  if constexpr (std::is_same_v<K, Bound>) return keyLess(bound, key);
  else if constexpr (requires { bound < key; }) return bound < key;
  else return keyLess(bound, toRecord<Bound>(key));
}

template <class F, class T> using key_t = owned_t<std::remove_cvref_t<std::invoke_result_t<F&, const T&>>>;

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
