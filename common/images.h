// The images (libraries, or the executable itself) that hold an application's descriptors, and the two ways between a descriptor's
// address and its name (image, offset). A process may hold two loaded copies of a module: each has a table of its own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "sluice/operator.h"
#include "sluice/receiver_base.h"
#include "sluice/type_desc.h"

namespace sluice {

// Thread-safe once made. Image 0 is libsluice.
class SLUICE_INTERNAL ImageTable {
 public:
  // The executable of this process, and the libraries beside it that use libsluice: an application that is no module.
  static std::shared_ptr<ImageTable> ofExecutable();
  // Loads the module, and the files shipped with it, after a look at their notes. Never unloaded. Errors are one line each.
  static absl::Status load(const std::vector<std::string>& paths, std::shared_ptr<ImageTable>& table);
  // Loads a second copy of the module (same bytes, statics of its own), so that operators cannot read what the driver set.
  absl::Status secondCopy(std::shared_ptr<ImageTable>& table) const;

  // False: the address lies in none of the images.
  bool locate(const void* descriptor, proto::Code& code) const;
  // The descriptor (OpDesc, TypeDesc, ReceiverDesc) with this magic at that place, checked: aligned, inside a readable segment that
  // holds no code. Null: it is not there, and `status` says so in one line. That both sides' files are the same is left to the hash.
  const void* resolve(std::uint32_t image, std::uint64_t offset, std::uint64_t magic, absl::Status& status) const;

  struct Segment {
    std::uintptr_t from, to;
  };
  struct Image {
    std::string name, path;
    std::uintptr_t base = 0;
    std::vector<Segment> data;   // readable, not executable
    std::vector<Segment> whole;
  };
  const std::vector<Image>& images() const { return images_; }
  // Of the file's bytes, read once. 0 for libsluice: executors are of the driver's build.
  std::uint64_t hash(std::size_t image) const;
  // Whether the address lies in this image.
  bool holds(std::size_t image, const void* address) const;
  // The name of the loaded file that holds the address, for messages.
  static std::string fileOf(const void* address);

 private:
  ImageTable();

  std::vector<Image> images_;
  mutable std::mutex mutex_;
  mutable std::vector<std::uint64_t> hashes_;
  mutable std::vector<bool> hashed_;
  mutable absl::flat_hash_map<const void*, std::pair<std::uint32_t, std::uint64_t>> known_;
};

}  // namespace sluice
