// SIGINT and SIGTERM end the active application: the first drains its stream (or cancels its jobs; a task that goes on for 3 s nevertheless is
// left behind), the second ends the process at once.
#pragma once

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

class ContextCore;

// The handlers are installed with the first context, and only over the default action. A thread of its own reads what they write.
class StopSignals {
 public:
  static void watch(ContextCore* context);
  static void forget(ContextCore* context);  // it is about to close
  static void closed();
  // The signal that ended the application; 0: none. main() turns it into the exit code 128 + signal.
  static int received();
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
