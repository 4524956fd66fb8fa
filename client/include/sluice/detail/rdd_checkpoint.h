// Datasets whose lineage is cut once they were computed.
#pragma once
#include <optional>
#include <string>

#include "sluice/detail/checkpoints.h"
#include "sluice/detail/rdd_pipe.h"
#include "sluice/schema.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

template <class T> class RddCheckpoint : public RddPipe<T> {
  using Base = RddPipe<T>;

 public:
  // Has the first action that follows write the dataset into the directory of Context::setCheckpointDir, by a second job: what is persisted is
  // not computed twice. From then on its lineage is cut: it is read from the files, however long the program goes on. Error(kIllegalState): no
  // directory is set, or the RDD has no data yet (inside transform). Nothing changes for one that is marked or checkpointed already.
  void checkpoint(CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      if constexpr (stores<T>()) {
        std::string schema = schemaOf<owned_t<T>>();
        markForCheckpoint(node_, schema, at);
      }
    }
  }
  // The same without files: the executors keep it (MEMORY_AND_DISK, unless it was persisted otherwise; it may move to disk in any case).
  // Faster, and lost with an executor: a job that reads a part which is gone then fails. Do not unpersist it.
  RDD<T> localCheckpoint(CallSite at = CallSite::here()) const {
    markForLocalCheckpoint(node_, at);
    return RDD<T>(node_);
  }
  // Whether that has happened, either way.
  bool isCheckpointed() const { return detail::isCheckpointed(node_); }
  // The directory that it was written into; none before, and none of a local checkpoint.
  std::optional<std::string> getCheckpointFile() const {
    std::string directory = checkpointFileOf(node_);
    if (directory.empty()) return std::nullopt;
    return directory;
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::node_;
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
