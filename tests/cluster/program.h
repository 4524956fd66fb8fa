// A program of this build as a child of a test: its lines as they come, its end.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/process.h"

namespace sluice::testing {

// Folder of the programs of this build, and of its libraries.
std::string binFolder();
std::string libFolder();

class Program {
 public:
  // [0]: name of a program of this build. Output and errors are read line by line; `environment` is set beside ours.
  explicit Program(std::vector<std::string> arguments, std::vector<std::pair<std::string, std::string>> environment = {});
  ~Program();  // kills it, if it still runs
  Program(const Program&) = delete;

  // The first line from `from` on that fits; its index is told. Fails the test (throws) if the program ends, or 120 s pass, without one.
  std::string waitForLine(const std::function<bool(const std::string&)>& fits, std::size_t from = 0, std::size_t* index = nullptr);
  std::string waitForLine(const std::string& part, std::size_t from = 0);
  // Waits for the end; the exit code as a shell has it.
  int wait();
  void drain();  // waits until everything it printed was read
  void signal(int number) { process_.signal(number); }
  pid_t pid() const { return process_.pid; }
  std::vector<std::string> lines() const;   // of its output
  std::vector<std::string> errors() const;  // of its errors
  std::string describe() const;             // everything it said, for failures

 private:
  void read(int fd, std::vector<std::string>& to);

  std::vector<std::string> arguments_;
  Process process_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_, errors_;  // guarded by mutex_
  int open_ = 2;                             // pipes that are still read; guarded by mutex_
  std::thread out_, err_;
  int code_ = -1;
};

// Runs it to its end.
struct Finished {
  int code;
  std::vector<std::string> lines, errors;
  std::string error() const;  // the one line of its errors, or all of them joined by " | "
};
Finished finish(std::vector<std::string> arguments, std::vector<std::pair<std::string, std::string>> environment = {});

// A folder that goes with its owner.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

}  // namespace sluice::testing
