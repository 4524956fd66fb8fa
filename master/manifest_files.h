// Manifests on disk, for shells: the last file of each checkpoint. A directory holds `manifest-<ms>` files and the files they name.
// Any thread; one writer per directory.
#pragma once
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/journal.pb.h"
#include "sluice/abi.h"

namespace sluice::master {

// Writes manifest-<when> (temporary name, sync, rename, directory sync), then removes all but the newest `keep` manifests and every
// state file that none of these names. Fails without having removed anything if the manifest could not be made durable.
SLUICE_INTERNAL absl::Status writeManifest(const std::string& directory, proto::Manifest manifest, int keep);

struct ManifestRead {
  std::optional<proto::Manifest> manifest;  // the newest whole one; none: there is no checkpoint
  std::string warning;                      // a torn or damaged newer one was passed over
};
// Checks the manifest's checksum, and that each file it names exists with the stated size. Fails if there are manifests and none is whole.
SLUICE_INTERNAL absl::Status readManifest(const std::string& directory, ManifestRead& read);

}  // namespace sluice::master
