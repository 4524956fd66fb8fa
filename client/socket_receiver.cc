#include "client/socket_receiver.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>

#include "sluice/codec.h"
#include "sluice/error.h"

namespace sluice {
namespace {

constexpr int kPollMs = 100;  // how soon a stop is noticed
constexpr Duration kRestartDelay = Seconds(2);
constexpr std::size_t kReadAtLeast = 64 * 1024;

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

class SocketTextReceiver final : public ReceiverBase {
 public:
  SocketTextReceiver(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}

  void onStart(BlockSink& sink) override {
    std::string why;
    Socket socket = connect(sink, why);
    if (socket.fd() < 0) {
      if (!sink.stopped()) sink.restart("cannot connect to " + where() + ": " + why, kRestartDelay);
      return;
    }
    why = read(socket.fd(), sink);
    sink.endText();
    if (!sink.stopped()) sink.restart(why, kRestartDelay);
  }
  void onStop() override {}

 private:
  std::string where() const { return host_ + ":" + std::to_string(port_); }

  // Tries the host's addresses in turn, and looks out for a stop meanwhile.
  Socket connect(BlockSink& sink, std::string& why) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (int rc = ::getaddrinfo(host_.c_str(), std::to_string(port_).c_str(), &hints, &found); rc != 0) {
      why = ::gai_strerror(rc);
      return {};
    }
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, &::freeaddrinfo);
    for (auto* a = found; a && !sink.stopped(); a = a->ai_next) {
      Socket socket(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
      if (socket.fd() < 0) {
        why = std::strerror(errno);
        continue;
      }
      if (::connect(socket.fd(), a->ai_addr, a->ai_addrlen) == 0) return socket;
      if (errno == EINPROGRESS && finishConnect(socket.fd(), sink)) return socket;
      why = std::strerror(errno);
    }
    return {};
  }

  bool finishConnect(int fd, BlockSink& sink) {
    pollfd ready{fd, POLLOUT, 0};
    while (!sink.stopped()) {
      int n = ::poll(&ready, 1, kPollMs);
      if (n == 0 || (n < 0 && errno == EINTR)) continue;
      int error = 0;
      socklen_t size = sizeof error;
      if (n < 0 || ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return false;
      errno = error;
      return error == 0;
    }
    errno = ECANCELED;
    return false;
  }

  // Until the connection or the receiver ends; returns why the connection did.
  std::string read(int fd, BlockSink& sink) {
    pollfd ready{fd, POLLIN, 0};
    while (!sink.stopped()) {
      std::size_t size = 0;
      char* space = sink.textSpace(kReadAtLeast, size);
      ssize_t n = ::recv(fd, space, size, 0);
      if (n > 0) {
        sink.textRead(std::size_t(n));
        continue;
      }
      if (n == 0) return where() + " has no more data";
      if (errno == EAGAIN || errno == EWOULDBLOCK) ::poll(&ready, 1, kPollMs);
      else if (errno != EINTR) return "cannot read from " + where() + ": " + std::strerror(errno);
    }
    return {};
  }

  const std::string host_;
  const std::uint16_t port_;
};

ReceiverBase* makeSocketText(const char* captures, std::size_t size) {
  auto [host, port] = decoded<std::pair<std::string, std::uint16_t>>({captures, size});
  return new SocketTextReceiver(std::move(host), port);
}

}  // namespace

constinit const ReceiverDesc kSocketTextReceiver{ReceiverDesc::kMagic, "socketTextStream", &makeSocketText};

std::string socketTextCaptures(std::string_view host, std::uint16_t port) { return encoded(std::pair(std::string(host), port)); }

}  // namespace sluice
