#include "client/stop_signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <thread>

#include "client/context_core.h"
#include "client/stream_core.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

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
};
Watched& watched() {
  static auto* state = new Watched;
  return *state;
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
      stream->stop(false, true);
    } catch (...) {  // the waiter is told of it
    }
  } else {
    context->driver().interrupt(std::string("stopped by ") + (StopSignals::received() == SIGINT ? "SIGINT" : "SIGTERM"));
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
  if (watched().context == context) watched().context = nullptr;
}

int StopSignals::received() { return receivedSignal.load(); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
