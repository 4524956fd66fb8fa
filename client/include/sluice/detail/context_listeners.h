// Who is told of what happens to an application. Methods of a Context.
#pragma once
#include <memory>

#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {

class SluiceListener;  // sluice/listener.h

namespace detail {

SLUICE_EXPORT void addListener(ContextCore& context, std::shared_ptr<SluiceListener> listener);
SLUICE_EXPORT void removeListener(ContextCore& context, const std::shared_ptr<SluiceListener>& listener);

// Self has core().
template <class Self> class ContextListeners {
 public:
  // #include <sluice/listener.h>. It is told of what happens from now on, until it is removed or the context is stopped; nothing is gathered
  // while there is no listener. Added twice it is told once. Error(kInvalidArgument): it is null.
  void addListener(std::shared_ptr<SluiceListener> listener) const { detail::addListener(context(), std::move(listener)); }
  // When it returned, the listener is not called any more.
  void removeListener(const std::shared_ptr<SluiceListener>& listener) const { detail::removeListener(context(), listener); }
  // In Spark's words.
  void addSparkListener(std::shared_ptr<SluiceListener> listener) const { addListener(std::move(listener)); }
  void removeSparkListener(const std::shared_ptr<SluiceListener>& listener) const { removeListener(listener); }

 private:
  ContextCore& context() const { return *static_cast<const Self&>(*this).core(); }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
