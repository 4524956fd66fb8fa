// Who is told of what happens to an application. Methods of a Context.
#pragma once
#include <utility>

#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {

namespace detail {

// Self has core(). A listener is a std::shared_ptr to a class derived from SluiceListener; what takes it is declared in sluice/listener.h, so that
// whoever has none does not read <memory>, a tenth of what a small application compiles.
template <class Self> class ContextListeners {
 public:
  // #include <sluice/listener.h>. It is told of what happens from now on, until it is removed or the context is stopped; nothing is gathered
  // while there is no listener. Added twice it is told once. Error(kInvalidArgument): it is null.
  template <class Listener> void addListener(Listener listener) const { listenTo(context(), std::move(listener)); }
  // When it returned, the listener is not called any more.
  template <class Listener> void removeListener(const Listener& listener) const { stopListening(context(), listener); }
  // In Spark's words.
  template <class Listener> void addSparkListener(Listener listener) const { addListener(std::move(listener)); }
  template <class Listener> void removeSparkListener(const Listener& listener) const { removeListener(listener); }

 private:
  ContextCore& context() const { return *static_cast<const Self&>(*this).core(); }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
