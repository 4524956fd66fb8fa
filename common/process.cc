#include "common/process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

extern char** environ;

namespace sluice {
namespace {

// Descriptors that are handed down must not lie where the child wants its own.
constexpr int kLowest = 10;

struct Pipe {
  OwnedFd read, write;
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    OwnedFd first(ends[0]), second(ends[1]);
    read = OwnedFd(::fcntl(first.get(), F_DUPFD_CLOEXEC, kLowest));
    write = OwnedFd(::fcntl(second.get(), F_DUPFD_CLOEXEC, kLowest));
    return read && write;
  }
};

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  void open(int fd, const char* path, int flags) { posix_spawn_file_actions_addopen(&actions_, fd, path, flags, 0644); }
  void give(int ours, int theirs) { posix_spawn_file_actions_adddup2(&actions_, ours, theirs); }
  void closeFrom(int fd) { posix_spawn_file_actions_addclosefrom_np(&actions_, fd); }
  void directory(const std::string& path) { posix_spawn_file_actions_addchdir_np(&actions_, path.c_str()); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none), sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<std::string> environmentOf(const ProcessSpec& spec) {
  std::vector<std::string> values;
  for (const auto& [name, value] : spec.environment) values.push_back(name + "=" + value);
  for (char** at = environ; *at; ++at) {
    std::string_view ours = *at;
    bool replaced = false;
    for (const auto& [name, value] : spec.environment) {
      replaced = replaced || (ours.size() > name.size() && ours.substr(0, name.size()) == name && ours[name.size()] == '=');
    }
    if (!replaced) values.emplace_back(ours);
  }
  return values;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> at;
  for (auto& text : texts) at.push_back(text.data());
  at.push_back(nullptr);
  return at;
}

// The child's `theirs` is the far end of a new pipe whose near end we keep.
bool addPipe(FileActions& actions, int theirs, bool childWrites, OwnedFd& ours, OwnedFd& far) {
  Pipe pipe;
  if (!pipe.open()) return false;
  ours = std::move(childWrites ? pipe.read : pipe.write);
  far = std::move(childWrites ? pipe.write : pipe.read);
  actions.give(far.get(), theirs);
  return true;
}

bool addStream(FileActions& actions, ProcessSpec::Stream stream, const std::string& file, int theirs, OwnedFd& ours, OwnedFd& far) {
  if (stream == ProcessSpec::Stream::kNull) actions.open(theirs, "/dev/null", O_WRONLY);
  if (stream == ProcessSpec::Stream::kFile) actions.open(theirs, file.c_str(), O_WRONLY | O_CREAT | O_APPEND);
  return stream != ProcessSpec::Stream::kPipe || addPipe(actions, theirs, true, ours, far);
}

}  // namespace

void OwnedFd::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

absl::Status spawn(const ProcessSpec& spec, Process& process) {
  auto failed = [&](const char* what, int why) {
    return absl::UnavailableError(std::string(what) + " " + spec.arguments[0] + ": " + std::strerror(why));
  };
  FileActions actions;
  OwnedFd farIn, farOut, farErr, farCrash, farLifeline;
  bool feeds = spec.in == ProcessSpec::Stream::kPipe;
  if (!feeds) actions.open(0, "/dev/null", O_RDONLY);
  bool piped = (!feeds || addPipe(actions, 0, false, process.in, farIn)) && addStream(actions, spec.out, spec.outFile, 1, process.out, farOut) &&
               addStream(actions, spec.err, spec.errFile, 2, process.err, farErr) &&
               (!spec.crashRecord || addPipe(actions, kCrashRecordFd, true, process.crashRecord, farCrash)) &&
               (!spec.lifeline || addPipe(actions, kLifelineFd, false, process.lifeline, farLifeline));
  if (!piped) return failed("cannot make the pipes of", errno);
  if (!spec.crashRecord) actions.open(kCrashRecordFd, "/dev/null", O_WRONLY);
  actions.closeFrom(spec.lifeline ? kLifelineFd + 1 : kLifelineFd);
  if (!spec.directory.empty()) actions.directory(spec.directory);
  Attributes attributes;
  std::vector<std::string> arguments = spec.arguments, environment = environmentOf(spec);
  int why = ::posix_spawnp(&process.pid, arguments[0].c_str(), actions.get(), attributes.get(), pointers(arguments).data(), pointers(environment).data());
  if (why != 0) return failed("cannot start", why);
  process.exit = OwnedFd(int(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (!process.exit) {
    why = errno;
    ::kill(process.pid, SIGKILL);
    return failed("cannot watch", why);
  }
  ::fcntl(process.exit.get(), F_SETFD, FD_CLOEXEC);
  return absl::OkStatus();
}

void Process::signal(int number) const {
  if (exit) ::syscall(SYS_pidfd_send_signal, exit.get(), number, nullptr, 0);
}

void Process::killGroup() const {
  if (pid > 0) ::kill(-pid, SIGKILL);
}

int Process::wait() {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string describeExit(int waitStatus) {
  if (WIFEXITED(waitStatus)) return "exited with " + std::to_string(WEXITSTATUS(waitStatus));
  int number = WTERMSIG(waitStatus);
  const char* name = sigdescr_np(number);
  return "killed by signal " + std::to_string(number) + (name ? std::string(" (") + name + ")" : "");
}

int exitCode(int waitStatus) { return WIFEXITED(waitStatus) ? WEXITSTATUS(waitStatus) : 128 + WTERMSIG(waitStatus); }

std::string lastLine(const std::string& path) {
  std::ifstream file(path);
  std::string line, last;
  while (std::getline(file, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

std::string programPath(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path beside = fs::read_symlink("/proc/self/exe", ignored).parent_path() / name;
  if (fs::exists(beside, ignored)) return beside;
  Dl_info library{};
  if (::dladdr(reinterpret_cast<const void*>(&programPath), &library) != 0 && library.dli_fname) {
    fs::path other = fs::weakly_canonical(library.dli_fname, ignored).parent_path().parent_path() / "bin" / name;
    if (fs::exists(other, ignored)) return other;
  }
  return name;
}

void watchLifeline(std::function<void()> gone) {
  std::thread([gone = std::move(gone)] {
    char ignored[64];
    for (;;) {
      ssize_t n = ::read(kLifelineFd, ignored, sizeof ignored);
      if (n == 0 || (n < 0 && errno != EINTR)) break;
    }
    gone();
  }).detach();
}

}  // namespace sluice
