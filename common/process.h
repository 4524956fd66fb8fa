// Child processes that end when we do. A child inherits nothing but what is named here; by convention its descriptor 3 takes a crash
// record and 4 is its lifeline: when that reads end-of-file the parent is gone, however it went.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

inline constexpr int kCrashRecordFd = 3;
inline constexpr int kLifelineFd = 4;

// A descriptor that is closed with its owner.
class SLUICE_INTERNAL OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) close(), fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~OwnedFd() { close(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close();

 private:
  int fd_ = -1;
};

struct ProcessSpec {
  enum class Stream { kInherit, kPipe, kNull, kFile };
  std::vector<std::string> arguments;  // [0]: path of the program, or a name to be found in PATH
  std::vector<std::pair<std::string, std::string>> environment;  // beside ours
  std::string directory;                                         // empty: ours
  Stream in = Stream::kNull;  // or kPipe
  Stream out = Stream::kInherit, err = Stream::kInherit;
  std::string outFile, errFile;  // kFile: appended to
  bool crashRecord = false;
  bool lifeline = true;
};

// A running child. Ends nothing when it is dropped, but the lifeline closes then.
struct SLUICE_INTERNAL Process {
  pid_t pid = -1;
  OwnedFd exit;         // a pidfd: readable when the child has ended
  OwnedFd lifeline;     // write end; closing it tells the child to leave
  OwnedFd in;           // write end, if asked for
  OwnedFd out, err, crashRecord;  // read ends, if asked for

  void signal(int number) const;  // nothing if it is gone
  // Kills it and what it started. Also what is left of its group after it ended, until wait().
  void killGroup() const;
  // Waits for the end and gives what waitpid would; once.
  int wait();
};

// Thread-safe. The child has default signal handling, an empty signal mask and a process group of its own.
SLUICE_INTERNAL absl::Status spawn(const ProcessSpec& spec, Process& process);

// "exited with 3", "killed by signal 11 (Segmentation fault)".
SLUICE_INTERNAL std::string describeExit(int waitStatus);
// As a shell has it: the exit code, or 128 + signal.
SLUICE_INTERNAL int exitCode(int waitStatus);

// The last line of a file that is not empty; empty if there is none. For what a process said before it ended.
SLUICE_INTERNAL std::string lastLine(const std::string& path);

// Path of a program of ours: beside the running one, else in ../bin of libsluice's folder, else to be found in PATH.
SLUICE_INTERNAL std::string programPath(const std::string& name);

// Calls `gone` (on a thread of its own) when the lifeline reads end-of-file. For children of spawn().
SLUICE_INTERNAL void watchLifeline(std::function<void()> gone);

}  // namespace sluice
