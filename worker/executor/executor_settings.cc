#include "worker/executor/executor_settings.h"

#include <ctime>

#include "common/conf_keys.h"
#include "sluice/error.h"

namespace sluice::executor {
namespace {

std::int64_t steadyMicroseconds() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

}  // namespace

void applySettings(const Settings& settings, Options& options) {
  options.blockInterval = settings.get(conf::kBlockInterval);
  options.receiverRestartDelay = settings.get(conf::kReceiverRestartDelay);
  options.receiverMaxRate = double(settings.find(conf::kReceiverMaxRate).value_or(0));
}

RuntimeOptions runtimeOptionsOf(const Options& options, const Settings& settings) {
  RuntimeOptions own{options.slots, options.memoryBytes, options.spillDirectory, {}, options.resources, resourceAmounts(settings, "task"), &steadyMicroseconds};
  std::string store = settings.get(conf::kStateStore);
  if (store == "rocksdb") own.states = rocksdbStates();
  else if (store != "memory") throwError(ErrorKind::kInvalidArgument, "sluice.streaming.stateStore is '" + store + "'; it must be memory or rocksdb");
  return own;
}

}  // namespace sluice::executor
