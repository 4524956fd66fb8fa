// Plain blocking TCP over loopback: what a message costs between two cores, and how fast bytes can be received at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::bench {

// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Listens on 127.0.0.1; port 0 picks a free one. Throws std::runtime_error when the port is taken.
Fd listenOn(std::uint16_t port);
std::uint16_t portOf(const Fd& listener);
Fd connectTo(std::uint16_t port);
// Sends all of it; false when the other end has gone.
bool sendAll(const Fd& to, std::string_view bytes);

// Seconds of each of `count` round trips of 64 bytes between two threads, blocking, one pinned to each core.
// The same core twice gives the cost without a wake-up of another core.
std::vector<double> pingTcp(int count, int oneCore, int otherCore);

// Connects, and reads until the other end closes, in large blocking reads. Gives the bytes.
std::size_t receiveRaw(std::uint16_t port);

// The first two cores this process may use (the same one twice if there is but one).
std::pair<int, int> twoCores();

}  // namespace sluice::bench
