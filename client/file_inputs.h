// Files as the inputs of a job: which ones the paths name, and how they are cut into partitions.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "proto/plan.pb.h"
#include "sluice/abi.h"
#include "sluice/detail/files.h"

namespace sluice {

// Describes the form in a source. Throws Error(kInvalidArgument) for one that makes no sense.
SLUICE_INTERNAL void setForm(const char* method, const detail::FileForm& form, proto::Source& source);

// The files that `paths` names (a file, a directory, a glob, or several with commas between; directories are not entered below their own
// files, names that begin with '.' or '_' are left out), in at least `atLeast` partitions if they are large enough. Ranges of a file are
// of at most 32 MiB; what cannot be read from the middle is not cut; small files of one record each share a partition. Throws
// Error(kInvalidArgument) in the name of `method` about the path that is not there, cannot be read or is not what the form asks for.
SLUICE_INTERNAL std::vector<proto::Input> cutFiles(const char* method, std::string_view paths, const detail::FileForm& form, std::size_t atLeast);

}  // namespace sluice
