// Files and archives that a Context ships to its executors: their contents are broadcast values, their names travel with the captures of each plan.
#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proto/plan.pb.h"

namespace sluice {

// Thread-safe.
class ShippedFiles {
 public:
  // `share` makes bytes known as a broadcast value and gives its id. Throws Error(kInvalidArgument). A path that was added is left as it is.
  void add(const std::string& path, const std::function<std::uint64_t(std::string_view)>& share);
  // Likewise an archive, "path" or "path#name", which is unpacked for this process; unpacked it may have so many bytes.
  void addArchive(const std::string& path, std::uint64_t mostBytes, const std::function<std::uint64_t(std::string_view)>& share);
  std::vector<std::string> paths(bool archives) const;
  // Path of the file in this process, of an archive its folder; throws Error(kInvalidArgument) naming those that there are.
  std::string get(std::string_view name) const;
  std::size_t count() const;
  void addTo(proto::Captures& captures) const;
  ~ShippedFiles();

 private:
  struct File {
    std::string name, path;
    std::uint64_t id = 0;
    std::string archive;          // its own name; empty: it is none
    std::uint64_t mostBytes = 0;  // unpacked
    std::string folder;           // where it is here
  };
  // Whether another one of that name is there. Throws if that is not the same.
  bool known(const char* method, const std::string& full, const std::string& name) const;
  std::mutex unpacking_;  // taken before mutex_
  std::string folder_;    // guarded by it: of what is unpacked here; goes with the process's context
  mutable std::mutex mutex_;
  std::vector<File> files_;
};

}  // namespace sluice
