// Checkpoints of a Context's datasets: which are asked for, and what stands for a dataset once it was written.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "client/plan_builder.h"
#include "client/plan_node.h"
#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Thread-safe.
class SLUICE_INTERNAL RddCheckpoints {
 public:
  // Throws Error(kInvalidArgument) for one that cannot be made.
  void setDirectory(ContextCore& context, std::string_view directory, CallSite site);
  std::string directory() const;

  void mark(const NodeRef& node, std::string_view schema, bool local, CallSite site);
  void forget(std::uint32_t node);
  // After an action of this request: writes the datasets below its outputs that are marked, the nearest ones (all, in order, if the thread's
  // property says so), and puts what reads the files into their places. Throws Error if that fails: the next action tries again.
  void follow(ContextCore& context, const PlanRequest& request, CallSite site);

 private:
  struct Mark {
    std::string schema, path;
    bool local = false, writing = false;
    CallSite site;
  };
  struct Due {
    NodeRef node;
    Mark mark;
  };
  std::vector<Due> due(const PlanRequest& request, bool ancestors);
  void write(ContextCore& context, const Due& due, const std::string& action);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::string directory_;
  std::map<std::uint32_t, Mark> marks_;  // by node
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
