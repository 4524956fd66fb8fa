// typeDesc<T>(): what the engine must know of a record type, a constant in the image that asks.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "sluice/abi.h"
#include "sluice/codec.h"
#include "sluice/hash.h"
#include "sluice/print.h"
#include "sluice/type_desc.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

template <class T> constexpr std::string_view prettyName() {
  std::string_view all = __PRETTY_FUNCTION__;  // … [with T = X; …] or … [T = X]
  std::size_t from = all.find("T = ") + 4;
  std::size_t to = all.find(';', from);
  return all.substr(from, (to == std::string_view::npos ? all.rfind(']') : to) - from);
}

// The compiler's name of T in the words of a person, zero at the end.
template <class T> struct SLUICE_HIDDEN TypeName {
  static constexpr std::string_view kPretty = prettyName<T>();
  struct Text {
    std::array<char, kPretty.size() + 1> chars{};
    std::size_t size = 0;
  };
  static constexpr Text make() {
    constexpr std::string_view words[][2] = {{"std::__cxx11::basic_string<char>", "string"},
                                             {"std::basic_string<char>", "string"},
                                             {"std::basic_string_view<char>", "string_view"},
                                             {"sluice::abi_1::", "sluice::"},
                                             {"std::", ""},
                                             {"long int", "long"},
                                             {"short int", "short"},
                                             {"long unsigned int", "unsigned long"},
                                             {"short unsigned int", "unsigned short"},
                                             {"(anonymous namespace)::", ""},
                                             {"{anonymous}::", ""},
                                             {" >", ">"},
                                             {", ", ","}};
    Text text;
    for (std::size_t i = 0; i < kPretty.size();) {
      bool replaced = false;
      char before = i == 0 ? ' ' : kPretty[i - 1];
      bool inWord = (before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z') || (before >= '0' && before <= '9') || before == '_';
      for (const auto& word : words) {
        if (kPretty[i] != word[0][0] || (inWord && kPretty[i] >= 'a') || !kPretty.substr(i).starts_with(word[0])) continue;
        for (char c : word[1]) text.chars[text.size++] = c;
        i += word[0].size();
        replaced = true;
        break;
      }
      if (!replaced) text.chars[text.size++] = kPretty[i++];
    }
    return text;
  }
  static constexpr Text kText = make();
};

template <class T> struct KeyOf {
  using type = T;
  static const T& of(const T& record) { return record; }
};
template <class K, class V> struct KeyOf<std::pair<K, V>> {
  using type = K;
  static const K& of(const std::pair<K, V>& record) { return record.first; }
};

template <class T> struct SLUICE_HIDDEN TypeFunctions {
  static void destroy(void* records, std::size_t n) {
    if constexpr (!std::is_trivially_destructible_v<T>) for (T* x = static_cast<T*>(records); n > 0; ++x, --n) x->~T();
  }
  static void copy(void* to, const void* from, std::size_t n) {
    const T* x = static_cast<const T*>(from);
    std::size_t made = 0;
    try {
      for (; made < n; ++made) new (static_cast<T*>(to) + made) T(x[made]);
    } catch (...) {
      destroy(to, made);
      throw;
    }
  }
  static void encode(const void* records, std::size_t n, Buffer& out) {
    for (const T* x = static_cast<const T*>(records); n > 0; ++x, --n) encodeValue(*x, out);
  }
  static const char* decode(const char* at, const char* end, void* to, std::size_t n) {
    RowReader in{at, end};
    T* first = static_cast<T*>(to);
    std::size_t made = 0;
    try {
      for (; made < n; ++made) new (first + made) T(Codec<T>::get(in));
    } catch (...) {
      destroy(to, made);
      throw;
    }
    return in.at;
  }
  static void keyHash(const void* records, std::size_t n, std::uint64_t* out) {
    const T* x = static_cast<const T*>(records);
    for (std::size_t i = 0; i < n; ++i) out[i] = sluice::keyHash(KeyOf<T>::of(x[i]));
  }
  static void scatter(const void* records, std::size_t n, const std::uint32_t* to, Buffer* outs, std::uint64_t* counts) {
    const T* x = static_cast<const T*>(records);
    for (std::size_t i = 0; i < n; ++i) {
      encodeValue(x[i], outs[to[i]]);
      ++counts[to[i]];
    }
  }
  static void print(const void* record, Buffer& out) { sluice::print(*static_cast<const T*>(record), out); }
};

template <class T> constexpr TypeDesc makeTypeDesc() {
  using Do = TypeFunctions<T>;
  TypeDesc desc{};
  desc.magic = TypeDesc::kMagic;
  desc.name = TypeName<T>::kText.chars.data();
  desc.size = sizeof(T), desc.align = alignof(T);
  desc.flags = has_view<T>::value ? std::uint32_t(TypeDesc::kViews) : 0;
  desc.destroy = &Do::destroy;
  if constexpr (std::is_copy_constructible_v<T>) desc.copy = &Do::copy;
  if constexpr (kEncodable<T>) {
    desc.encode = &Do::encode;
    desc.decode = &Do::decode;
    desc.scatter = &Do::scatter;
    desc.print = &Do::print;
    if constexpr (kKeyable<typename KeyOf<T>::type>) {
      desc.flags |= TypeDesc::kKeyed;
      desc.keyHash = &Do::keyHash;
    }
  }
  return desc;
}

template <class T> struct SLUICE_HIDDEN Typed { static constinit const TypeDesc desc; };
template <class T> constinit const TypeDesc Typed<T>::desc = makeTypeDesc<T>();

}  // namespace detail

// encode, decode, scatter and print are null where T has no codec, copy where it cannot be copied, keyHash where its key has no
// canonical encoding. decode makes exactly n records.
template <class T> const TypeDesc* typeDesc() {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>);
  return &detail::Typed<T>::desc;
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
