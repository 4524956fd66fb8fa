#include "client/line_printer.h"

#include <utility>

namespace sluice {

void LinePrinter::print(std::string_view text, bool now) {
  if (now) return write_(text);
  std::lock_guard lock(mutex_);
  if (closed_) return;
  pending_.append(text);
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  woken_.notify_one();
}

void LinePrinter::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    woken_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void LinePrinter::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    woken_.wait(lock, [&] { return closed_ || !pending_.empty(); });
    if (pending_.empty()) return;
    std::string text = std::exchange(pending_, {});
    lock.unlock();
    write_(text);
    lock.lock();
  }
}

}  // namespace sluice
