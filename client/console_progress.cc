#include "client/console_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace sluice {
namespace {

constexpr std::size_t kStagesShown = 3;
constexpr std::int64_t kRedrawMs = 200, kAgainMs = 60'000;  // some connections end when nothing is written for long
constexpr std::int64_t kFirstMs = 1000, kLookMs = 500;

std::size_t columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* named = std::getenv("COLUMNS");
  long columns = named ? std::atol(named) : 0;
  return columns > 0 ? std::size_t(columns) : 80;
}

void write(const std::string& text) {
  if (!text.empty()) [[maybe_unused]] auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

std::string progressLine(const std::vector<proto::Progress::Stage>& stages, std::size_t width) {
  std::size_t count = std::min(stages.size(), kStagesShown);
  if (count == 0) return {};
  std::string line;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& stage = stages[i];
    std::string head = "[Stage " + std::to_string(stage.id()) + ":";
    std::string tail = "(" + std::to_string(stage.done()) + " + " + std::to_string(stage.running()) + ") / " + std::to_string(stage.tasks()) + "]";
    std::size_t own = width / count, taken = head.size() + tail.size();
    line += head;
    if (own > taken) {
      std::size_t bar = own - taken, done = stage.tasks() == 0 ? 0 : std::size_t(std::uint64_t(bar) * stage.done() / stage.tasks());
      line.append(std::min(done, bar), '=');
      if (done < bar) line.append(1, '>').append(bar - done - 1, ' ');
    }
    line += tail;
  }
  return line;
}

std::string ProgressLine::update(std::int64_t nowMs, const std::vector<proto::Progress::Stage>& stages, std::size_t width) {
  // One column is left free: a full line would move the terminal on to the next.
  std::string line = progressLine(stages, width > 1 ? width - 1 : 1);
  if (line.empty()) return clear();
  if (!shown_.empty() && nowMs - shownMs_ < kRedrawMs) return {};
  if (line == shown_ && nowMs - shownMs_ < kAgainMs) return {};
  std::string over(shown_.size() > line.size() ? shown_.size() - line.size() : 0, ' ');
  shown_ = line, shownMs_ = nowMs;
  return "\r" + line + over + "\r";
}

std::string ProgressLine::clear() {
  if (shown_.empty()) return {};
  std::string blank = "\r" + std::string(shown_.size(), ' ') + "\r";
  shown_.clear();
  return blank;
}

std::unique_ptr<ConsoleProgress> ConsoleProgress::onTerminal(Work work) {
  return ::isatty(STDERR_FILENO) ? std::make_unique<ConsoleProgress>(std::move(work)) : nullptr;
}

ConsoleProgress::ConsoleProgress(Work work) : work_(std::move(work)), thread_([this] { loop(); }) {}

ConsoleProgress::~ConsoleProgress() { stop(); }

void ConsoleProgress::stop() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    woken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void ConsoleProgress::clear() {
  std::lock_guard lock(mutex_);
  write(line_.clear());
}

void ConsoleProgress::loop() {
  std::unique_lock lock(mutex_);
  bool watching = false;
  while (!closed_) {
    woken_.wait_for(lock, std::chrono::milliseconds(watching ? kRedrawMs : kLookMs), [this] { return closed_; });
    if (closed_) break;
    lock.unlock();
    std::int64_t longest = work_.longestMs();
    bool wanted = longest >= (watching ? 0 : kFirstMs);
    if (wanted != watching) work_.watch(wanted), watching = wanted;
    auto stages = watching ? work_.stages(kFirstMs) : std::vector<proto::Progress::Stage>();
    lock.lock();
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    write(line_.update(std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), stages, columns()));
  }
  write(line_.clear());
}

}  // namespace sluice
