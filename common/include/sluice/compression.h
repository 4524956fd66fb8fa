// How text files are compressed. Files are read by what their names end in; writing names the form.
#pragma once
#include <cstdint>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

enum class Compression : std::uint8_t {
  kNone,
  kGzip,  // .gz, also of several members
  kZstd,  // .zst
  kLz4,   // .lz4 (frames)
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
