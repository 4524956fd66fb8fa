// Which files of a directory belong to a batch: Spark's rules for file streams.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sluice/time.h"
#include "sluice/abi.h"

namespace sluice::executor {

struct FileFacts {
  std::string path;
  std::int64_t modifiedMs = 0;
  std::uint64_t bytes = 0;
};

struct FilePlannerOptions {
  std::int64_t startMs = 0;  // of the stream: where only new files count, they are newer than this
  bool newFilesOnly = true;
  std::int64_t intervalMs = 1000;
  Duration minRemember = Seconds(60);
};

// Pure. A file is selected for the batch at t if it was modified after max(start, t - remember window) and not after t, and was not
// selected within the window. The window is as many whole intervals as minRemember needs.
class SLUICE_INTERNAL FilePlanner {
 public:
  FilePlanner(FilePlannerOptions options, const std::vector<std::string>& seen);
  // In the order of the listing.
  std::vector<FileFacts> select(const std::vector<FileFacts>& listing, std::int64_t batchMs);

 private:
  const FilePlannerOptions options_;
  const std::int64_t rememberMs_;
  std::set<std::string> recent_;
  std::map<std::int64_t, std::vector<std::string>> selected_;  // by batch: to forget them in time
};

struct Listing {
  std::vector<FileFacts> files;  // sorted by path
  std::string warning;           // one line: the directory is missing, or cannot be read
};
// Files directly inside the directories that the name (which may be a glob) stands for; names that begin with '.' are left out.
SLUICE_INTERNAL Listing listFiles(const std::string& directory);

}  // namespace sluice::executor
