// The frozen hash of keys: xxh3-64, seed 0, of the key's canonical encoding. It places keys, so it never changes.
//
// Canonical bytes: of a lone string or view its characters; of anything else its row (see codec.h) with -0.0 as 0.0 and one NaN.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/codec.h"

namespace sluice {
inline namespace SLUICE_ABI {

static_assert(std::endian::native == std::endian::little, "sluice: rows and keys are little endian");

// xxh3 of any length; the inline function below is for the short ones.
SLUICE_EXPORT std::uint64_t hashLong(const char* bytes, std::size_t size) noexcept;

namespace detail {

inline std::uint64_t load64(const char* at) { std::uint64_t x; std::memcpy(&x, at, 8); return x; }
inline std::uint32_t load32(const char* at) { std::uint32_t x; std::memcpy(&x, at, 4); return x; }

// At most 16 bytes as two words and a length: the length and the words determine the bytes, so that they can be compared by words.
struct ShortKey {
  std::uint64_t a, b;
};

inline ShortKey shortKey(const char* at, std::size_t size) {
  if (size > 8) return {load64(at), load64(at + size - 8)};
  if (size >= 4) return {load32(at), load32(at + size - 4)};
  if (size == 0) return {0, 0};
  auto byte = [&](std::size_t i) { return std::uint64_t(static_cast<unsigned char>(at[i])); };
  return {byte(0) << 16 | byte(size >> 1) << 24 | byte(size - 1) | size << 8, 0};
}

inline std::uint64_t avalanche64(std::uint64_t h) {
  h = (h ^ (h >> 33)) * 0xC2B2AE3D27D4EB4Full;
  h = (h ^ (h >> 29)) * 0x165667B19E3779F9ull;
  return h ^ (h >> 32);
}

// xxh3 with the constants that its default secret gives for these lengths.
inline std::uint64_t hash4to8(std::uint32_t first, std::uint32_t last, std::size_t size) {
  std::uint64_t h = (last + (std::uint64_t(first) << 32)) ^ 0xc73ab174c5ecd5a2ull;
  h ^= std::rotl(h, 49) ^ std::rotl(h, 24);
  h *= 0x9FB21C651E98DF25ull;
  h ^= (h >> 35) + size;
  h *= 0x9FB21C651E98DF25ull;
  return h ^ (h >> 28);
}

__extension__ typedef unsigned __int128 uint128;
inline std::uint64_t hash9to16(std::uint64_t first, std::uint64_t last, std::size_t size) {
  std::uint64_t low = first ^ 0x6782737bea4239b9ull;
  std::uint64_t high = last ^ 0xaf56bc3b0996523aull;
  uint128 product = static_cast<uint128>(low) * high;
  std::uint64_t h = size + __builtin_bswap64(low) + high + (std::uint64_t(product) ^ std::uint64_t(product >> 64));
  h = (h ^ (h >> 37)) * 0x165667919E3779F9ull;
  return h ^ (h >> 32);
}

inline std::uint64_t hashShort(ShortKey key, std::size_t size) {
  if (size > 8) return hash9to16(key.a, key.b, size);
  if (size >= 4) return hash4to8(std::uint32_t(key.a), std::uint32_t(key.b), size);
  if (size == 0) return avalanche64(0x8726f9105dc21ddcull);
  return avalanche64(key.a ^ 0x87275a9bull);
}

}  // namespace detail

inline std::uint64_t hashBytes(const char* bytes, std::size_t size) noexcept {
  return size <= 16 ? detail::hashShort(detail::shortKey(bytes, size), size) : hashLong(bytes, size);
}

// The key's canonical bytes, handed to use(bytes, size); on the stack where they are few.
template <class K, class Use> decltype(auto) withKeyBytes(const K& key, Use&& use) {
  static_assert(kKeyable<K>, "sluice: this type cannot be a key; keys are numbers, enums, text, and pairs, tuples, vectors, ordered containers and "
                             "structs with SLUICE_FIELDS of them");
  if constexpr (std::is_same_v<K, std::string> || std::is_same_v<K, std::string_view>) {
    return use(static_cast<const char*>(key.data()), key.size());
  } else {
    std::size_t bound = Codec<K>::bound(key);
    char small[128];
    std::string large;
    char* at = small;
    if (bound > sizeof small) large.resize(bound), at = large.data();
    char* end = Codec<K>::template put<true>(key, at);
    return use(static_cast<const char*>(at), std::size_t(end - at));
  }
}

// The frozen hash of a key.
template <class K> std::uint64_t keyHash(const K& key) {
  return withKeyBytes(key, [](const char* bytes, std::size_t size) { return hashBytes(bytes, size); });
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
