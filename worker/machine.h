// The worker of one host: carries out the master's orders to start and stop executors and drivers, holds their packages, watches
// their memory, and tells how each ended. Schedules nothing; whether something is started again is the master's decision.
// Pure: see common/machine.h.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/machine.h"
#include "common/resource_settings.h"

namespace sluice::worker {

class Effects : public sluice::Effects {
 public:
  // Opens a session with the n-th of the masters that were named, instead of any other. onSession tells.
  virtual void connectMaster(std::size_t which) = 0;
  // Package files by content.
  virtual bool holds(const proto::Image& image) = 0;
  virtual absl::Status keep(const proto::Put& piece, const Bytes& bytes) = 0;
  virtual std::uint64_t upTo(std::uint64_t hash, std::uint64_t size) = 0;
  // Starts the process; onExecutorExit / onDriverExit tells how it ended. The package is whole.
  virtual absl::Status startExecutor(const proto::StartExecutor& order) = 0;
  virtual absl::Status startDriver(const proto::StartDriver& order) = 0;
  // Asks the process to end (`force`: kills it). It is gone when the exit is told.
  virtual void endExecutor(ExecutorId executor, bool force) = 0;
  virtual void endDriver(DriverId driver, bool force) = 0;
  virtual std::uint64_t residentBytes(ExecutorId executor) = 0;
  // The worker cannot go on: one line for its user. Ends the process and its children.
  virtual void leave(int exitCode, const std::string& line) = 0;
};

struct Options {
  WorkerId worker;           // random, new with each start
  std::uint64_t start = 0;   // moment of the start, for messages
  std::string host;          // this, not the address, is what "another host" compares
  std::uint32_t slots = 1;
  std::uint64_t memoryBytes = 0;
  ResourceMap resources;                // GPUs and the like
  std::vector<std::string> masters;     // addresses
  std::int64_t heartbeatMs = 15'000;
  std::int64_t connectMs = 5'000;       // how long one master is tried before the next
  std::int64_t giveUpMs = 15 * 60'000;  // without a session with any master
  std::int64_t endMs = 10'000;          // between asking a process to end and killing it
};

// What an executor may use before it is killed: its budget is what the engine counts, and user code, stacks and libraries come on top.
constexpr std::uint64_t memoryLimit(std::uint64_t budgetBytes) { return budgetBytes + budgetBytes / 2 + (128ull << 20); }

class Machine : public sluice::Machine {
 public:
  Machine(Options options, Effects& effects) : options_(std::move(options)), effects_(effects) {}

  void start(Moment now);
  void onMessage(Peer from, const EnvelopePtr& envelope, Moment now) override;
  void onSession(Peer with, bool up, Moment now) override;
  void onTimer(TimerName timer, Moment now) override;
  // `crash`: what the executor's crash record says, empty if it left none. `inUserCode`: it happened in a function of the application.
  void onExecutorExit(ExecutorId executor, const std::string& how, const std::string& crash, bool inUserCode);
  void onDriverExit(DriverId driver, int exitCode, const std::string& how);

  bool idle() const { return executors_.empty() && drivers_.empty(); }

 private:
  enum Timer : std::uint32_t { kHeartbeat = 1, kConnect, kMemory, kKillExecutor, kKillDriver };
  struct Executor {
    proto::StartExecutor order;
    bool running = false;  // else its package is arriving
    std::string verdict;   // why the worker killed it
  };
  struct Driver {
    proto::StartDriver order;
    bool running = false;
  };

  void enrol();
  void handle(const proto::Registered& registered);
  void handle(const proto::StartExecutor& order);
  void handle(const proto::StopExecutor& order, Moment now);
  void handle(const proto::StartDriver& order);
  void handle(const proto::StopDriver& order, Moment now);
  void handle(const proto::Put& piece, const Bytes& bytes);

  // Asks the master for the files of this package that are not here; false: all are here.
  bool ask(const proto::Package& package);
  void startWhatIsWhole();
  void failWaiting(std::uint64_t hash, const std::string& why);
  void runExecutor(Executor& executor);
  void runDriver(Driver& driver);
  void tellDown(EnvelopePtr envelope);
  void checkMemory();
  void giveUp(Moment now);

  Options options_;
  Effects& effects_;
  std::map<std::uint64_t, Executor> executors_;
  std::map<std::uint64_t, Driver> drivers_;
  std::map<std::uint64_t, proto::Image> asked_;  // package files under way, by hash
  bool session_ = false, registered_ = false;
  std::uint64_t term_ = 0;
  std::size_t master_ = 0;
  Moment aloneSince_;
  std::vector<EnvelopePtr> untold_;  // exits while there was no master to tell
};

}  // namespace sluice::worker
