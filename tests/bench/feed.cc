#include "tests/bench/feed.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <stdexcept>

#include "tests/bench/row.h"
#include "tests/bench/text.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kTextBytes = 16 << 20;
constexpr std::size_t kSendBytes = 1 << 18;

void waitUntil(double at) {
  timespec when{time_t(at), long((at - double(time_t(at))) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) != 0) {}
}

bool readable(const Fd& fd, double seconds) {
  pollfd wanted{fd.get(), POLLIN, 0};
  return poll(&wanted, 1, int(seconds * 1000)) > 0;
}

}  // namespace

Feed::Feed(const FeedOptions& options)
    : options_(options),
      text_(options.from.empty() ? ZipfText(options.seed).next(kTextBytes) : realText(options.from, kTextBytes)),
      listener_(listenOn(options.port)) {
  if (text_.empty()) throw std::runtime_error("the files named by --from hold no text");
}

Feed::~Feed() { stop(); }

bool Feed::over() const {
  return stopped_ || (options_.lines && sent_ >= options_.lines) ||
         (options_.seconds > 0 && begin_ > 0 && now() - begin_ >= options_.seconds);
}

std::string_view Feed::take(std::uint64_t lines, std::size_t bytes, std::uint64_t& given) {
  if (at_ == text_.size()) at_ = 0;
  std::size_t from = at_;
  for (given = 0; given < lines && at_ < text_.size() && at_ - from < bytes; ++given) at_ = text_.find('\n', at_) + 1;
  return std::string_view(text_).substr(from, at_ - from);
}

void Feed::serve(const Fd& client) {
  if (begin_ == 0) begin_ = now();
  while (!over()) {
    std::uint64_t due = options_.lines ? options_.lines - sent_ : ~0ull;
    if (options_.rate > 0) {
      auto owed = std::uint64_t((now() - begin_) * options_.rate);
      if (owed <= sent_) {
        double due = std::max(now() + options_.slice, begin_ + double(sent_ + 1) / options_.rate);
        waitUntil(std::min(due, now() + 0.2));  // so that stop() is noticed
        continue;
      }
      due = std::min(due, owed - sent_);
    }
    std::uint64_t given = 0;
    std::string_view piece = take(due, kSendBytes, given);
    if (!sendAll(client, piece)) return;
    sent_ += given;
  }
}

void Feed::run() {
  while (!over()) {
    if (!readable(listener_, 0.1)) continue;
    Fd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) serve(client);
  }
}

void Feed::start() {
  thread_ = std::thread([this] { run(); });
}

void Feed::stop() {
  stopped_ = true;
  if (thread_.joinable()) thread_.join();
}

}  // namespace sluice::bench
