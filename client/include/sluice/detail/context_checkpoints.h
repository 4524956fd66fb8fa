// Where datasets are checkpointed, and how they are read again. Methods of a Context.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "sluice/detail/checkpoints.h"
#include "sluice/rdd.h"
#include "sluice/schema.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Self has core().
template <class Self> class ContextCheckpoints {
 public:
  // Where RDD::checkpoint writes: into a new directory below this one, which the driver and all executors must be able to reach by this path.
  // What was written stays when the context ends. Error(kInvalidArgument): it has no name, or cannot be made.
  void setCheckpointDir(std::string_view directory, CallSite at = CallSite::here()) const { detail::setCheckpointDir(context(), directory, at); }
  // That new directory.
  std::optional<std::string> getCheckpointDir() const {
    std::string directory = checkpointDirOf(context());
    if (directory.empty()) return std::nullopt;
    return directory;
  }
  // What a checkpoint wrote (RDD::getCheckpointFile): a partition of each file, laid out by key as
  // it was if that was by the hash. Error(kInvalidArgument): the directory holds no whole checkpoint.
  // A job over it fails with one line if it was written for another type, or a file is torn. T may be a type of views.
  template <class T> RDD<T> checkpointFile(std::string_view directory, CallSite at = CallSite::here()) const {
    if constexpr (!stores<T>()) return RDD<T>();
    else {
      std::string schema = schemaOf<T>();
      return RDD<T>(addCheckpointFile(context(), directory, schema, NodeFacts{"checkpointFile", at, typeDesc<T>()}));
    }
  }

 private:
  ContextCore& context() const { return *static_cast<const Self&>(*this).core(); }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
