// What makes two binaries fit together: export marks, the ABI namespace and the note that every module carries.
#pragma once
#include <cstdint>

#define SLUICE_EXPORT [[gnu::visibility("default")]]    // public face: stable within abi_1
#define SLUICE_INTERNAL [[gnu::visibility("default")]]  // for our own libraries of the same build only
#define SLUICE_HIDDEN [[gnu::visibility("hidden")]]
#define SLUICE_ABI abi_1
#define SLUICE_ABI_NUMBER 1

namespace sluice {
inline namespace SLUICE_ABI {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr std::uint32_t kSanitizer = 1;
#elif defined(__SANITIZE_THREAD__)
inline constexpr std::uint32_t kSanitizer = 2;
#else
inline constexpr std::uint32_t kSanitizer = 0;
#endif

// Lies in the section .note.sluice of each module; read from the file before the module is loaded.
struct AbiNote {
  std::uint32_t nameSize = 8, bodySize = 24, type = 1;
  char name[8] = "Sluice\0";
  std::uint32_t abi = SLUICE_ABI_NUMBER;
  std::uint32_t cxx11Strings =
#if defined(_GLIBCXX_USE_CXX11_ABI)
      _GLIBCXX_USE_CXX11_ABI;
#else
      0;
#endif
  std::uint32_t debugContainers =
#if defined(_GLIBCXX_DEBUG)
      1;
#else
      0;
#endif
  std::uint32_t sanitizer = kSanitizer;
  std::uint32_t pointerBits = sizeof(void*) * 8;
  std::uint32_t reserved = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
