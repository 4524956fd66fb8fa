// How fast the link between two processes is, beside a blocking TCP ping between two cores. Prints; asserts nothing.
//   link_bench [ROUNDS]
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "common/grpc/grpc_link.h"

extern char** environ;

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;
double microsSince(Clock::time_point from) {
  return std::chrono::duration<double, std::micro>(Clock::now() - from).count();
}

constexpr Peer kEcho{Role::kExecutor, 1};

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, std::size_t(p * double(values.size())))];
}

struct Figures {
  double p50 = 0, p99 = 0;
};

void pinTo(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// 64 bytes there and back over blocking sockets, the two ends on different cores.
Figures tcpPing() {
  int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1) != 0) std::abort();
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  int one = 1;
  std::thread echo([&] {
    pinTo(1);
    int fd = ::accept(listener, nullptr, nullptr);
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char bytes[64];
    while (::recv(fd, bytes, sizeof bytes, MSG_WAITALL) == ssize_t(sizeof bytes))
      (void)!::write(fd, bytes, sizeof bytes);
    ::close(fd);
  });
  std::vector<double> times;
  std::thread ping([&] {
    pinTo(0);
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char bytes[64] = {};
    for (int i = 0; i < 3000; ++i) {
      auto begin = Clock::now();
      (void)!::write(fd, bytes, sizeof bytes);
      if (::recv(fd, bytes, sizeof bytes, MSG_WAITALL) != ssize_t(sizeof bytes)) std::abort();
      if (i >= 500) times.push_back(microsSince(begin));
    }
    ::close(fd);
  });
  ping.join(), echo.join();
  ::close(listener);
  return {percentile(times, 0.5), percentile(times, 0.99)};
}

EnvelopePtr message(std::uint64_t number, Bytes attachment = {}) {
  auto [envelope, body] = compose(&proto::Message::mutable_lines);
  body->set_from(number);
  if (!attachment.empty()) envelope->attachments.push_back(std::move(attachment));
  return envelope;
}

// Answers each message but those numbered 1.
class Echo final : public LinkHandler {
 public:
  void onMessage(Peer from, EnvelopePtr envelope) override {
    if (envelope->message.lines().from() != 1) link->send(from, message(0));
  }
  void onSession(Peer, bool) override {}
  GrpcLink* link = nullptr;
};

int serve(const std::string& socket) {
  Strand strand;
  Echo echo;
  GrpcLink link({kEcho}, strand, echo);
  echo.link = &link;
  if (auto status = link.start({socket, "127.0.0.1:0"}); !status.ok()) return 1;
  std::printf("%s\n", link.address().c_str());
  std::fflush(stdout);
  for (;;) ::pause();
}

class Pinger final : public LinkHandler {
 public:
  explicit Pinger(const std::string& address) : link_({{Role::kExecutor, 2}}, strand_, *this) {
    if (!link_.start().ok()) std::abort();
    link_.connect(kEcho, address);
    MutexLock lock(mutex_);
    while (!up_) changed_.wait(mutex_);
  }
  ~Pinger() override { link_.close(); }
  void onSession(Peer, bool up) override {
    MutexLock lock(mutex_);
    up_ = up;
    changed_.notifyAll();
  }
  // The machine's way: the answer sends the next one from the polling thread, no other thread wakes.
  void onMessage(Peer, EnvelopePtr) override {
    times_.push_back(microsSince(sent_));
    if (--left_ > 0) return ping();
    MutexLock lock(mutex_);
    done_ = true;
    changed_.notifyAll();
  }
  Figures pingPong(int count) {
    times_.clear();
    strand_.post([&] { left_ = count, ping(); });
    await();
    times_.erase(times_.begin(), times_.begin() + count / 6);
    return {percentile(times_, 0.5), percentile(times_, 0.99)};
  }
  // Microseconds until `count` messages with this attachment have been taken in and the last was answered.
  double flood(int count, const Bytes& attachment) {
    auto begin = Clock::now();
    left_ = 1, sent_ = begin;
    for (int i = 0; i < count; ++i) link_.send(kEcho, message(1, attachment));
    link_.send(kEcho, message(2));
    await();
    return microsSince(begin);
  }

 private:
  void ping() {
    sent_ = Clock::now();
    link_.send(kEcho, message(0));
  }
  void await() {
    MutexLock lock(mutex_);
    while (!done_) changed_.wait(mutex_);
    done_ = false;
  }
  Strand strand_;
  Mutex mutex_;
  CondVar changed_;
  bool up_ GUARDED_BY(mutex_) = false, done_ GUARDED_BY(mutex_) = false;
  int left_ = 0;
  Clock::time_point sent_;
  std::vector<double> times_;
  GrpcLink link_;
};

int measure(const char* self, int rounds) {
  std::string socket;
  if (!unixSocketAddress("bench-" + std::to_string(::getpid()), &socket).ok()) return 1;
  int out[2];
  if (::pipe(out) != 0) return 1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  const char* arguments[] = {self, "--serve", socket.c_str(), nullptr};
  pid_t child;
  if (::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, const_cast<char**>(arguments), environ) != 0) return 1;
  char text[256] = {};
  if (::read(out[0], text, sizeof text - 1) <= 0) return 1;
  std::string addresses(text, std::strcspn(text, "\n")), tcp = addresses.substr(addresses.find(',') + 1);

  std::map<std::string, std::vector<double>> figures;
  const Bytes block = Bytes::of(std::string(1u << 20, 'x')), segment = Bytes::of(std::string(16'700, 'x'));
  for (int round = 0; round < rounds; ++round) {
    auto ping = tcpPing();
    figures["1 blocking TCP ping, two cores, p50 us"].push_back(ping.p50);
    for (const auto& [name, address] : {std::pair<std::string, std::string>{"unix:", socket}, {"TCP", tcp}}) {
      Pinger pinger(address);
      auto link = pinger.pingPong(3000);
      figures["2 link over " + name + " ping-pong, p50 us"].push_back(link.p50);
      figures["3 link over " + name + " ping-pong, p99 us"].push_back(link.p99);
      figures["4 link over " + name + " p50 / TCP ping"].push_back(link.p50 / ping.p50);
      constexpr int kMessages = 50'000, kBlocks = 200, kSegments = 5'000;
      figures["5 link over " + name + " small messages/s"].push_back(kMessages / pinger.flood(kMessages, {}) * 1e6);
      figures["6 link over " + name + " segments of 16.7 KB, MB/s"].push_back(
          double(kSegments) * double(segment.size()) / pinger.flood(kSegments, segment));
      figures["7 link over " + name + " blocks of 1 MiB, MB/s"].push_back(double(kBlocks) * double(block.size()) /
                                                                          pinger.flood(kBlocks, block));
    }
  }
  std::printf("%-52s %12s   [least .. most of %d rounds]\n", "", "median", rounds);
  for (auto& [name, values] : figures) {
    std::printf("%-52s %12.1f   [%.1f .. %.1f]\n", name.c_str() + 2, percentile(values, 0.5), percentile(values, 0),
                percentile(values, 1));
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::unlink(socket.c_str() + 5);
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--serve") == 0) return sluice::serve(argv[2]);
  return sluice::measure(argv[0], argc > 1 ? std::max(1, std::atoi(argv[1])) : 5);
}
