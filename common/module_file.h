// What can be said of an application's library before it is loaded: read from the ELF file, so that a foreign, older or differently
// built module is refused in one line instead of crashing the process that opens it.
#pragma once
#include <string>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

// Whether this process can load the file as a module. Errors are one line each, with the path and what to do:
// kNotFound (no such file), kPermissionDenied, kInvalidArgument (no shared library, another machine, no application, another build).
SLUICE_INTERNAL absl::Status checkModuleFile(const std::string& path);

// Whether the file is a shared library at all. Files of a package that are none (data) are shipped and not loaded.
SLUICE_INTERNAL bool isLibraryFile(const std::string& path);

// Whether the file is an executable rather than a library (position-independent or not): it is then run again as its own executor.
SLUICE_INTERNAL bool isExecutableFile(const std::string& path);

}  // namespace sluice
