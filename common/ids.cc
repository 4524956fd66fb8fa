#include "common/ids.h"
namespace sluice {
const char* roleName(Role role) {
  switch (role) {
    case Role::kMaster: return "master";
    case Role::kWorker: return "worker";
    case Role::kExecutor: return "executor";
    case Role::kDriver: return "driver";
    case Role::kClient: return "client";
  }
  return "?";
}
std::string Peer::toString() const { return std::string(roleName(role)) + " " + std::to_string(id); }
}  // namespace sluice
