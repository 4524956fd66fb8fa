// Writes an application's printed text on a thread of its own, so that a terminal that stands still holds up nothing else.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace sluice {

// Thread-safe. The thread starts with the first text.
class LinePrinter {
 public:
  explicit LinePrinter(std::function<void(std::string_view)> write) : write_(std::move(write)) {}
  ~LinePrinter() { close(); }
  // `now`: writes on the calling thread.
  void print(std::string_view text, bool now);
  void close();  // after everything is written

 private:
  void loop();
  std::function<void(std::string_view)> write_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::string pending_;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace sluice
