// What rows of a type look like, as text: "pair<string,int64>", "Reading{sensor:string,value:double}". It stands in files that outlive
// the application (object files) and says whether rows can be read as a type, so it names nothing of the compiler. Types with equal rows
// but other meanings (a pair and a tuple of two) have different schemas; a view and the string that it becomes have the same.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sluice/abi.h"
#include "sluice/typed.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// The structs that are being written: one that holds itself is named there, not written again.
struct SchemaPath {
  const char* name;
  const SchemaPath* outer;
  bool holds(std::string_view other) const { return other == name || (outer && outer->holds(other)); }
};

template <class T> constexpr const char* numberName() {
  constexpr bool isSigned = std::is_signed_v<T>;
  if constexpr (std::is_same_v<T, bool>) return "bool";
  else if constexpr (std::is_same_v<T, char>) return "char";
  else if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? "float" : "double";
  else if constexpr (sizeof(T) == 1) return isSigned ? "int8" : "uint8";
  else if constexpr (sizeof(T) == 2) return isSigned ? "int16" : "uint16";
  else if constexpr (sizeof(T) == 4) return isSigned ? "int32" : "uint32";
  else return isSigned ? "int64" : "uint64";
}

template <class T> void addSchema(std::string& out, const SchemaPath* path);

template <class... P> void addSchemas(const char* name, std::string& out, [[maybe_unused]] const SchemaPath* path) {
  out += name;
  [[maybe_unused]] const char* before = "<";
  ((out += before, addSchema<P>(out, path), before = ","), ...);
  out += sizeof...(P) == 0 ? "<>" : ">";
}

template <class T> struct SchemaOf {
  static constexpr bool kKnown = false;
};
template <class A, class B> struct SchemaOf<std::pair<A, B>> {
  static constexpr bool kKnown = true;
  static void add(std::string& out, const SchemaPath* path) { addSchemas<A, B>("pair", out, path); }
};
template <class... P> struct SchemaOf<std::tuple<P...>> {
  static constexpr bool kKnown = true;
  static void add(std::string& out, const SchemaPath* path) { addSchemas<P...>("tuple", out, path); }
};
template <class... P> struct SchemaOf<std::variant<P...>> {
  static constexpr bool kKnown = true;
  static void add(std::string& out, const SchemaPath* path) { addSchemas<P...>("variant", out, path); }
};
template <class T> struct SchemaOf<std::optional<T>> {
  static constexpr bool kKnown = true;
  static void add(std::string& out, const SchemaPath* path) { addSchemas<T>("optional", out, path); }
};
template <class T, std::size_t N> struct SchemaOf<std::array<T, N>> {
  static constexpr bool kKnown = true;
  static void add(std::string& out, const SchemaPath* path) { addSchema<T[N]>(out, path); }
};

template <class Tie> struct SchemaOfFields;
template <class... F> struct SchemaOfFields<std::tuple<F...>> {
  static void add([[maybe_unused]] std::string_view names, std::string& out, [[maybe_unused]] const SchemaPath* path) {
    [[maybe_unused]] const char* before = "{";
    ((out += before, addField<std::remove_reference_t<F>>(names, out, path), before = ","), ...);
    out += sizeof...(F) == 0 ? "{}" : "}";
  }

 private:
  template <class T> static void addField(std::string_view& names, std::string& out, const SchemaPath* path) {
    std::size_t comma = names.find(',');
    std::string_view name = names.substr(0, comma);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 1);
    out.append(name).append(":");
    addSchema<std::remove_const_t<T>>(out, path);
  }
};

template <class T> void addSchema(std::string& out, const SchemaPath* path) {
  if constexpr (std::is_array_v<T>) {
    addSchema<std::remove_const_t<std::remove_extent_t<T>>>(out, path);
    out += "[" + std::to_string(std::extent_v<T>) + "]";
  } else if constexpr (std::is_arithmetic_v<T>) {
    out += numberName<T>();
  } else if constexpr (std::is_enum_v<T>) {
    out += std::string("enum ") + numberName<std::underlying_type_t<T>>();
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
    out += "string";
  } else if constexpr (std::is_same_v<T, Unit> || std::is_same_v<T, std::monostate>) {
    out += "unit";
  } else if constexpr (std::is_same_v<T, Time> || std::is_same_v<T, Duration>) {
    out += std::is_same_v<T, Time> ? "time" : "duration";
  } else if constexpr (kHasFields<T>) {
    out += fieldTypeName<T>();
    if (path && path->holds(fieldTypeName<T>())) return;
    SchemaPath own{fieldTypeName<T>(), path};
    SchemaOfFields<TieOf<T>>::add(fieldNames<T>(), out, &own);
  } else if constexpr (SchemaOf<T>::kKnown) {
    SchemaOf<T>::add(out, path);
  } else if constexpr (MapLike<T>) {
    addSchemas<typename T::key_type, typename T::mapped_type>("map", out, path);
  } else if constexpr (Container<T>) {
    addSchemas<typename T::value_type>(Associative<T> ? "set" : "vector", out, path);
  } else {
    out += TypeName<T>::kText.chars.data();  // a codec of its own
  }
}

}  // namespace detail

template <class T> std::string schemaOf() {
  std::string schema;
  detail::addSchema<T>(schema, nullptr);
  return schema;
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
