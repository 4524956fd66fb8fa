// The most memory that each executor of a test has held.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

namespace sluice::testing {

// Watches from now on until stop(): processes of executors whose command line names `folder`.
class PeakMemory {
 public:
  explicit PeakMemory(std::string folder) : folder_(std::move(folder)), watcher_([this] {
    while (!over_) {
      look();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // /proc does not call back
    }
  }) {}
  ~PeakMemory() { stop(); }
  void stop() {
    over_ = true;
    if (watcher_.joinable()) watcher_.join();
  }
  void print() const {
    for (const auto& [pid, kb] : peaks_) std::printf("executor %s: at most %llu MB\n", pid.c_str(), static_cast<unsigned long long>(kb >> 10));
  }
  void expectAtMost(std::uint64_t megabytes, std::size_t executors) const {
    EXPECT_EQ(peaks_.size(), executors) << "no executor may have been replaced";
    for (const auto& [pid, kb] : peaks_) EXPECT_LE(kb >> 10, megabytes) << "executor " << pid;
  }

 private:
  void look() {
    namespace fs = std::filesystem;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
      std::string pid = entry.path().filename();
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      // Of a process that is going even reading may fail, which a stream keeps to itself but an iterator of its buffer does not.
      std::ostringstream commandLine;
      commandLine << std::ifstream(entry.path() / "cmdline", std::ios::binary).rdbuf();
      std::string words = commandLine.str();
      if (words.find("--sluice-executor") == std::string::npos || words.find(folder_) == std::string::npos) continue;
      std::ifstream status(entry.path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmHWM:", 0) == 0) peaks_[pid] = std::max<std::uint64_t>(peaks_[pid], std::stoull(line.substr(6)));
      }
    }
  }

  const std::string folder_;
  std::map<std::string, std::uint64_t> peaks_;  // kB, by process; the watcher's until stop()
  std::atomic<bool> over_ = false;
  std::thread watcher_;
};

}  // namespace sluice::testing
