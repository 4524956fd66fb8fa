// Where programs find their settings before flags: environment, then a file.
#pragma once
#include <string>

#include "absl/status/status.h"
#include "common/conf.h"
#include "sluice/abi.h"

namespace sluice {

// Reads the environment, and this properties file or else sluice-defaults.conf from $SLUICE_CONF_DIR or from conf/ beside the program's
// bin/ (which need not be there). One line for what is wrong.
SLUICE_INTERNAL absl::Status readSettings(const std::string& propertiesFile, Settings& settings);

// sluice.work.dir, else $XDG_STATE_HOME/sluice (~/.local/state/sluice), as root /var/lib/sluice.
SLUICE_INTERNAL std::string workDirectory(const Settings& settings);
// $XDG_CACHE_HOME/sluice (~/.cache/sluice).
SLUICE_INTERNAL std::string cacheDirectory();

}  // namespace sluice
