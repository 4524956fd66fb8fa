#include "tests/bench/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/bench/row.h"

namespace sluice::bench {
namespace fs = std::filesystem;

namespace {

std::string built(const char* folder, const std::string& name) {
  fs::path path = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / folder / name;
  if (!fs::exists(path)) throw NotYet(std::string(folder) + "/" + name + " is not built");
  return path;
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string lastLine(const std::string& path) {
  std::string text = slurp(path);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// The fields of /proc/<pid>/stat after the name, which may hold blanks.
std::vector<std::string> statFields(pid_t pid) {
  std::string text = slurp("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream in(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::vector<std::string> fields;
  for (std::string field; in >> field;) fields.push_back(field);
  return fields;
}

}  // namespace

std::string builtBinary(const std::string& name) { return built("bin", name); }
std::string builtLibrary(const std::string& name) { return built("lib", name); }

Child::Child(std::vector<std::string> arguments, const std::string& errorFile, std::vector<std::string> environment)
    : arguments_(std::move(arguments)) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  out_ = Fd(ends[0]);
  Fd theirs(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), 1);
  posix_spawn_file_actions_addopen(&actions, 2, errorFile.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  std::vector<char*> argv, env;
  for (std::string& argument : arguments_) argv.push_back(argument.data());
  argv.push_back(nullptr);
  for (char** variable = environ; *variable; ++variable) env.push_back(*variable);
  for (std::string& variable : environment) env.push_back(variable.data());
  env.push_back(nullptr);
  int failed = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed) {
    pid_ = -1;
    throw std::runtime_error("cannot start " + arguments_[0] + ": " + std::strerror(failed));
  }
}

Child::~Child() {
  if (pid_ < 0 || ended_) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::optional<std::string> Child::readLine(double seconds) {
  double until = now() + seconds;
  for (;;) {
    if (std::size_t end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    double left = until - now();
    pollfd wanted{out_.get(), POLLIN, 0};
    if (left <= 0 || poll(&wanted, 1, int(left * 1000) + 1) <= 0) return std::nullopt;
    char bytes[4096];
    ssize_t got = read(out_.get(), bytes, sizeof bytes);
    if (got <= 0) return std::nullopt;
    pending_.append(bytes, std::size_t(got));
  }
}

std::string Child::waitForLine(const std::string& what, double seconds) {
  double until = now() + seconds;
  while (auto line = readLine(until - now()))
    if (line->find(what) != std::string::npos) return *line;
  throw std::runtime_error(fs::path(arguments_[0]).filename().string() + " did not print '" + what + "'");
}

void Child::signal(int number) const {
  if (!ended_) ::kill(pid_, number);
}

int Child::wait(double seconds) {
  if (!ended_) {
    Fd watched(int(syscall(SYS_pidfd_open, pid_, 0)));
    pollfd ended{watched.get(), POLLIN, 0};
    if (poll(&ended, 1, int(seconds * 1000)) <= 0)
      throw std::runtime_error(arguments_[0] + " is still running after " + std::to_string(int(seconds)) + " s");
    wait4(pid_, &status_, 0, &usage_);
    ended_ = true;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

double Child::cpuSeconds() const {
  auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  return seconds(usage_.ru_utime) + seconds(usage_.ru_stime);
}

double runToEnd(const std::vector<std::string>& arguments, const std::string& scratch, double limitSeconds) {
  std::string errors = scratch + "/stderr.txt";
  fs::remove(errors);
  double from = now();
  Child child(arguments, errors);
  while (child.readLine(limitSeconds)) {}
  int code = child.wait(limitSeconds);
  double took = now() - from;
  if (code != 0) throw std::runtime_error(fs::path(arguments[0]).filename().string() + " ended with " + std::to_string(code) + ": " + lastLine(errors));
  return took;
}

double residentMb(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stod(line.substr(6)) * 1024 / 1e6;
  return 0;
}

double cpuSecondsOf(pid_t pid) {
  auto fields = statFields(pid);
  if (fields.size() < 13) return 0;
  return (std::stod(fields[11]) + std::stod(fields[12])) / double(sysconf(_SC_CLK_TCK));
}

std::vector<pid_t> childrenOf(pid_t pid) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    auto fields = statFields(std::stoi(name));
    if (fields.size() > 1 && fields[1] == std::to_string(pid)) found.push_back(std::stoi(name));
  }
  return found;
}

std::string commandOf(pid_t pid) {
  std::error_code none;
  return fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", none).filename();
}

}  // namespace sluice::bench
