#include "common/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace sluice {
namespace {

// Exit codes on their way from handlers and threads to wait().
int endings[2] = {-1, -1};
std::atomic<int> signals{0};

void push(int code) {
  auto byte = static_cast<unsigned char>(code);
  [[maybe_unused]] ssize_t n = ::write(endings[1], &byte, 1);
}

void onSignal(int number) {
  int saved = errno;
  if (signals.fetch_add(1) > 0) ::_exit(128 + number);
  push(0);
  errno = saved;
}

}  // namespace

DaemonEnd::DaemonEnd(bool lifeline) {
  [[maybe_unused]] int failed = ::pipe2(endings, O_CLOEXEC);
  struct sigaction action {};
  action.sa_handler = onSignal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  if (lifeline) watchLifeline([] { push(0); });
}

void DaemonEnd::leave(int exitCode) { push(exitCode); }

int DaemonEnd::wait() {
  unsigned char code = 0;
  while (::read(endings[0], &code, 1) < 0 && errno == EINTR) {
  }
  return code;
}

void removeTemporary(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  std::filesystem::remove(directory + ".err", ignored);
  std::filesystem::remove(std::filesystem::path(directory).parent_path(), ignored);  // only once it is empty
}

}  // namespace sluice
