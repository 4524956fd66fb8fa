// Strong ids and the names of peers.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <string>

#include "sluice/abi.h"

namespace sluice {

template <class Tag> struct Id {
  std::uint64_t value = 0;
  constexpr Id() = default;
  constexpr explicit Id(std::uint64_t v) : value(v) {}
  constexpr explicit operator bool() const { return value != 0; }
  friend constexpr auto operator<=>(Id, Id) = default;
  template <class H> friend H AbslHashValue(H h, Id id) { return H::combine(std::move(h), id.value); }
};
using AppId = Id<struct AppTag>;
using WorkerId = Id<struct WorkerTag>;
using ExecutorId = Id<struct ExecutorTag>;
using DriverId = Id<struct DriverTag>;

enum class Role : std::uint8_t { kMaster = 1, kWorker, kExecutor, kDriver, kClient };
SLUICE_INTERNAL const char* roleName(Role role);

// The other end of a session. There is one master (id 0); clients are numbered by whoever accepts them.
struct SLUICE_INTERNAL Peer {
  Role role = Role::kMaster;
  std::uint64_t id = 0;
  friend constexpr auto operator<=>(Peer, Peer) = default;
  template <class H> friend H AbslHashValue(H h, Peer p) { return H::combine(std::move(h), p.role, p.id); }
  std::string toString() const;
};
inline constexpr Peer kMasterPeer{Role::kMaster, 0};

}  // namespace sluice
