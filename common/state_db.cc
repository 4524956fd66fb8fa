#include "common/state_db.h"

#include "common/own_library.h"
#include "sluice/error.h"

namespace sluice {

StateDbOpener rocksdbStates() {
  void* address = nullptr;
  absl::Status status = ownSymbol("libsluice_rocksdb.so", "sluice_open_state", address);
  if (!status.ok()) throwError(ErrorKind::kUnavailable, std::string(status.message()));
  auto open = reinterpret_cast<StateDb* (*)(const char*)>(address);
  return [open](const std::string& directory) { return std::shared_ptr<StateDb>(open(directory.c_str())); };
}

}  // namespace sluice
