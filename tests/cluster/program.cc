#include "tests/cluster/program.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace sluice::testing {
namespace {

namespace fs = std::filesystem;
constexpr auto kPatience = std::chrono::seconds(120);  // against hanging tests; nothing depends on it

}  // namespace

std::string binFolder() { return fs::path(programPath("sluice-submit")).parent_path(); }
std::string libFolder() { return fs::path(binFolder()).parent_path() / "lib"; }

Program::Program(std::vector<std::string> arguments, std::vector<std::pair<std::string, std::string>> environment) : arguments_(std::move(arguments)) {
  ProcessSpec spec;
  spec.arguments = arguments_;
  if (spec.arguments[0].find('/') == std::string::npos) spec.arguments[0] = programPath(arguments_[0]);
  spec.environment = std::move(environment);
  spec.out = spec.err = ProcessSpec::Stream::kPipe;
  spec.lifeline = false;
  if (auto status = spawn(spec, process_); !status.ok()) throw std::runtime_error(std::string(status.message()));
  out_ = std::thread([this] { read(process_.out.get(), lines_); });
  err_ = std::thread([this] { read(process_.err.get(), errors_); });
}

Program::~Program() {
  if (code_ < 0) {
    process_.killGroup();
    process_.signal(SIGKILL);
    process_.wait();
  }
  out_.join();
  err_.join();
}

void Program::read(int fd, std::vector<std::string>& to) {
  std::string rest;
  char bytes[4096];
  for (;;) {
    ssize_t n = ::read(fd, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    std::lock_guard lock(mutex_);
    if (n > 0) rest.append(bytes, std::size_t(n));
    for (std::size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) to.push_back(rest.substr(0, end));
    if (n <= 0) {
      if (!rest.empty()) to.push_back(rest);
      --open_;
    }
    changed_.notify_all();
    if (n <= 0) return;
  }
}

std::string Program::waitForLine(const std::function<bool(const std::string&)>& fits, std::size_t from, std::size_t* index) {
  auto until = std::chrono::steady_clock::now() + kPatience;
  std::unique_lock lock(mutex_);
  for (std::size_t at = from;;) {
    for (; at < lines_.size(); ++at) {
      if (!fits(lines_[at])) continue;
      if (index) *index = at;
      return lines_[at];
    }
    bool late = changed_.wait_until(lock, until) == std::cv_status::timeout;
    if ((late || open_ == 0) && at >= lines_.size()) {
      lock.unlock();
      throw std::runtime_error(std::string(late ? "no such line came in time" : "it ended without such a line") + describe());
    }
  }
}

std::string Program::waitForLine(const std::string& part, std::size_t from) {
  return waitForLine([&](const std::string& line) { return line.find(part) != std::string::npos; }, from);
}

int Program::wait() {
  if (code_ >= 0) return code_;
  pollfd ended{process_.exit.get(), POLLIN, 0};
  int n;
  while ((n = ::poll(&ended, 1, int(std::chrono::milliseconds(kPatience).count()))) < 0 && errno == EINTR) {
  }
  if (n == 0) throw std::runtime_error("it did not end in time" + describe());
  process_.killGroup();
  code_ = exitCode(process_.wait());
  drain();  // what it said last may still be on its way
  return code_;
}

void Program::drain() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [this] { return open_ == 0; })) throw std::runtime_error(arguments_[0] + " has ended, and others go on writing for it");
}

std::vector<std::string> Program::lines() const {
  std::lock_guard lock(mutex_);
  return lines_;
}

std::vector<std::string> Program::errors() const {
  std::lock_guard lock(mutex_);
  return errors_;
}

std::string Program::describe() const {
  std::string text = "\n--- " + arguments_[0];
  std::lock_guard lock(mutex_);
  for (const auto& line : lines_) text += "\n" + line;
  for (const auto& line : errors_) text += "\n! " + line;
  return text + "\n---";
}

std::string Finished::error() const {
  std::string all;
  for (const auto& line : errors) all += (all.empty() ? "" : " | ") + line;
  return all;
}

Finished finish(std::vector<std::string> arguments, std::vector<std::pair<std::string, std::string>> environment) {
  Program program(std::move(arguments), std::move(environment));
  int code = program.wait();
  program.drain();
  return {code, program.lines(), program.errors()};
}

TestFolder::TestFolder() {
  std::string name = (fs::temp_directory_path() / "sluice-test-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TestFolder::write(const std::string& name, const std::string& content) const {
  fs::create_directories(fs::path(path(name)).parent_path());
  std::ofstream(path(name)) << content;
  return path(name);
}

}  // namespace sluice::testing
