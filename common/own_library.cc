#include "common/own_library.h"

#include <dlfcn.h>

namespace sluice {

absl::Status ownSymbol(const std::string& library, const char* symbol, void*& address) {
  std::string path = library + ".0";
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&ownSymbol), &here) != 0 && here.dli_fname) {
    std::string self = here.dli_fname;
    if (auto slash = self.rfind('/'); slash != std::string::npos) path = self.substr(0, slash + 1) + path;
  }
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  address = handle ? ::dlsym(handle, symbol) : nullptr;
  if (address) return absl::OkStatus();
  const char* why = ::dlerror();
  return absl::NotFoundError("cannot load " + path + ": " + (why ? why : "unknown reason") + "; is Sluice installed whole?");
}

}  // namespace sluice
