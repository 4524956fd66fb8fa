// The far end of a socket stream, for the examples that feed one.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace examples {

// One client of a server; its own thread uses it.
class Client {
 public:
  explicit Client(int fd) : fd_(fd) {}
  // False: the client is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      bytes.remove_prefix(std::size_t(n));
    }
    return true;
  }

 private:
  const int fd_;
};

// Listens on a port of an address of this host, and says so; 0: on one that is free. Throws std::runtime_error if it cannot.
class TcpServer {
 public:
  TcpServer(long port, const std::string& address) {
    if (port < 0 || port > 65535) throw std::runtime_error("there is no port " + std::to_string(port) + "; give 0 to 65535");
    sockaddr_in at{};
    at.sin_family = AF_INET, at.sin_port = htons(std::uint16_t(port));
    if (::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) throw std::runtime_error("'" + address + "' is no IPv4 address; 0.0.0.0 stands for all of this host");
    socklen_t size = sizeof at;
    int on = 1;
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(fd_, SOMAXCONN) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
      throw std::runtime_error("cannot listen on port " + std::to_string(port) + ": " + std::strerror(errno));
    }
    std::printf("Listening on port: %d\n", int(ntohs(at.sin_port)));
    std::fflush(stdout);
  }

  // feed(Client&) for each client, on a thread of its own; until the process is ended.
  template <class F> [[noreturn]] void serve(F feed) {
    for (;;) {
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      int fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
      if (fd < 0 && errno != EINTR && errno != ECONNABORTED) throw std::runtime_error(std::string("cannot take a client: ") + std::strerror(errno));
      if (fd < 0) continue;
      char name[INET_ADDRSTRLEN];
      std::printf("Got client connected from: %s\n", ::inet_ntop(AF_INET, &peer.sin_addr, name, sizeof name));
      std::fflush(stdout);
      std::thread([feed, fd] {
        Client client(fd);
        feed(client);
        ::close(fd);
      }).detach();
    }
  }

 private:
  int fd_ = -1;  // until the process ends
};

}  // namespace examples
