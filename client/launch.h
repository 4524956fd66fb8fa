// What sluice-submit, an executor or a test's main says about this process before the application's function runs.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/backend.h"
#include "common/conf.h"
#include "common/images.h"
#include "sluice/application.h"

namespace sluice {

// Set once, before the first Context; read afterwards.
struct Launch {
  Settings settings;                    // environment, files and flags; the program's own settings go over them
  std::shared_ptr<ImageTable> images;   // the loaded module; null: the executable itself is the application
  std::vector<std::string> files;       // paths of the package's files, the module first; empty: the executable
  std::string className;
  std::vector<std::string> args;
  std::uint64_t driver = 0;             // number of this driver on its worker; 0: client mode
  bool supervise = false;
  bool rerunsAsExecutor = false;        // runIfExecutor was called: the executable can be its own executor
  // Opens the cluster in place of openBackend(); empty: openBackend().
  std::function<absl::Status(const Settings&, std::unique_ptr<Backend>&)> openBackend;
};
SLUICE_INTERNAL Launch& launch();

// Applications of the loaded images, in order of registration.
SLUICE_INTERNAL std::vector<const ApplicationEntry*> applicationsOf(const ImageTable& images);
// kNotFound names those that there are; kAlreadyExists: two files of the package define it.
SLUICE_INTERNAL absl::Status findApplication(const ImageTable& images, const std::string& name, const ApplicationEntry*& found);
// Runs the application's function on this thread; 0, or after one line on stderr that says what it threw 3 if the cluster could not be
// reached, else 1.
SLUICE_INTERNAL int runApplication(const ApplicationEntry& entry, const std::vector<std::string>& args);

}  // namespace sluice
