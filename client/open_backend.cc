// Which backend a master's name asks for.
#include <dlfcn.h>

#include "client/backend.h"
#include "client/launch.h"
#include "client/local/local.h"
#include "common/master_url.h"
#include "sluice/error.h"

namespace sluice {
namespace {

absl::Status openInside(const Settings& settings, const MasterUrl& url, std::unique_ptr<Backend>& backend) {
  bool module = launch().images != nullptr;
  if (module) local::tellCrashes();
  std::shared_ptr<ImageTable> driver = module ? launch().images : ImageTable::ofExecutable();
  std::shared_ptr<ImageTable> executors = driver;
  if (module && settings.find(conf::kLocalIsolate).value_or(true)) {
    if (auto status = driver->secondCopy(executors); !status.ok()) return status;
  }
  local::LocalOptions options;
  options.slots = url.slots;
  return local::openLocal(settings, options, std::move(driver), std::move(executors), backend);
}

// The part that speaks gRPC lies beside libsluice and is loaded only when a real cluster is named.
absl::Status openCluster(const Settings& settings, const MasterUrl& url, std::unique_ptr<Backend>& backend) {
  Dl_info here{};
  std::string folder;
  if (::dladdr(reinterpret_cast<const void*>(&throwError), &here) && here.dli_fname) folder = here.dli_fname;
  folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/') + 1);
  void* library = ::dlopen((folder + "libsluice_cluster.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) library = ::dlopen("libsluice_cluster.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* why = ::dlerror();
    return absl::UnavailableError(std::string("masters other than local[N] need libsluice_cluster.so beside libsluice.so: ") + (why ? why : "it is not there"));
  }
  using Open = Backend* (*)(const Settings&, const MasterUrl&, std::string*);
  auto open = reinterpret_cast<Open>(::dlsym(library, "sluice_open_cluster"));
  if (!open) return absl::InternalError("libsluice_cluster.so is of another version than libsluice.so; install both from one build");
  std::string error;
  backend.reset(open(settings, url, &error));
  return backend ? absl::OkStatus() : absl::UnavailableError(error);
}

}  // namespace

absl::Status openBackend(const Settings& settings, std::unique_ptr<Backend>& backend) {
  MasterUrl url;
  if (auto status = parseMasterUrl(settings.get(conf::kMaster), url); !status.ok()) return status;
  return url.kind == MasterUrl::Kind::kLocal ? openInside(settings, url, backend) : openCluster(settings, url, backend);
}

}  // namespace sluice
