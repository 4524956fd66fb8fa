#include "common/own_library.h"

#include <dlfcn.h>

namespace sluice {

std::string ownLibraryDirectory() {
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&ownSymbol), &here) == 0 || !here.dli_fname) return "";
  std::string self = here.dli_fname;
  auto slash = self.rfind('/');
  return slash == std::string::npos ? "" : self.substr(0, slash);
}

absl::Status ownSymbol(const std::string& library, const char* symbol, void*& address) {
  std::string directory = ownLibraryDirectory();
  std::string path = (directory.empty() ? "" : directory + "/") + library + ".0";
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  address = handle ? ::dlsym(handle, symbol) : nullptr;
  if (address) return absl::OkStatus();
  const char* why = ::dlerror();
  return absl::NotFoundError("cannot load " + path + ": " + (why ? why : "unknown reason") + "; is Sluice installed whole?");
}

}  // namespace sluice
