// The worker's process around its machine: link, timers, child processes, packages and logs on disk.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/grpc/grpc_link.h"
#include "common/package_store.h"
#include "common/strand.h"
#include "common/timers.h"
#include "worker/children.h"
#include "worker/machine.h"

namespace sluice::worker {

struct ShellOptions {
  std::string host;
  std::uint32_t slots = 1;
  std::uint64_t memoryBytes = 0;
  std::vector<std::string> masters;
  std::string workDirectory;
  ResourceMap resources;
  LinkSecretPtr secret;
  std::vector<std::pair<std::string, std::string>> environment;  // of executors and drivers, beside ours
  std::string localDirectory;  // where executors spill; empty: each decides
  std::int64_t heartbeatMs = 15'000;
  std::function<void(const std::string&)> log;             // one line; any thread
  std::function<void(const std::string& master)> registered;  // once
  std::function<void(int exitCode, const std::string& line)> leave;
};

// Everything runs on one thread (the strand's). Lies in the work directory: objects/, packages/, apps/<id>/executor-<x>.{out,err},
// apps/<id>/driver.{out,err}.
class Shell final : public Effects, public LinkHandler {
 public:
  explicit Shell(ShellOptions options);
  ~Shell() override;

  absl::Status open();
  void close();  // ends all children; not from the strand

 private:
  // Effects: on the strand.
  void send(Peer to, EnvelopePtr envelope, std::uint64_t) override { link_->send(to, std::move(envelope)); }
  void arm(TimerName timer, Moment at) override { timers_->arm(timer, at); }
  void disarm(TimerName timer) override { timers_->disarm(timer); }
  void log(const std::string& line) override { options_.log(line); }
  void connectMaster(std::size_t which) override;
  bool holds(const proto::Image& image) override { return packages_->has(image.hash(), image.size()); }
  absl::Status keep(const proto::Put& piece, const Bytes& bytes) override;
  std::uint64_t upTo(std::uint64_t hash, std::uint64_t size) override { return packages_->upTo(hash, size); }
  absl::Status startExecutor(const proto::StartExecutor& order) override;
  absl::Status startDriver(const proto::StartDriver& order) override;
  void endExecutor(ExecutorId executor, bool force) override;
  void endDriver(DriverId driver, bool force) override;
  std::uint64_t residentBytes(ExecutorId executor) override;
  void leave(int exitCode, const std::string& line) override { options_.leave(exitCode, line); }

  // LinkHandler: on the strand.
  void onMessage(Peer from, EnvelopePtr envelope) override;
  void onSession(Peer with, bool up) override;

  absl::Status makeDirectory(const std::string& name, std::string& path) const;
  std::string masterUrl() const;

  ShellOptions options_;
  std::unique_ptr<LoopThread> strand_;
  std::unique_ptr<PackageStore> packages_;
  std::unique_ptr<Children> children_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Timers> timers_;
  std::unique_ptr<GrpcLink> link_;

  // On the strand.
  std::size_t master_ = 0;
  bool told_ = false;
  bool closed_ = false;
};

}  // namespace sluice::worker
