#include "sluice/piped_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "common/process.h"
#include "sluice/error.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kErrorBytes = 4 << 10;  // of standard error, kept for the message
constexpr int kLookMs = 100;                  // how often a waiting task looks whether it is cancelled

void dontBlock(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// A command that reads no more must not end this process by a signal: nobody knows what the application does with SIGPIPE.
ssize_t writeQuietly(int fd, std::string_view bytes) {
  sigset_t pipe, before;
  sigemptyset(&pipe), sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  ssize_t n = ::write(fd, bytes.data(), bytes.size());
  int why = errno;
  if (n < 0 && why == EPIPE && !sigismember(&before, SIGPIPE)) {
    timespec now{};
    while (::sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = why;
  return n;
}

}  // namespace

struct PipedCommand::Body {
  std::string text;  // the command, for messages
  Process process;
  OwnedFd& in;
  OwnedFd& out;
  OwnedFd& err;
  Buffer input;
  std::size_t written = 0;  // of input
  std::string output;       // what was read and not handed out
  std::size_t at = 0;
  std::string said;  // the last of standard error
  bool ended = false;  // no more input comes
  bool reaped = false;

  Body() : in(process.in), out(process.out), err(process.err) {}

  bool takeLine(std::string& line) {
    std::size_t end = output.find('\n', at);
    if (end == std::string::npos && (out || at == output.size())) {
      output.erase(0, at), at = 0;
      return false;
    }
    std::size_t next = end == std::string::npos ? output.size() : end + 1;
    std::size_t length = (end == std::string::npos ? next : end) - at;
    if (end != std::string::npos && length > 0 && output[at + length - 1] == '\r') --length;
    line.assign(output, at, length);
    at = next;
    return true;
  }

  void feed() {
    while (in && written < input.size()) {
      ssize_t n = writeQuietly(in.get(), input.view().substr(written));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) {  // it has read enough
        in.close();
        break;
      }
      written += std::size_t(n);
    }
    input.clear(), written = 0;
    if (ended) in.close();
  }

  static bool readSome(OwnedFd& from, std::string& to) {
    std::size_t before = to.size();
    to.resize(before + kReadBytes);
    ssize_t n = ::read(from.get(), to.data() + before, kReadBytes);
    to.resize(before + std::size_t(std::max<ssize_t>(n, 0)));
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) from.close();
    return n > 0;
  }

  void readError() {
    std::size_t before = said.size();
    if (!readSome(err, said)) return;
    // As Spark does: also where an executor's own messages go.
    [[maybe_unused]] ssize_t ignored = ::write(STDERR_FILENO, said.data() + before, said.size() - before);
    if (said.size() > 2 * kErrorBytes) said.erase(0, said.size() - kErrorBytes);
  }

  // Waits until something can be done, and does it. False: the command has ended, and all it said was read.
  bool turn() {
    pollfd fds[] = {{in && written < input.size() ? in.get() : -1, POLLOUT, 0}, {out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}, {process.exit.get(), POLLIN, 0}};
    if (::poll(fds, 4, kLookMs) < 0 && errno != EINTR) throwError(ErrorKind::kUnavailable, std::string("cannot wait for a command: ") + std::strerror(errno));
    if (fds[0].revents) feed();
    if (fds[1].revents) readSome(out, output);
    if (fds[2].revents) readError();
    bool quiet = !fds[1].revents && !fds[2].revents;
    return !(fds[3].revents && quiet);
  }

  // "grep x exited with 2: grep: x: No such file"
  void checkEnd() {
    int status = process.wait();
    reaped = true;
    if (exitCode(status) == 0) return;
    std::size_t from = said.size() > kErrorBytes ? said.size() - kErrorBytes : 0;
    std::string last;
    for (char c : said.substr(from)) last += c == '\n' || c == '\r' ? ' ' : c;
    while (!last.empty() && last.back() == ' ') last.pop_back();
    throwError(ErrorKind::kUserCode, "the command '" + text + "' " + describeExit(status) + (last.empty() ? "" : ": " + last));
  }
};

PipedCommand::PipedCommand(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment) {
  auto body = std::make_unique<Body>();
  for (const std::string& word : command) body->text += (body->text.empty() ? "" : " ") + word;
  ProcessSpec spec;
  spec.arguments = command;
  spec.environment.assign(environment.begin(), environment.end());
  spec.in = spec.out = spec.err = ProcessSpec::Stream::kPipe;
  spec.lifeline = false;
  absl::Status status = spawn(spec, body->process);
  if (!status.ok()) throwError(ErrorKind::kInvalidArgument, std::string_view(status.message().data(), status.message().size()));
  for (OwnedFd* fd : {&body->in, &body->out, &body->err}) dontBlock(fd->get());
  body_ = body.release();
}

PipedCommand::~PipedCommand() {
  std::unique_ptr<Body> body(body_);
  if (body->reaped || !body->process.exit) return;
  body->process.killGroup();
  body->process.wait();
}

PipedCommand::Step PipedCommand::next(std::string& line, const TaskContext& task) {
  for (;;) {
    if (body_->takeLine(line)) return Step::kLine;
    if (body_->reaped) return Step::kEnd;
    if (body_->in && body_->input.empty() && !body_->ended) return Step::kInput;
    if (task.cancelled()) throwError(ErrorKind::kUnavailable, "the task is not wanted any more");
    if (!body_->turn()) {
      body_->out.close();  // what it started and left behind may hold the other end
      body_->in.close();
      body_->checkEnd();
    }
  }
}

Buffer& PipedCommand::input() { return body_->input; }

void PipedCommand::endInput() {
  body_->ended = true;
  body_->feed();
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
