// The master: registers workers and applications, schedules every job and batch, tracks what lies where, and decides.
// Pure: see common/machine.h. Never loads user code, never decodes a record.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/machine.h"

namespace sluice::master {

class Effects : public sluice::Effects {
 public:
  // Appends a record and returns its sequence; onSynced tells when it is durable. The machine applies it itself.
  virtual std::uint64_t append(const proto::JournalRecord& record) = 0;
  // Adds text to the application's log (what print gives) at the master; `position` is where it begins.
  virtual void appendLog(AppId app, std::uint64_t position, const std::string& text) = 0;
  // Sends the application's log from this position on to the peer, as Lines. New lines follow by send().
  virtual void sendLog(Peer to, AppId app, std::uint64_t from) = 0;
  // Writes the manifest of a checkpoint (temporary name, sync, rename, directory sync), removes checkpoints and files that no kept
  // manifest names, then onManifestWritten(app, stream, when, error).
  virtual void writeManifest(AppId app, std::uint32_t stream, const std::string& directory, const proto::Manifest& manifest,
                             int keep) = 0;
  // Reads the newest whole manifest in the directory, then onManifestRead(...).
  virtual void readManifest(AppId app, std::uint32_t stream, const std::string& directory) = 0;
};

struct Options {
  std::string cluster;              // random, kept by workers
  std::int64_t heartbeatTimeoutMs = 60'000;
  std::int64_t driverTimeoutMs = 60'000;  // sluice.driver.timeout
  std::int64_t executorGraceMs = 1'000;   // an executor without a session is waited for this long; 0: not at all
  std::uint64_t seed = 0;
  bool tellsDrivers = false;  // of what goes wrong with their applications; where both are one process, the log is the driver's
};

class State;  // everything that replay rebuilds, and what is known besides

class SLUICE_INTERNAL Machine : public sluice::Machine {
 public:
  Machine(Options options, Effects& effects);
  ~Machine() override;

  // Replay: before anything else, each record in order. Then start(now), which appends TermStarted.
  // A record of a newer version is refused.
  absl::Status replay(std::uint64_t sequence, const proto::JournalRecord& record);
  // Before any record is replayed: what stands for those up to `sequence`.
  absl::Status restore(std::uint64_t sequence, const proto::JournalSnapshot& snapshot);
  void start(Moment now);

  void onMessage(Peer from, const EnvelopePtr& envelope, Moment now) override;
  void onSession(Peer with, bool up, Moment now) override;
  void onTimer(TimerName timer, Moment now) override;
  void onSynced(std::uint64_t sequence, Moment now);
  void onManifestWritten(AppId app, std::uint32_t stream, std::int64_t whenMs, const std::string& error, Moment now);
  // `manifest` null and `error` empty: there is no checkpoint. `warning`: a torn one was passed over.
  void onManifestRead(AppId app, std::uint32_t stream, const proto::Manifest* manifest, const std::string& error,
                      const std::string& warning, Moment now);

  // local[N] and in-process clusters have no workers: their executors report themselves (Report) and belong to this application.
  void addExecutor(AppId app, ExecutorId executor);

  // One line per application and one per worker, for --status and pages.
  std::string describe() const;
  // All that replay rebuilds: equal for a machine and for another that replayed its journal. Stands for everything appended (or replayed) so far.
  proto::JournalSnapshot journalSnapshot() const;

 private:
  template <class Event> void handle(Moment now, Event event);

  std::unique_ptr<State> state_;
};

}  // namespace sluice::master
