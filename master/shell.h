// The master's process around its machine: link, journal, timers, the applications' logs and packages on disk.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/grpc/grpc_link.h"
#include "common/journal.h"
#include "common/package_store.h"
#include "common/process.h"
#include "common/strand.h"
#include "common/timers.h"
#include "master/machine.h"

namespace sluice::master {

struct ShellOptions {
  std::string host;
  std::uint16_t port = 0;  // 0: a free one
  std::string workDirectory;
  LinkSecretPtr secret;
  std::int64_t heartbeatTimeoutMs = 60'000;
  std::int64_t driverTimeoutMs = 60'000;
  std::function<void(const std::string&)> log;   // one line; any thread
  std::function<void(const std::string&)> fail;  // the master cannot go on: one line; any thread
};

// Everything of the machine runs on the strand, most of it on the link's polling thread; files that may take long on a thread beside.
// Lies in the work directory: lock, cluster, journal/, objects/, apps/<id>/out.
class Shell final : public Effects, public LinkHandler {
 public:
  explicit Shell(ShellOptions options);
  ~Shell() override;

  // Takes the directory, replays the journal, and listens. Errors are one line each.
  absl::Status open();
  std::string url() const;  // sluice://host:port
  void close();             // not from the strand

 private:
  struct Held {
    Peer to;
    EnvelopePtr envelope;
    std::uint64_t session;  // of that peer, counted: what was held for an older one goes with it
  };

  absl::Status takeDirectory();
  absl::Status readCluster(std::string& cluster);
  absl::Status replay();
  void snapshotJournal();
  absl::Status listen(const std::string& cluster);
  void note(const proto::JournalRecord& record);
  // Runs an event of the machine, then has what it appended made durable.
  template <class Event> void run(Event event);
  void onSynced(std::uint64_t sequence);

  // Effects: on the strand.
  void send(Peer to, EnvelopePtr envelope, std::uint64_t after) override;
  void arm(TimerName timer, Moment at) override { timers_->arm(timer, at); }
  void disarm(TimerName timer) override { timers_->disarm(timer); }
  void log(const std::string& line) override { options_.log(line); }
  std::uint64_t append(const proto::JournalRecord& record) override;
  void appendLog(AppId app, std::uint64_t position, const std::string& text) override;
  void sendLog(Peer to, AppId app, std::uint64_t from) override;
  void writeManifest(AppId app, std::uint32_t stream, const std::string& directory, const proto::Manifest& manifest, int keep) override;
  void readManifest(AppId app, std::uint32_t stream, const std::string& directory) override;

  // LinkHandler: on the strand.
  void onMessage(Peer from, EnvelopePtr envelope) override;
  void onSession(Peer with, bool up) override;

  void describeTo(Peer to);
  void keepPiece(Peer from, const EnvelopePtr& envelope);
  void givePiece(Peer to, const EnvelopePtr& envelope);
  std::string appDirectory(AppId app) const;
  void reply(Peer to, std::uint64_t hash, std::uint64_t upTo, const absl::Status& status);

  ShellOptions options_;
  OwnedFd lock_;
  Strand strand_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<PackageStore> packages_;  // used on files_ only
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Timers> timers_;
  std::unique_ptr<GrpcLink> link_;
  std::string address_;  // of the network
  std::unique_ptr<LoopThread> files_;

  // On the strand.
  std::uint64_t appended_ = 0, durable_ = 0;
  std::size_t sinceSnapshot_ = 0, snapshotSize_ = 0;  // bytes of records after it, and its own
  std::multimap<std::uint64_t, Held> held_;  // by the sequence they wait for
  std::map<Peer, std::uint64_t> sessions_;   // how many there were
  std::map<std::uint64_t, std::string> appIds_;
  std::map<std::uint64_t, OwnedFd> logs_;
  bool closed_ = false;
};

}  // namespace sluice::master
