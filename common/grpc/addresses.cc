#include "common/grpc/addresses.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "common/private_folder.h"

namespace sluice {
namespace {

constexpr char kUnix[] = "unix:";

// What connect() says; 0: somebody listens there.
int tryConnect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  int error = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  ::close(fd);
  return error;
}

bool isSocket(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

// Whether its owner is gone: nobody listens there, and it is not just being made.
bool isLeftBehind(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode) && info.st_mtime <= ::time(nullptr) - 60 &&
         tryConnect(path) == ECONNREFUSED;
}

// The socket that whoever listens at this address of the network may have beside it.
std::string neighbourOf(const std::string& networkAddress) {
  std::string name = networkAddress;
  std::replace(name.begin(), name.end(), '/', '_');
  return privateFolderIn("/tmp") + "/at-" + name;
}

// Processes that were killed could not take their sockets along.
void removeLeftBehind(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (isLeftBehind(entry.path())) ::unlink(entry.path().c_str());
  }
}

std::string withReason(const std::string& address, int error) {
  std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon), port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (error == EADDRINUSE)
    return "port " + port + " of " + host + " is in use; name another one, or 0 for any that is free";
  if (error == EACCES)
    return "port " + port + " of " + host + " needs root; name one above 1023, or 0 for any that is free";
  if (error == EADDRNOTAVAIL) return "cannot listen on " + address + ": " + host + " is not an address of this host";
  return "cannot listen on " + address + ": " + std::strerror(error);
}

}  // namespace

std::vector<std::string> splitAddresses(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from < list.size();) {
    std::size_t comma = std::min(list.find(',', from), list.size());
    if (comma > from) parts.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

bool isUnixAddress(const std::string& address) { return address.starts_with(kUnix); }

absl::Status unixAddress(const std::string& name, std::string* address) {
  std::string folder = privateFolderIn("/tmp");
  if (auto status = makePrivateFolder(folder); !status.ok()) return status;
  removeLeftBehind(folder);
  std::string path = folder + "/" + name;
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError("the socket path " + path + " is longer than " +
                                      std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  }
  *address = kUnix + path;
  return absl::OkStatus();
}

absl::Status neighbourAddress(const std::string& networkAddress, std::string* address) {
  std::string path = neighbourOf(networkAddress);
  return unixAddress(path.substr(path.rfind('/') + 1), address);
}

std::string chooseAddress(const std::string& list) {
  std::string network;
  for (const auto& address : splitAddresses(list)) {
    if (!isUnixAddress(address)) {
      if (network.empty()) network = address;
      std::string neighbour = neighbourOf(address);
      if (isSocket(neighbour) && tryConnect(neighbour) == 0) return kUnix + neighbour;
    } else if (isSocket(address.substr(sizeof kUnix - 1))) {
      return address;
    }
  }
  return network.empty() ? list : network;
}

std::uint16_t findFreePort(const std::string& host) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM, hints.ai_flags = AI_PASSIVE;
  std::string name = host.size() > 2 && host.front() == '[' ? host.substr(1, host.size() - 2) : host;
  if (::getaddrinfo(name.c_str(), "0", &hints, &found) != 0) return 0;
  std::uint16_t port = 0;
  if (int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0); fd >= 0) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (::bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0) {
      port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
    }
    ::close(fd);
  }
  ::freeaddrinfo(found);
  return port;
}

std::string explainListenFailure(const std::string& address) {
  if (isUnixAddress(address)) return "cannot listen on " + address + "; is the folder there and yours?";
  std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return "\"" + address + "\" is not of the form HOST:PORT";
  std::string host = address.substr(0, colon), port = address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return "cannot listen on " + address + ": " + ::gai_strerror(error);
  }
  int reason = EADDRINUSE;
  if (int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0); fd >= 0) {
    if (::bind(fd, found->ai_addr, found->ai_addrlen) != 0) reason = errno;
    ::close(fd);
  }
  ::freeaddrinfo(found);
  return withReason(address, reason);
}

}  // namespace sluice
