// Finds views of a function's own local variables: the mistake that fast allocators and short strings hide best. Asked once for the first
// chunk that an operator makes in a task.
#pragma once
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "sluice/abi.h"
#include "sluice/error.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Whether the address lies on the stack of the calling thread.
SLUICE_EXPORT bool onThisStack(const void* address) noexcept;

namespace detail {

template <class T> bool viewsStack(const T& record) {
  if constexpr (!has_view<T>::value) return false;
  else if constexpr (std::is_same_v<T, std::string_view>) return !record.empty() && onThisStack(record.data());
  else if constexpr (kTuple<T>) return std::apply([](const auto&... part) { return (false || ... || viewsStack(part)); }, record);
  else if constexpr (MemberFields<T>) return std::apply([](const auto&... field) { return (false || ... || viewsStack(field)); }, fieldsOf(record));
  else if constexpr (kOptional<T>) return record && viewsStack(*record);
  else if constexpr (Container<T> || kArray<T>) {
    for (const auto& element : record)
      if (viewsStack(element)) return true;
    return false;
  } else return false;
}

}  // namespace detail

template <class T> void checkViews(const T* records, std::size_t n) {
  if constexpr (has_view<T>::value)
    for (std::size_t i = 0; i < n; ++i)
      if (detail::viewsStack(records[i])) [[unlikely]]
        throwError(ErrorKind::kUserCode,
                   "the function returned a std::string_view of a variable of its own, which is gone when it returns; return a std::string, or "
                   "sluice::split(std::move(text), …) of a local text");
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
