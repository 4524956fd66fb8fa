// The line on a terminal that shows how far the stages are that run, as Spark's console does.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proto/link.pb.h"
#include "sluice/abi.h"

namespace sluice {

// "[Stage 3:=====>      (12 + 4) / 40]", for the first three stages side by side, in `width` columns altogether.
SLUICE_INTERNAL std::string progressLine(const std::vector<proto::Progress::Stage>& stages, std::size_t width);

// What to write, and when: the line over the last one, spaces over it at the end, nothing if nothing has changed. Pure.
class SLUICE_INTERNAL ProgressLine {
 public:
  // Bytes for the terminal; called as often as one likes. No stages: the line is taken away.
  std::string update(std::int64_t nowMs, const std::vector<proto::Progress::Stage>& stages, std::size_t width);
  // Takes the line away until the next update, because something else is to be written.
  std::string clear();

 private:
  std::string shown_;
  std::int64_t shownMs_ = 0;
};

// A thread that looks after the line: asks for progress once something has run for a second, and writes to stderr.
class ConsoleProgress {
 public:
  struct Work {
    std::function<std::int64_t()> longestMs;  // how long the oldest job (or a stream) has run; < 0: nothing runs
    std::function<void(bool)> watch;
    std::function<std::vector<proto::Progress::Stage>(std::int64_t atLeastMs)> stages;  // that have run so long
  };
  // Null unless stderr is a terminal.
  static std::unique_ptr<ConsoleProgress> onTerminal(Work work);
  explicit ConsoleProgress(Work work);
  ~ConsoleProgress();
  void clear();  // something else is about to be written
  void stop();   // nothing is asked any more when it returned

 private:
  void loop();

  const Work work_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool closed_ = false;
  ProgressLine line_;
  std::thread thread_;
};

}  // namespace sluice
