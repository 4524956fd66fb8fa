// The far end of a socket stream: a server that sends the text a test gives it, to whoever is connected.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace sluice::testing {

class TextSource {
 public:
  TextSource();
  ~TextSource();
  std::uint16_t port() const { return port_; }
  // Waits until n connections have come in all; the last one counts.
  void waitForConnection(int n = 1);
  // Sends to the current connection.
  void send(const std::string& text);
  // Waits until the other end has taken all that was sent to the current connection out of its socket.
  void waitUntilRead() const;
  // The process that holds the other end of the current connection; 0: unknown.
  pid_t reader() const;

 private:
  void serve();

  int listener_ = -1, wake_[2];
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int connection_ = -1, connections_ = 0;  // guarded by mutex_
  std::uint16_t peerPort_ = 0;             // guarded by mutex_
  std::thread thread_;
};

}  // namespace sluice::testing
