#include "client/stop_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <thread>

#include "client/context_core.h"
#include "client/log.h"
#include "client/stream_core.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

constexpr int kEndMs = 3000, kLookMs = 50;  // how long a task may go on after its job was cancelled

std::atomic<int> receivedSignal{0};
int wakeFd = -1;

extern "C" void onStopSignal(int number) {
  int none = 0;
  if (!receivedSignal.compare_exchange_strong(none, number)) ::_exit(128 + number);
  int saved = errno;
  std::uint64_t one = 1;
  [[maybe_unused]] auto written = ::write(wakeFd, &one, sizeof one);
  errno = saved;
}

struct Watched {
  std::mutex mutex;
  ContextCore* context = nullptr;
  bool closing = false;  // it was forgotten, and is not closed yet
};
Watched& watched() {
  static auto* state = new Watched;
  return *state;
}

// Whether nothing of the engine keeps the driver from going on.
bool settled() {
  std::lock_guard lock(watched().mutex);
  return !watched().closing && (!watched().context || !watched().context->driver().hasJobs());
}

// A function of the user that does not return must not keep the process.
void endUnlessSettled() {
  for (int waited = 0; waited < kEndMs; waited += kLookMs) {
    ::poll(nullptr, 0, kLookMs);
    if (settled()) return;
  }
  constexpr char kLine[] = "a task did not stop within 3 s of the signal; the process ends without it\n";
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, kLine, sizeof kLine - 1);
  ::_exit(128 + receivedSignal.load());
}

void stopWatched() {
  ContextRef context;
  {
    std::lock_guard lock(watched().mutex);
    // A context that is being destroyed forgets itself first, under this lock.
    if (watched().context && tryRetain(watched().context->references)) context = ContextRef::adopt(watched().context);
  }
  if (!context) return;
  if (StreamRef stream = StreamCore::activeOf(context.get())) {
    try {
      bool gracefully = context->settings().get(sluice::conf::kStopGracefullyOnShutdown);
      if (gracefully) logLine(LogLevel::kInfo, "the stream stops when what it has received is processed; a second signal ends it now");
      stream->stop(false, gracefully);
    } catch (...) {  // the waiter is told of it
    }
  } else {
    context->driver().interrupt(std::string("stopped by ") + (StopSignals::received() == SIGINT ? "SIGINT" : "SIGTERM"));
    context = ContextRef();
    endUnlessSettled();
  }
}

void loop() {
  for (;;) {
    std::uint64_t count;
    if (::read(wakeFd, &count, sizeof count) < 0 && errno != EINTR) return;
    stopWatched();
  }
}

void install() {
  wakeFd = ::eventfd(0, EFD_CLOEXEC);
  if (wakeFd < 0) return;
  bool any = false;
  for (int number : {SIGINT, SIGTERM}) {
    struct sigaction old {};
    ::sigaction(number, nullptr, &old);
    if (old.sa_handler != SIG_DFL) continue;
    struct sigaction ours {};
    ours.sa_handler = &onStopSignal;
    ours.sa_flags = SA_RESTART;
    ::sigemptyset(&ours.sa_mask);
    ::sigaction(number, &ours, nullptr);
    any = true;
  }
  if (any) std::thread(&loop).detach();
}

}  // namespace

void StopSignals::watch(ContextCore* context) {
  static std::once_flag once;
  std::call_once(once, &install);
  std::lock_guard lock(watched().mutex);
  watched().context = context;
}

void StopSignals::forget(ContextCore* context) {
  std::lock_guard lock(watched().mutex);
  if (watched().context != context) return;
  watched().context = nullptr;
  watched().closing = true;
}

void StopSignals::closed() {
  std::lock_guard lock(watched().mutex);
  watched().closing = false;
}

int StopSignals::received() { return receivedSignal.load(); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
