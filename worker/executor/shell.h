// The executor's process around its machine: link, timers, slots, and the application's code.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/grpc/grpc_link.h"
#include "common/images.h"
#include "common/spill_folder.h"
#include "common/strand.h"
#include "common/timers.h"
#include "worker/executor/code.h"
#include "worker/executor/machine.h"
#include "worker/executor/runtime.h"
#include "worker/executor/slot_threads.h"

namespace sluice::executor {

struct ShellOptions {
  proto::StartExecutor order;
  std::string master;  // address
  std::string host;
  std::string localDirectory;
  std::shared_ptr<ImageTable> images;
  LinkSecretPtr secret;
  std::string failed;  // why the package cannot be loaded: told to the master, and nothing else is done
};

// The machine runs on a strand, most of it on the thread that polls the link; polling and tasks share the slots' threads, syncs and fetches
// have one more, each receiver and planner its own. The process never returns from user code in order: leave() ends it.
class Shell final : public Effects, public LinkHandler, public CodeResolver {
 public:
  explicit Shell(ShellOptions options);
  ~Shell() override;

  absl::Status open();
  // Ends the process at once, without a word of user code: nothing in memory must survive. Any thread.
  [[noreturn]] void leave(int exitCode);
  // Lets the application close what its functions kept in this executor; waits for that for so long at most.
  void closeResources(std::chrono::milliseconds atMost);

 private:
  // Effects
  void send(Peer to, EnvelopePtr envelope, std::uint64_t) override { link_->send(to, std::move(envelope)); }
  void arm(TimerName timer, Moment at) override { timers_->arm(timer, at); }
  void disarm(TimerName timer) override { timers_->disarm(timer); }
  void log(const std::string& line) override;
  void run(std::shared_ptr<const TaskSpec> task) override;
  void aboutToWait() override { slots_->aboutToWait(); }
  void background(std::function<void()> work, std::function<void(Moment)> done) override;
  void startThread(std::function<void()> body) override;
  void post(std::function<void(Moment)> event) override;
  void giveUp(const std::string& why) override;
  void connect(Peer to, const std::string& address) override { link_->connect(to, address); }

  // LinkHandler: on the strand.
  void onMessage(Peer from, EnvelopePtr envelope) override;
  void onSession(Peer with, bool up) override;

  const void* resolve(std::uint32_t image, std::uint64_t offset, std::uint64_t magic) override;
  absl::Status listen();
  void reportFailure();

  ShellOptions options_;
  SpillFolder spill_;
  Moment opened_;
  bool wasUp_ = false;  // there was a session with the master; on the strand
  std::string socket_;  // path of the Unix socket listened on; empty: none
  Strand strand_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Timers> timers_;
  std::unique_ptr<GrpcLink> link_;
  std::unique_ptr<LoopThread> disk_;

  std::unique_ptr<SlotThreads> slots_;
};

}  // namespace sluice::executor
