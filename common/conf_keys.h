// Every setting there is: one table, which also checks values and prints `--help conf`. A key is added here together
// with the code that reads it.
#pragma once
#include <cstdint>
#include <string>

#include "sluice/time.h"

namespace sluice {

enum class ConfType : std::uint8_t { kText, kFlag, kCount, kNumber, kSize, kTime };

// `unit`: what a bare number means, as in Spark ("ms", "s" for times, "b", "m" for sizes); of a text that may have few values, these, with |
// between; of a count or number that may be 0, "0". `standard`: "" is not set. NAME in a name stands for any word.
struct ConfKey {
  const char* name;
  ConfType type;
  const char* standard;
  const char* unit;
  const char* doc;
};

template <class T>
struct ConfTypeOf;
template <>
struct ConfTypeOf<std::string> {
  static constexpr ConfType value = ConfType::kText;
};
template <>
struct ConfTypeOf<bool> {
  static constexpr ConfType value = ConfType::kFlag;
};
template <>
struct ConfTypeOf<std::int64_t> {
  static constexpr ConfType value = ConfType::kCount;
};
template <>
struct ConfTypeOf<double> {
  static constexpr ConfType value = ConfType::kNumber;
};
template <>
struct ConfTypeOf<struct ByteCount> {
  static constexpr ConfType value = ConfType::kSize;
};
template <>
struct ConfTypeOf<Duration> {
  static constexpr ConfType value = ConfType::kTime;
};

// A size in bytes.
struct ByteCount {
  std::uint64_t bytes = 0;
  friend constexpr auto operator<=>(ByteCount, ByteCount) = default;
};

// What T's key is called in code: settings.get(conf::kBlockInterval) is a Duration.
template <class T>
struct Key {
  ConfKey entry;
};

// X(constant, type, name, standard, unit, doc)
#define SLUICE_CONF_KEYS(X)                                                                                            \
  X(kAppName, std::string, "app.name", "", "", "Name of the application, as shown in lists and logs")                  \
  X(kMaster, std::string, "master", "", "",                                                                            \
    "local, local[N], local[N,F], local[*], local-cluster[n,cores,memoryMb] or sluice://HOST:PORT")                    \
  X(kDeployMode, std::string, "submit.deployMode", "client", "", "client: the driver runs here; cluster: on a worker") \
  X(kWaitAppCompletion, bool, "submit.waitAppCompletion", "false", "",                                                 \
    "--deploy-mode cluster: sluice-submit stays until the driver has ended")                                           \
  X(kExecutorMemory, ByteCount, "executor.memory", "", "m",                                                            \
    "Budget of one executor for blocks, caches, tables and state; else the worker's --memory")                         \
  X(kExecutorCores, std::int64_t, "executor.cores", "", "",                                                            \
    "Task slots of one executor; else all that the worker offers")                                                     \
  X(kCoresMax, std::int64_t, "cores.max", "", "",                                                                      \
    "Task slots of the application over the whole cluster; else all there are")                                        \
  X(kDefaultParallelism, std::int64_t, "default.parallelism", "", "",                                                  \
    "Partitions where no count is named; else the slots of the application")                                           \
  X(kTaskMaxFailures, std::int64_t, "task.maxFailures", "4", "",                                                       \
    "Tries of a task before its job fails (local[N]: 1, local[N,F]: F)")                                               \
  X(kWorkerResource, std::int64_t, "worker.resource.NAME.amount", "", "",                                               \
    "sluice-worker offers so many addresses of NAME (gpu) to executors")                                                \
  X(kWorkerResourceScript, std::string, "worker.resource.NAME.discoveryScript", "", "",                                \
    "Prints them, as {\"name\": \"gpu\", \"addresses\": [\"0\", \"1\"]}")                                                \
  X(kExecutorResource, std::int64_t, "executor.resource.NAME.amount", "", "",                                           \
    "Addresses of NAME that each executor has to itself")                                                              \
  X(kExecutorResourceScript, std::string, "executor.resource.NAME.discoveryScript", "", "",                            \
    "local[N]: prints which they are; elsewhere its worker gives them to an executor")                                 \
  X(kTaskResource, double, "task.resource.NAME.amount", "", "",                                                         \
    "Addresses that a task has to itself while it runs; at most 0.5: so many tasks share one")                         \
  X(kDriverResource, std::int64_t, "driver.resource.NAME.amount", "", "", "Addresses of NAME for Context::resources()") \
  X(kDriverResourceScript, std::string, "driver.resource.NAME.discoveryScript", "", "", "Prints which they are")        \
  X(kBarrierSyncTimeout, Duration, "barrier.sync.timeout", "365d", "s",                                                \
    "Tasks of a barrier stage wait in barrier() and allGather() for so long at most, then all are tried again")        \
  X(kReaperKillTimeout, Duration, "task.reaper.killTimeout", "20s", "ms",                                              \
    "setJobGroup(…, interruptOnCancel): an executor is replaced whose cancelled task goes on for longer")              \
  X(kSchedulerMode, std::string, "scheduler.mode", "FIFO", "FIFO|FAIR",                                                \
    "FIFO: executors run older jobs and batches first; FAIR: they share their slots between pools")                   \
  X(kPoolWeight, std::int64_t, "scheduler.pool.NAME.weight", "1", "",                                                  \
    "Slots that the pool gets in comparison to others; a job's pool is the local property sluice.scheduler.pool")      \
  X(kPoolMinShare, std::int64_t, "scheduler.pool.NAME.minShare", "0", "0",                                             \
    "Slots of the application that the pool gets before others get more than theirs")                                 \
  X(kPoolMode, std::string, "scheduler.pool.NAME.mode", "FIFO", "FIFO|FAIR", "How jobs within the pool share its slots") \
  X(kShowConsoleProgress, bool, "ui.showConsoleProgress", "true", "",                                                  \
    "A job that runs for longer than a second shows how far its stages are, if stderr is a terminal")                  \
  X(kShuffleReuse, bool, "shuffle.reuse", "true", "",                                                                   \
    "What map tasks have made is kept while its dataset lives, and later jobs skip the stages that would make it again") \
  X(kAuthenticate, bool, "authenticate", "", "",                                                                       \
    "Processes of a cluster prove to each other that they know the secret, and encrypt what they send; on where a secret is named")  \
  X(kAuthenticateSecretFile, std::string, "authenticate.secret.file", "", "",                                           \
    "File of the secret that all processes of a cluster share, at least 16 characters, readable by its owner alone")    \
  X(kRedactionRegex, std::string, "redaction.regex", "secret|password|token|access[.]?key", "",                        \
    "Settings, and arguments KEY=VALUE, whose name this is found in, in whatever case, are shown without their value")   \
  X(kBroadcastBlockSize, ByteCount, "broadcast.blockSize", "4m", "k",                                                   \
    "Larger broadcast values travel between executors in blocks of this size")                                         \
  X(kArchives, std::string, "archives", "", "",                                                                        \
    "Archives for Context::addArchive, commas between, as --archives of sluice-submit")                                \
  X(kArchivesMaxSize, ByteCount, "archives.maxUnpackedSize", "10g", "b",                                               \
    "An archive that would have more bytes than this when it is unpacked is refused")                                  \
  X(kDriverTimeout, Duration, "driver.timeout", "60s", "s",                                                            \
    "A client-mode application ends when its driver has been gone for this long")                                      \
  X(kDriverMaxResultSize, ByteCount, "driver.maxResultSize", "1g", "b",                                                \
    "An action whose results are larger than this fails; 0: no limit")                                                 \
  X(kBlockInterval, Duration, "streaming.blockInterval", "200ms", "ms",                                                \
    "A receiver's block is closed after this time at the latest")                                                      \
  X(kReceiverMaxRate, std::int64_t, "streaming.receiver.maxRate", "", "",                                              \
    "Records per second that a receiver takes one by one at most, lines of text too; else no limit")                      \
  X(kBackpressure, bool, "streaming.backpressure.enabled", "false", "",                                                \
    "Receivers take no more records per second than the last batches were processed at")                               \
  X(kBackpressureInitialRate, std::int64_t, "streaming.backpressure.initialRate", "", "",                              \
    "Records per second of a receiver until the second batch is done; else sluice.streaming.receiver.maxRate")          \
  X(kRateEstimator, std::string, "streaming.backpressure.rateEstimator", "pid", "pid",                                 \
    "How the next rate follows from the last batch")                                                                   \
  X(kPidProportional, double, "streaming.backpressure.pid.proportional", "1.0", "0",                                   \
    "How much the rate follows what was processed per second")                                                         \
  X(kPidIntegral, double, "streaming.backpressure.pid.integral", "0.2", "0",                                           \
    "How much the rate falls for what waits to be processed")                                                          \
  X(kPidDerived, double, "streaming.backpressure.pid.derived", "0.0", "0",                                             \
    "How much the rate follows the change of what was processed per second")                                           \
  X(kPidMinRate, double, "streaming.backpressure.pid.minRate", "100", "",                                              \
    "Records per second that a receiver is never held below")                                                          \
  X(kReceiverRestartDelay, Duration, "streaming.receiverRestartDelay", "2s", "ms",                                     \
    "Wait before a receiver that failed is started again")                                                             \
  X(kCheckpointDirectory, std::string, "streaming.checkpoint.directory", "", "",                                       \
    "Where streams keep their checkpoints, as checkpoint(dir)")                                                        \
  X(kStopContextByDefault, bool, "streaming.stopContextByDefault", "true", "",                                         \
    "StreamingContext::stop() without a word about it also stops the Context")                                        \
  X(kStopGracefullyOnShutdown, bool, "streaming.stopGracefullyOnShutdown", "true", "",                                 \
    "The first Ctrl-C or SIGTERM lets a stream process what it has received; false: it stops at once")                \
  X(kGracefulStopTimeout, Duration, "streaming.gracefulStopTimeout", "", "ms",                                         \
    "Longest wait of a graceful stop; else ten batch intervals")                                                       \
  X(kMinRememberDuration, Duration, "streaming.fileStream.minRememberDuration", "60s", "s",                            \
    "Files older than this are not looked at")                                                                         \
  X(kStateStore, std::string, "streaming.stateStore", "memory", "",                                                     \
    "Where mapWithState and event-time windows keep their state: memory, or rocksdb for states larger than memory")     \
  X(kLocalIsolate, bool, "local.isolate", "", "",                                                                      \
    "local[N]: operators run from a second copy of the module (on under sluice-submit)")                               \
  X(kLocalDir, std::string, "local.dir", "", "", "Where executors spill; else $TMPDIR, else /tmp")                     \
  X(kWorkDir, std::string, "work.dir", "", "",                                                                         \
    "Where daemons keep journals, packages and logs; else $XDG_STATE_HOME/sluice, as root /var/lib/sluice")            \
  X(kWorkerTimeout, Duration, "worker.timeout", "60s", "s", "A worker that has not been heard of for this long is lost")

namespace conf {
#define SLUICE_CONF_CONSTANT(constant, type, name, standard, unit, doc) \
  inline constexpr Key<type> constant{{"sluice." name, ConfTypeOf<type>::value, standard, unit, doc}};
SLUICE_CONF_KEYS(SLUICE_CONF_CONSTANT)
#undef SLUICE_CONF_CONSTANT
}  // namespace conf

inline constexpr ConfKey kConfKeys[] = {
#define SLUICE_CONF_ENTRY(constant, type, name, standard, unit, doc) conf::constant.entry,
    SLUICE_CONF_KEYS(SLUICE_CONF_ENTRY)
#undef SLUICE_CONF_ENTRY
};

}  // namespace sluice
