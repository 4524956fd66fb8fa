#include "tests/cluster/text_source.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace sluice::testing {
namespace {

namespace fs = std::filesystem;

struct Socket {
  std::string queues, inode;  // "tx:rx" in hexadecimal, as the kernel prints them; both empty: there is none
};

// This host's TCP socket with these ports, as /proc/net/tcp has it.
Socket socketIn(const char* table, std::uint16_t local, std::uint16_t remote) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string slot, from, to, state, queues, skip, inode;
    words >> slot >> from >> to >> state >> queues;
    for (int i = 0; i < 4; ++i) words >> skip;
    words >> inode;
    if (from.empty() || to.empty()) continue;
    auto port = [](const std::string& address) { return std::stoul(address.substr(address.rfind(':') + 1), nullptr, 16); };
    if (port(from) == local && port(to) == remote && inode != "0") return {queues, inode};
  }
  return {};
}

Socket socketOf(std::uint16_t local, std::uint16_t remote) {
  Socket found = socketIn("/proc/net/tcp", local, remote);
  return found.inode.empty() ? socketIn("/proc/net/tcp6", local, remote) : found;
}

pid_t ownerOf(const std::string& inode) {
  std::error_code ignored;
  for (const auto& process : fs::directory_iterator("/proc", ignored)) {
    std::string pid = process.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    for (const auto& fd : fs::directory_iterator(process.path() / "fd", ignored)) {
      if (fs::read_symlink(fd.path(), ignored) == "socket:[" + inode + "]") return pid_t(std::stol(pid));
    }
  }
  return 0;
}

}  // namespace

TextSource::TextSource() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 || ::pipe2(wake_, O_CLOEXEC) != 0) {
    throw std::runtime_error("cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

TextSource::~TextSource() {
  ::close(wake_[1]);
  thread_.join();
  ::close(wake_[0]);
  ::close(listener_);
  if (connection_ >= 0) ::close(connection_);
}

void TextSource::serve() {
  for (;;) {
    pollfd events[2] = {{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    if (::poll(events, 2, -1) < 0 && errno == EINTR) continue;
    if (events[1].revents) return;
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    int fd = ::accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
    if (fd < 0) continue;
    std::lock_guard lock(mutex_);
    if (connection_ >= 0) ::close(connection_);
    connection_ = fd, ++connections_, peerPort_ = ntohs(peer.sin_port);
    changed_.notify_all();
  }
}

void TextSource::waitForConnection(int n) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(120), [&] { return connections_ >= n; })) throw std::runtime_error("nobody connected");
}

void TextSource::send(const std::string& text) {
  std::lock_guard lock(mutex_);
  for (std::size_t at = 0; at < text.size();) {
    ssize_t n = ::send(connection_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw std::runtime_error("the reader is gone");
    at += std::size_t(n);
  }
}

pid_t TextSource::reader() const {
  std::lock_guard lock(mutex_);
  std::string inode = socketOf(peerPort_, port_).inode;
  return inode.empty() ? 0 : ownerOf(inode);
}

void TextSource::waitUntilRead() const {
  auto nothingWaits = [](const std::string& queues) { return queues.find_first_not_of("0:") == std::string::npos; };
  for (int tries = 0; tries < 12'000; ++tries) {
    std::unique_lock lock(mutex_);
    Socket ours = socketOf(port_, peerPort_), theirs = socketOf(peerPort_, port_);
    lock.unlock();
    if (!ours.inode.empty() && !theirs.inode.empty() && nothingWaits(ours.queues) && nothingWaits(theirs.queues)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // the kernel's tables do not call back
  }
  throw std::runtime_error("what was sent was not read");
}

}  // namespace sluice::testing
