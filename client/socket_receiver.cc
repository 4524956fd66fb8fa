#include "client/socket_receiver.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "sluice/codec.h"
#include "sluice/error.h"
#include "sluice/socket_input.h"

namespace sluice {
namespace {

constexpr int kPollMs = 100;  // how soon a stop is noticed
constexpr Duration kStandardDelay = Milliseconds(-1);  // sluice.streaming.receiverRestartDelay
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

std::string where(const std::string& host, std::uint16_t port) { return host + ":" + std::to_string(port); }

bool finishConnect(int fd, const BlockSink& sink) {
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

// Tries the host's addresses in turn, and looks out for a stop meanwhile. None: has the receiver started again.
Socket connected(BlockSink& sink, const std::string& host, std::uint16_t port) {
  std::string why;
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0) why = ::gai_strerror(rc);
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(rc == 0 ? found : nullptr, &::freeaddrinfo);
  for (auto* a = addresses.get(); a && !sink.stopped(); a = a->ai_next) {
    Socket socket(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
    if (socket.fd() < 0) {
      why = std::strerror(errno);
      continue;
    }
    if (::connect(socket.fd(), a->ai_addr, a->ai_addrlen) == 0) return socket;
    if (errno == EINPROGRESS && finishConnect(socket.fd(), sink)) return socket;
    why = std::strerror(errno);
  }
  if (!sink.stopped()) sink.restart("cannot connect to " + where(host, port) + ": " + why, kStandardDelay);
  return {};
}

class SocketTextReceiver final : public ReceiverBase {
 public:
  SocketTextReceiver(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}

  void onStart(BlockSink& sink) override {
    Socket socket = connected(sink, host_, port_);
    if (socket.fd() < 0) return;
    std::string why = read(socket.fd(), sink);
    sink.endText();
    if (!sink.stopped()) sink.restart(why, kStandardDelay);
  }
  void onStop() override {}

 private:
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
      if (n == 0) return where(host_, port_) + " has no more data";
      if (errno == EAGAIN || errno == EWOULDBLOCK) ::poll(&ready, 1, kPollMs);
      else if (errno != EINTR) return "cannot read from " + where(host_, port_) + ": " + std::strerror(errno);
    }
    return {};
  }

  const std::string host_;
  const std::uint16_t port_;
};

class SocketInput final : public ByteInput {
 public:
  SocketInput(int fd, const BlockSink& sink) : fd_(fd), sink_(sink) {}

 private:
  std::size_t receive(char* to, std::size_t n) override {
    pollfd ready{fd_, POLLIN, 0};
    while (!sink_.stopped()) {
      ssize_t got = ::recv(fd_, to, n, 0);
      if (got >= 0) return std::size_t(got);
      if (errno == EAGAIN || errno == EWOULDBLOCK) ::poll(&ready, 1, kPollMs);
      else if (errno != EINTR) throwError(ErrorKind::kUnavailable, std::string("cannot read: ") + std::strerror(errno));
    }
    return 0;
  }

  const int fd_;
  const BlockSink& sink_;
};

ReceiverBase* makeSocketText(const char* captures, std::size_t size) {
  auto [host, port] = decoded<std::pair<std::string, std::uint16_t>>({captures, size});
  return new SocketTextReceiver(std::move(host), port);
}

}  // namespace

constinit const ReceiverDesc kSocketTextReceiver{ReceiverDesc::kMagic, "socketTextStream", &makeSocketText};

std::string socketTextCaptures(std::string_view host, std::uint16_t port) { return encoded(std::pair(std::string(host), port)); }

inline namespace SLUICE_ABI {

ByteInput::~ByteInput() = default;

bool ByteInput::fill() {
  ahead_.resize(64 << 10), at_ = 0;
  ahead_.resize(receive(ahead_.data(), ahead_.size()));
  return !ahead_.empty();
}

std::size_t ByteInput::read(char* to, std::size_t n) {
  if (at_ == ahead_.size()) return receive(to, n);
  n = std::min(n, ahead_.size() - at_);
  std::memcpy(to, ahead_.data() + at_, n);
  at_ += n;
  return n;
}

bool ByteInput::readExactly(char* to, std::size_t n) {
  std::size_t done = 0;
  while (done < n) {
    std::size_t got = read(to + done, n - done);
    if (got == 0 && done == 0) return false;
    if (got == 0) throwError(ErrorKind::kUnavailable, "the connection ended in the middle of a record");
    done += got;
  }
  return true;
}

bool ByteInput::readLine(std::string& line, std::size_t most) {
  line.clear();
  for (bool any = false;; any = true) {
    if (at_ == ahead_.size() && !fill()) return any;
    std::size_t end = ahead_.find('\n', at_);
    line.append(ahead_, at_, end == std::string::npos ? end : end - at_);
    if (line.size() > most) throwError(ErrorKind::kInvalidArgument, "a line is longer than " + std::to_string(most) + " bytes");
    at_ = end == std::string::npos ? ahead_.size() : end + 1;
    if (end != std::string::npos) return true;
  }
}

namespace detail {

void receiveFromSocket(BlockSink& sink, const std::string& host, std::uint16_t port, SocketBody& body) {
  Socket socket = connected(sink, host, port);
  if (socket.fd() < 0) return;
  std::string why = where(host, port) + " has no more data";
  SocketInput in(socket.fd(), sink);
  try {
    body.run(in, sink);
  } catch (const std::exception& error) {
    why = where(host, port) + ": " + error.what();
  }
  if (!sink.stopped()) sink.restart(why, kStandardDelay);
}

void takeRawBlocks(ByteInput& in, BlockSink& sink, const TypeDesc& type) {
  auto number = [](const char* at) {
    std::uint32_t n = 0;
    for (int i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(at[i]);
    return n;
  };
  constexpr std::size_t kAtOnce = 256;
  struct Room {
    std::align_val_t align;
    void* at;
    ~Room() { ::operator delete(at, align); }
  } records{std::align_val_t(type.align), ::operator new(kAtOnce * type.size, std::align_val_t(type.align))};
  char head[4];
  std::string block;
  while (!sink.stopped() && in.readExactly(head, sizeof head)) {
    std::uint32_t size = number(head);
    if (size < 4 || size > kMostRawBlockBytes) {
      throwError(ErrorKind::kInvalidArgument, "a block of " + std::to_string(size) + " bytes was announced; blocks have 4 bytes to " +
                                                  std::to_string(kMostRawBlockBytes >> 20) + " MiB");
    }
    // Room is made as the bytes come: a length alone costs its sender nothing.
    block.clear();
    while (block.size() < size) {
      std::size_t have = block.size(), some = std::min<std::size_t>(size - have, std::max(have, kReadAtLeast));
      block.resize(have + some);
      if (!in.readExactly(block.data() + have, some)) throwError(ErrorKind::kUnavailable, "the connection ended in the middle of a block");
    }
    std::uint32_t count = number(block.data());
    const char *at = block.data() + 4, *end = block.data() + size;
    try {
      for (std::uint32_t left = count; left > 0;) {
        std::size_t n = std::min<std::size_t>(left, kAtOnce);
        at = type.decode(at, end, records.at, n);
        type.destroy(records.at, n);
        left -= std::uint32_t(n);
      }
      if (at != end) throwError(ErrorKind::kLost, "bytes are left over after the last record");
    } catch (const Error& error) {
      throwError(ErrorKind::kInvalidArgument, std::string("a block is none of ") + type.name + ": " + error.what());
    }
    if (count != 0) sink.addRows(std::string_view(block).substr(4), count);
  }
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
