// What a link listens on and dials: "host:port", "unix:/path", or both with a comma between them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace sluice {

std::vector<std::string> splitAddresses(const std::string& list);
bool isUnixAddress(const std::string& address);

// "unix:/tmp/sluice-<uid>/<name>", the folder made for this user alone. An error if somebody else's folder is there, or
// the path is too long for a socket (107 bytes).
absl::Status unixAddress(const std::string& name, std::string* address);

// The socket beside an address of the network with a port: "unix:/tmp/sluice-<uid>/at-HOST:PORT". Whoever dials that address on this host
// finds it there.
absl::Status neighbourAddress(const std::string& networkAddress, std::string* address);

// 0: none, or no such host.
std::uint16_t findFreePort(const std::string& host);

// The one to dial: a Unix socket if there is one of that name on this host, or one where somebody listens beside the address, else the
// network's.
std::string chooseAddress(const std::string& list);

// Why the system would not let us listen there ("port 7077 of 127.0.0.1 is in use; …"), found by trying.
std::string explainListenFailure(const std::string& address);

}  // namespace sluice
