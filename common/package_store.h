// Files of application packages by content: what was submitted is what runs, on every host, whatever is rebuilt meanwhile.
// Layout: objects/<hash> the files, objects/<hash>.part-<pid> one that is still arriving, packages/<package hash>/<name> the files of
// a package under their own names (so that RUNPATH $ORIGIN finds its neighbours). Names of finished files appear by rename only.
// One thread uses an object; several processes may share a directory.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/envelope.h"
#include "proto/plan.pb.h"
#include "sluice/abi.h"

namespace sluice {

// xxh3 of a whole file.
SLUICE_INTERNAL absl::Status hashFile(const std::string& path, std::uint64_t& hash, std::uint64_t& size);

// The package's hash: of names, contents and class, in order.
SLUICE_INTERNAL std::uint64_t packageHash(const proto::Package& package);

class SLUICE_INTERNAL PackageStore {
 public:
  // The directory is made when it is first written to.
  explicit PackageStore(std::string directory) : directory_(std::move(directory)) {}
  ~PackageStore();
  PackageStore(const PackageStore&) = delete;
  PackageStore& operator=(const PackageStore&) = delete;

  // Copies these files (the module first) into the store; fills images and hash of the package.
  absl::Status add(const std::vector<std::string>& paths, proto::Package& package);

  bool has(std::uint64_t hash, std::uint64_t size) const;
  // Bytes of an arriving file that are there: its size once it is whole and verified.
  std::uint64_t upTo(std::uint64_t hash, std::uint64_t size) const;
  // Adds a piece. A piece that does not begin where the last one ended is ignored (pieces may be repeated). The last one is followed
  // by the check of the hash; kDataLoss: it was wrong, and the file begins again at 0. Then upTo() tells.
  absl::Status write(std::uint64_t hash, std::uint64_t size, std::uint64_t offset, std::string_view bytes);
  // Up to `most` bytes from this offset, and the file's size. kNotFound: the store does not hold that file.
  absl::Status read(std::uint64_t hash, std::uint64_t offset, std::uint64_t most, Bytes& bytes, std::uint64_t& size) const;

  // Gives the package's files their names in a directory of their own; `module` is the path of images[0] there.
  absl::Status assemble(const proto::Package& package, std::string& module);
  // Where assemble puts this image of the package.
  std::string imagePath(const proto::Package& package, int image) const;

 private:
  struct Arriving {
    int fd = -1;
    std::uint64_t written = 0;
    std::string path;
  };
  std::string objectPath(std::uint64_t hash) const;
  absl::Status begin(std::uint64_t hash, Arriving& file);
  absl::Status copyIn(const std::string& path, proto::Image& image);

  std::string directory_;
  std::map<std::uint64_t, Arriving> arriving_;
};

}  // namespace sluice
