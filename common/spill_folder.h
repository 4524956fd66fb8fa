// A folder of this process for what does not fit into memory: <local.dir or $TMPDIR/sluice-<uid>>/<pid>-<n>. Goes with its owner; those
// that a crash left are removed by the next process that makes one.
#pragma once
#include <string>

#include "sluice/abi.h"

namespace sluice {

class SLUICE_INTERNAL SpillFolder {
 public:
  // `directory`: setting sluice.local.dir, may be empty. Nothing is made yet.
  explicit SpillFolder(const std::string& directory);
  ~SpillFolder();
  SpillFolder(const SpillFolder&) = delete;
  SpillFolder& operator=(const SpillFolder&) = delete;
  const std::string& path() const { return path_; }
  void remove() const;

 private:
  std::string path_;
};

}  // namespace sluice
