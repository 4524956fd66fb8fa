// A process that a row starts: daemons, sluice-submit, the compiler, callgrind.
#pragma once
#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/reference/tcp.h"

namespace sluice::bench {

// Thrown by a row whose part of the engine is not there; printed as "not yet: ...".
class NotYet : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The path of an executable or a library of this build. Throws NotYet if it was not built.
std::string builtBinary(const std::string& name);   // bin/<name>
std::string builtLibrary(const std::string& name);  // lib/<name>

// Owns the process: killed and waited for when it goes out of scope. Stdout comes by readLine, stderr goes to a file.
class Child {
 public:
  // Throws std::runtime_error when it cannot be started.
  explicit Child(std::vector<std::string> arguments, const std::string& errorFile = "/dev/null",
                 std::vector<std::string> environment = {});
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // The next line of its stdout without the newline; nothing when it closed stdout or `seconds` have passed.
  std::optional<std::string> readLine(double seconds);
  // The first line that contains `what`; throws if it does not come in time.
  std::string waitForLine(const std::string& what, double seconds);
  void signal(int number) const;
  // Its exit code (128 + signal if a signal ended it). Throws if it is still there after `seconds`.
  int wait(double seconds);
  // CPU seconds, once waited for.
  double cpuSeconds() const;

 private:
  std::vector<std::string> arguments_;
  pid_t pid_ = -1;
  Fd out_;
  std::string pending_;
  bool ended_ = false;
  int status_ = 0;
  rusage usage_{};
};

// Runs to the end; throws with the last lines of stderr unless it exits with 0. Gives the seconds it took.
double runToEnd(const std::vector<std::string>& arguments, const std::string& scratch, double limitSeconds);

// From /proc: resident memory in MB, CPU seconds used so far, and the children of a process.
double residentMb(pid_t pid);
double cpuSecondsOf(pid_t pid);
std::vector<pid_t> childrenOf(pid_t pid);
std::string commandOf(pid_t pid);  // the name of its executable

}  // namespace sluice::bench
