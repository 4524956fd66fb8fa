// Archives that applications ship: .zip, .jar, .tar, and .tar packed by gzip, bzip2, xz or zstd. libsluice_archive reads them, and is
// loaded with the first one.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

// Whether the name ends as that of an archive does.
SLUICE_INTERNAL bool isArchiveName(std::string_view name);

// Unpacks it into `directory`, which is made, whole or not at all: it appears when everything is in it. Nothing is written outside: an
// archive with absolute names, with "..", with links that lead out or nowhere, with devices, with folders in one another more than 256 deep,
// or with more than `mostBytes` (or a million entries and folders) is refused, in one line that begins with its name.
SLUICE_INTERNAL absl::Status unpackArchive(std::string_view bytes, const std::string& name, const std::string& directory, std::uint64_t mostBytes);

}  // namespace sluice
