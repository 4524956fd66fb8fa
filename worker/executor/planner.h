// Which files of a directory belong to a batch: Spark's rules for file streams.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "proto/plan.pb.h"
#include "sluice/abi.h"

namespace sluice::executor {

struct FileFacts {
  std::string path;
  std::int64_t modifiedMs = 0;
  std::uint64_t bytes = 0;
};

struct FilePlannerOptions {
  std::int64_t begunMs = 0;  // when the stream began: where only new files count, they are newer than this
  bool newFilesOnly = true;
  std::int64_t intervalMs = 1000;
  std::int64_t rememberMs = 60'000;
  std::int64_t listedMs = 0;  // an earlier incarnation listed the directory for batches up to this; 0: none did
};

// A file that was selected before, for a batch.
struct SeenFile {
  std::string path;
  std::int64_t whenMs = 0;
};

// Pure. A file is selected for the batch at t if it was modified after max(begun, t - remember window) and not after t, and was neither
// selected nor, once selected, changed within the window before. The window is as many whole intervals as rememberMs needs; it is longer where batches were missed (a listing
// took too long, the stream was down): it begins then where it would have begun for the first of them.
class SLUICE_INTERNAL FilePlanner {
 public:
  FilePlanner(FilePlannerOptions options, const std::vector<SeenFile>& seen);
  // In the order of the listing.
  std::vector<FileFacts> select(const std::vector<FileFacts>& listing, std::int64_t batchMs);

 private:
  const FilePlannerOptions options_;
  const std::int64_t windowMs_;
  std::int64_t listedMs_;
  absl::flat_hash_map<std::string, std::int64_t> recent_;  // until when each was selected or changed
  std::multimap<std::int64_t, std::string> selected_;      // by that time, or an earlier one: to forget them in time
};

struct Listing {
  std::vector<FileFacts> files;  // sorted by path
  std::string warning;           // one line: the directory is missing, or cannot be read
  bool failed = false;           // nothing is known of its files
};
// Files directly inside the directories that the name (which may be a glob) stands for. Names that begin with '.' or '_' are left out
// unless `hidden`.
SLUICE_INTERNAL Listing listFiles(const std::string& directory, bool hidden = false);

// How the file is read: in one input, or in several that tasks share.
SLUICE_INTERNAL std::vector<proto::Input> inputsOf(const FileFacts& file, const proto::Source& source);

}  // namespace sluice::executor
