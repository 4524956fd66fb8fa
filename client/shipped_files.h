// Files that a Context ships to its executors: their contents are broadcast values, their names travel with the captures of each plan.
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
  std::vector<std::string> paths() const;
  // Path of the file in this process; throws Error(kInvalidArgument) naming those that there are.
  std::string get(std::string_view name) const;
  std::size_t count() const;
  void addTo(proto::Captures& captures) const;

 private:
  struct File {
    std::string name, path;
    std::uint64_t id = 0;
  };
  mutable std::mutex mutex_;
  std::vector<File> files_;
};

}  // namespace sluice
