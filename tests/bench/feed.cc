#include "tests/bench/feed.h"

#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "tests/bench/reference/tcp.h"
#include "tests/bench/row.h"
#include "tests/bench/text.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kTextBytes = 16 << 20;
constexpr double kSlice = 0.01;  // seconds between two sends of a paced feed

void waitUntil(double at) {
  timespec when{time_t(at), long((at - double(time_t(at))) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) != 0) {}
}

// Gives pieces of whole lines, over and over.
class Lines {
 public:
  explicit Lines(std::string text) : text_(std::move(text)) {
    if (text_.empty()) throw std::runtime_error("the files named by --from hold no text");
  }
  // At most `lines` lines and not much more than `bytes` bytes; says how many lines it gave.
  std::string_view next(std::uint64_t lines, std::size_t bytes, std::uint64_t& given) {
    if (at_ == text_.size()) at_ = 0;
    std::size_t from = at_;
    for (given = 0; given < lines && at_ < text_.size() && at_ - from < bytes; ++given) at_ = text_.find('\n', at_) + 1;
    return std::string_view(text_).substr(from, at_ - from);
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace

void feed(const FeedOptions& options) {
  Lines text(options.from.empty() ? ZipfText(options.seed).next(kTextBytes) : realText(options.from, kTextBytes));
  Fd listener = listenOn(options.port);
  std::printf("%u\n", unsigned(portOf(listener)));
  std::fflush(stdout);

  double first = 0;  // of the first connection
  std::uint64_t sent = 0;
  auto over = [&] {
    return (options.lines && sent >= options.lines) || (options.seconds > 0 && first > 0 && now() - first >= options.seconds);
  };
  while (!over()) {
    Fd client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) continue;
    if (first == 0) first = now();
    double from = now();
    std::uint64_t before = sent;
    for (bool open = true; open && !over();) {
      std::uint64_t due = options.lines ? options.lines - sent : ~0ull;
      if (options.rate > 0) {
        double elapsed = now() - from;
        std::uint64_t owed = std::uint64_t(elapsed * options.rate) - std::min(sent - before, std::uint64_t(elapsed * options.rate));
        due = std::min(due, owed);
        if (due == 0) {
          waitUntil(now() + std::min(kSlice, std::max(1 / options.rate, 1e-4)));
          continue;
        }
      }
      std::uint64_t given = 0;
      std::string_view piece = text.next(due, 1 << 18, given);
      open = sendAll(client, piece);
      if (open) sent += given;
    }
  }
  std::fprintf(stderr, "fed %llu lines\n", static_cast<unsigned long long>(sent));
}

}  // namespace sluice::bench
