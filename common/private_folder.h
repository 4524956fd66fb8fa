// The folder of this user's sockets and temporary files: /tmp/sluice-<uid>, closed to everybody else.
#pragma once
#include <string>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

// "<parent>/sluice-<uid>".
SLUICE_INTERNAL std::string privateFolderIn(const std::string& parent);

// Makes it with mode 0700, or closes one of ours that is open to others. An error if it is somebody else's or no folder.
SLUICE_INTERNAL absl::Status makePrivateFolder(const std::string& path);

}  // namespace sluice
