// How many executors the application has. Methods of a Context.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

SLUICE_EXPORT bool requestTotalExecutors(ContextCore& context, int total);
SLUICE_EXPORT bool requestExecutors(ContextCore& context, int more);
SLUICE_EXPORT bool killExecutors(ContextCore& context, const std::vector<std::string>& ids);

// Self has core(). For clusters: in local mode each logs a warning and gives false. A new executor starts where a worker has a free slot;
// several lie on one worker only where sluice.executor.cores and sluice.executor.memory leave room for them. sluice.cores.max holds all the
// same. Until one of these is called there is no limit: each worker that comes gets an executor.
template <class Self> class ContextExecutors {
 public:
  // From now on the application is to have so many, and no more are started; those above that number stay. Whether the master could take
  // note; executors start later, or never if there is no room. Error(kInvalidArgument): the number is below 0.
  bool requestTotalExecutors(int total) const { return detail::requestTotalExecutors(context(), total); }
  // So many more than there are, or were asked for.
  bool requestExecutors(int more) const { return detail::requestExecutors(context(), more); }
  // Ends these (by the ids that listeners are told), with what they hold, and starts none in their place; what is lost and still needed is
  // computed again. Whether there was one of them.
  bool killExecutors(const std::vector<std::string>& ids) const { return detail::killExecutors(context(), ids); }
  bool killExecutor(std::string_view id) const { return killExecutors({std::string(id)}); }

 private:
  ContextCore& context() const { return *static_cast<const Self&>(*this).core(); }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
