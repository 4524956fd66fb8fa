// Backends inside the driver's process: local[N], and for tests several executors, manual clocks or virtual time.
#pragma once
#include <memory>

#include "absl/status/status.h"
#include "client/backend.h"
#include "client/local/direct_cluster.h"

namespace sluice::local {

struct LocalOptions {
  int executors = 1;
  int slots = 1;        // of each executor
  TimeSource* time = nullptr;  // null: the system's clock. Else it must outlive the backend
  std::uint64_t memoryBytes = 0;  // of each executor; 0: sluice.executor.memory, else half of what the machine has
};

// `driver` resolves what the driver names, `executors` is where operators run: the same table, or that of a second copy of the module.
SLUICE_INTERNAL absl::Status openLocal(const Settings& settings, const LocalOptions& options, std::shared_ptr<ImageTable> driver,
                                       std::shared_ptr<ImageTable> executors, std::unique_ptr<Backend>& backend);

// From now on a crash in a function of the application leaves its one line on stderr. For processes that are ours (sluice-submit).
SLUICE_INTERNAL void tellCrashes();

// The cluster behind a backend made by openLocal: tests kill its executors and settle it.
SLUICE_INTERNAL DirectCluster& clusterOf(Backend& backend);

// Resolves through a table of images; what both in-process clusters give their executors.
class SLUICE_INTERNAL TableResolver final : public executor::CodeResolver {
 public:
  explicit TableResolver(std::shared_ptr<ImageTable> table) : table_(std::move(table)) {}
  const void* resolve(std::uint32_t image, std::uint64_t offset, std::uint64_t magic) override;

 private:
  std::shared_ptr<ImageTable> table_;
};

// A folder for spilled data of this process, under sluice.local.dir or $TMPDIR/sluice-<uid>; those of processes that are gone are removed.
class SLUICE_INTERNAL SpillFolder {
 public:
  explicit SpillFolder(const Settings& settings);
  ~SpillFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sluice::local
