// Whether two addresses lie in one loaded library or executable.
#include <dlfcn.h>

#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {

bool sameImage(const void* a, const void* b) noexcept {
  Dl_info first, second;
  return dladdr(a, &first) != 0 && dladdr(b, &second) != 0 && first.dli_fbase == second.dli_fbase;
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
