#include "tests/bench/reference/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "tests/bench/row.h"

namespace sluice::bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

bool readAll(const Fd& from, char* to, std::size_t n) {
  while (n > 0) {
    ssize_t got = recv(from.get(), to, n, 0);
    if (got <= 0) return false;
    to += got;
    n -= std::size_t(got);
  }
  return true;
}

void noDelay(const Fd& fd) {
  int one = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd listenOn(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int one = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address = loopback(port);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd.get(), 8) != 0)
    fail("cannot listen on 127.0.0.1:" + std::to_string(port) + " (choose another with --port)");
  return fd;
}

std::uint16_t portOf(const Fd& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
  return ntohs(address.sin_port);
}

Fd connectTo(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(port);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    fail("cannot connect to 127.0.0.1:" + std::to_string(port));
  noDelay(fd);
  return fd;
}

bool sendAll(const Fd& to, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(std::size_t(sent));
  }
  return true;
}

std::vector<double> pingTcp(int count, int oneCore, int otherCore) {
  Fd listener = listenOn(0);
  std::uint16_t port = portOf(listener);
  std::thread echo([&listener, otherCore] {
    pin(otherCore);
    Fd peer(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    noDelay(peer);
    char message[64];
    while (readAll(peer, message, sizeof message) && sendAll(peer, {message, sizeof message})) {}
  });
  std::vector<double> seconds;
  std::thread caller([&] {
    pin(oneCore);
    Fd peer = connectTo(port);
    char message[64] = {};
    int warm = count / 10;
    for (int i = 0; i < count + warm; ++i) {
      double from = now();
      if (!sendAll(peer, {message, sizeof message}) || !readAll(peer, message, sizeof message)) break;
      if (i >= warm) seconds.push_back(now() - from);
    }
  });
  caller.join();
  echo.join();
  return seconds;
}

std::size_t receiveRaw(std::uint16_t port) {
  Fd peer = connectTo(port);
  std::vector<char> buffer(256 << 10);
  std::size_t got = 0;
  for (ssize_t n; (n = recv(peer.get(), buffer.data(), buffer.size(), 0)) > 0;) got += std::size_t(n);
  return got;
}

std::pair<int, int> twoCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  if (cores.empty()) return {0, 0};
  return {cores.front(), cores.size() > 1 ? cores[1] : cores.front()};
}

}  // namespace sluice::bench
