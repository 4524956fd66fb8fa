// A file's bytes, mapped. Pages are brought in ahead of the reader and let go behind it: what points into them stays good (they come
// back from the page cache), and a long file takes no memory of its own. If somebody cuts the file meanwhile, what is gone reads as
// zeros: check() tells that of a file which is still shorter, takeCutFile() of pages that were missed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "sluice/abi.h"
#include "worker/executor/map_guard.h"

namespace sluice::executor {

class SLUICE_INTERNAL MappedFile {
 public:
  // The file from the page of `from` on. Throws Error(kUnavailable) with path and reason.
  explicit MappedFile(const std::string& path, std::int64_t from = 0);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;

  std::int64_t size() const { return size_; }  // of the whole file
  // `offset` from `from` up to size().
  const char* at(std::int64_t offset) const { return map_ + (offset - base_); }
  const char* end() const { return map_ + mapped_; }
  std::int64_t offsetOf(const char* at) const { return base_ + (at - map_); }

  // The reader has come to `at`; it only goes forward.
  void bringIn(const char* at);
  // Throws Error(kUnavailable) if the file is shorter than it was. (Zeros in its last page are no fault that anybody hears of.)
  void check() const;
  // Nobody reads on. What points into the file is still good.
  void letGo();

 private:
  const std::string path_;
  char* map_ = nullptr;  // null: nothing to read
  std::size_t mapped_ = 0;
  std::int64_t base_ = 0;  // offset of map_ in the file
  std::int64_t size_ = 0;
  std::uint64_t device_ = 0, inode_ = 0;
  const char* ready_ = nullptr;  // pages before this were asked for
  const char* gone_ = nullptr;   // pages before this were let go
  std::optional<MapGuard> guard_;
};

}  // namespace sluice::executor
