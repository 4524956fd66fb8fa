#include <sluice/streaming.h>

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace {

// Receives lines over TCP, as socketTextStream does; connects again when the connection ends.
class LineReceiver : public sluice::Receiver<std::string> {
 public:
  LineReceiver(std::string host, std::string port) : host_(std::move(host)), port_(std::move(port)) {}

  void onStart() override {
    int socket = connect();
    if (socket < 0) return restart("cannot connect to " + host_ + ":" + port_);
    std::string line;
    char bytes[4096];
    for (ssize_t n; !isStopped() && (n = ::recv(socket, bytes, sizeof bytes, 0)) != 0;) {
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (n < 0) break;
      for (char c : std::string_view(bytes, std::size_t(n))) {
        if (c != '\n') line += c;
        else store(line), line.clear();
      }
    }
    ::close(socket);
    restart("the connection has ended");
  }

 private:
  int connect() const {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(host_.c_str(), port_.c_str(), &hints, &found) != 0) return -1;
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> address(found, &::freeaddrinfo);
    int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval atMost{0, 200'000};  // so that a stop is noticed
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &atMost, sizeof atMost);
    if (fd >= 0 && ::connect(fd, address->ai_addr, address->ai_addrlen) == 0) return fd;
    if (fd >= 0) ::close(fd);
    return -1;
  }
  const std::string host_, port_;
};

}  // namespace

// Counts words that a receiver of its own takes: CustomReceiver HOST PORT
SLUICE_APPLICATION(CustomReceiver) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("CustomReceiver"), sluice::Seconds(1));
  ssc.receiverStream<LineReceiver>(args.at(0), args.at(1))
      .flatMap([](const std::string& line) { return sluice::split(line, ' '); })
      .map([](std::string_view word) { return std::pair(word, 1L); })
      .reduceByKey(std::plus<>())
      .print();
  ssc.start();
  ssc.awaitTermination();
}
