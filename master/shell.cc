#include "master/shell.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/fail_point.h"
#include "common/rocksdb/rocksdb_journal.h"
#include "master/manifest_files.h"

namespace sluice::master {
namespace {

constexpr std::uint64_t kPieceBytes = 1 << 20;
constexpr std::size_t kSnapshotBytes = 4 << 20;  // of records before a snapshot stands for them: an hour or two of one-second batches, read in some 50 ms

std::string text(const absl::Status& status) { return std::string(status.message().data(), status.message().size()); }

absl::Status failure(const std::string& what, const std::string& path, int why) {
  return absl::FailedPreconditionError(what + " " + path + ": " + std::strerror(why));
}

std::string randomName() {
  std::random_device random;
  char name[17];
  std::snprintf(name, sizeof name, "%08x%08x", random(), random());
  return name;
}

}  // namespace

Shell::Shell(ShellOptions options) : options_(std::move(options)) {}

Shell::~Shell() { close(); }

absl::Status Shell::takeDirectory() {
  const std::string& directory = options_.workDirectory;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return failure("cannot make the work directory", directory, error.value());
  std::string path = directory + "/lock";
  lock_ = OwnedFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock_) return failure("cannot write in the work directory", directory, errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError("the work directory " + directory + " is in use by another sluice-master; give each its own --work-dir");
}

// The cluster's name tells this master's workers from those of another one that had the same address.
absl::Status Shell::readCluster(std::string& cluster) {
  std::string path = options_.workDirectory + "/cluster";
  char name[65] = {};
  OwnedFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ssize_t n = file ? ::read(file.get(), name, sizeof name - 1) : -1;
  if (n > 0) {
    cluster = std::string(name, std::size_t(n));
    return absl::OkStatus();
  }
  cluster = randomName();
  if (n < 0 || ::write(file.get(), cluster.data(), cluster.size()) != ssize_t(cluster.size()) || ::fsync(file.get()) != 0) {
    return failure("cannot write", path, errno);
  }
  return absl::OkStatus();
}

absl::Status Shell::open() {
  std::string cluster;
  if (auto status = takeDirectory(); !status.ok()) return status;
  if (auto status = readCluster(cluster); !status.ok()) return status;
  if (auto status = openRocksdbJournal(options_.workDirectory + "/journal", &journal_); !status.ok()) return status;
  packages_ = std::make_unique<PackageStore>(options_.workDirectory);
  files_ = std::make_unique<LoopThread>("sluice-files");
  timers_ = std::make_unique<Timers>(strand_, [this](TimerName timer) { run([&](Moment now) { machine_->onTimer(timer, now); }); });
  Options options;
  options.cluster = cluster;
  options.heartbeatTimeoutMs = options_.heartbeatTimeoutMs;
  options.driverTimeoutMs = options_.driverTimeoutMs;
  options.tellsDrivers = true;
  options.seed = std::random_device()();
  machine_ = std::make_unique<Machine>(options, *this);
  absl::Status status = replay();
  // The address is taken before the term begins: a second master on the port must not leave a trace.
  if (status.ok()) status = listen(cluster);
  if (!status.ok()) return status;
  journal_->onSynced([this](std::uint64_t sequence) { strand_.post([this, sequence] { onSynced(sequence); }); }, options_.fail);
  strand_.post([this] { run([this](Moment now) { machine_->start(now); }); });
  return absl::OkStatus();
}

// On the network, and on the Unix socket beside it, which is cheaper for neighbours on this host (tests/bench/README.md).
absl::Status Shell::listen(const std::string& cluster) {
  GrpcLinkOptions link;
  link.self = kMasterPeer;
  link.secret = options_.secret;
  link.cluster = cluster;
  absl::Status status;
  for (int tries = 0; tries < 5; ++tries) {
    std::uint16_t port = options_.port != 0 ? options_.port : freePort(options_.host);
    address_ = options_.host + ":" + std::to_string(port);
    std::vector<std::string> addresses{address_};
    if (std::string neighbour = port != 0 ? neighbourSocketAddress(address_) : ""; !neighbour.empty()) addresses.push_back(neighbour);
    link_ = std::make_unique<GrpcLink>(link, strand_, *this);
    status = link_->start(addresses);
    if (port == 0) address_ = link_->address();
    if (status.ok() || options_.port != 0) break;  // else somebody was faster on the port that was free
  }
  return status;
}

absl::Status Shell::replay() {
  absl::Status bad;
  std::uint64_t begun = 0;
  auto refuse = [&](std::uint64_t sequence, const char* why) {
    if (bad.ok()) bad = absl::DataLossError("the journal's record " + std::to_string(sequence) + " " + why);
  };
  auto status = journal_->replay(
      [&](std::uint64_t sequence, std::string_view bytes) {
        proto::JournalSnapshot state;
        if (!state.ParseFromArray(bytes.data(), int(bytes.size()))) return refuse(sequence, "is a snapshot that cannot be read");
        for (const auto& app : state.apps()) appIds_[app.submitted().app()] = app.submitted().app_id();
        snapshotSize_ = bytes.size(), begun = sequence;
        bad = machine_->restore(sequence, state);
      },
      [&](std::uint64_t sequence, std::string_view bytes) {
        proto::JournalRecord record;
        if (!bad.ok()) return;
        if (!record.ParseFromArray(bytes.data(), int(bytes.size()))) return refuse(sequence, "cannot be read");
        if (record.what_case() == proto::JournalRecord::WHAT_NOT_SET) return refuse(sequence, "was written by a newer version of Sluice");
        note(record);
        sinceSnapshot_ += bytes.size();
        if (auto applied = machine_->replay(sequence, record); !applied.ok()) bad = applied;
      },
      [&](const std::string& line) { options_.log(line); });
  appended_ = durable_ = journal_->last();
  if (status.ok() && bad.ok() && appended_ != 0) {
    options_.log("goes on after record " + std::to_string(appended_) + " of the journal" +
                 (begun != 0 ? ", from a snapshot at " + std::to_string(begun) : ""));
  }
  return status.ok() ? bad : status;
}

std::string Shell::url() const { return "sluice://" + address_; }

void Shell::close() {
  if (link_) link_->close();
  if (timers_) timers_->close();
  strand_.post([this] { closed_ = true; });
  if (files_) files_->close();
  strand_.drain();      // an event may run on the journal's thread
  journal_.reset();  // what was appended is written; a sync under way ends first
}

template <class Event> void Shell::run(Event event) {
  if (closed_) return;
  std::uint64_t before = appended_;
  event(SystemClock::read());
  if (appended_ == before) return;
  journal_->sync();
  if (sinceSnapshot_ >= std::max(kSnapshotBytes, 2 * snapshotSize_) || SLUICE_FAIL_POINT("master.snapshot")) snapshotJournal();
}

// Written by the journal's thread, after what it stands for.
void Shell::snapshotJournal() {
  std::string state;
  sinceSnapshot_ = 0;
  if (!machine_->journalSnapshot().SerializeToString(&state)) return;  // more than a message holds (2 GiB): the records stay
  snapshotSize_ = state.size();
  journal_->snapshot(appended_, std::move(state));
}

void Shell::onSynced(std::uint64_t sequence) {
  if (sequence <= durable_) return;
  durable_ = sequence;
  auto end = held_.upper_bound(sequence);
  for (auto it = held_.begin(); it != end; ++it) {
    if (sessions_[it->second.to] == it->second.session) link_->send(it->second.to, std::move(it->second.envelope));
  }
  held_.erase(held_.begin(), end);
  run([&](Moment now) { machine_->onSynced(sequence, now); });
}

void Shell::send(Peer to, EnvelopePtr envelope, std::uint64_t after) {
  if (after <= durable_) {
    link_->send(to, std::move(envelope));
  } else {
    held_.emplace(after, Held{to, std::move(envelope), sessions_[to]});
  }
}

void Shell::onSession(Peer with, bool up) {
  if (up) ++sessions_[with];
  run([&](Moment now) { machine_->onSession(with, up, now); });
}

void Shell::onMessage(Peer from, EnvelopePtr envelope) {
  if (envelope->message.has_put()) return keepPiece(from, envelope);
  if (envelope->message.has_have()) return givePiece(from, envelope);
  if (envelope->message.has_status() && envelope->message.status().id().empty()) return describeTo(from);
  run([&](Moment now) { machine_->onMessage(from, envelope, now); });
}

std::uint64_t Shell::append(const proto::JournalRecord& record) {
  note(record);
  std::string bytes;
  record.SerializeToString(&bytes);
  sinceSnapshot_ += bytes.size();
  return appended_ = journal_->append(std::move(bytes));
}

void Shell::note(const proto::JournalRecord& record) {
  if (record.has_app_submitted()) appIds_[record.app_submitted().app()] = record.app_submitted().app_id();
  if (record.has_app_finished()) logs_.erase(record.app_finished().app());
}

void Shell::describeTo(Peer to) {
  auto [envelope, reply] = compose(&proto::Message::mutable_status_reply);
  reply->set_found(true);
  reply->set_detail(machine_->describe());
  link_->send(to, envelope);
}

// ---- files ----

std::string Shell::appDirectory(AppId app) const {
  auto it = appIds_.find(app.value);
  return options_.workDirectory + "/apps/" + (it == appIds_.end() ? "app-" + std::to_string(app.value) : it->second);
}

void Shell::appendLog(AppId app, std::uint64_t position, const std::string& text) {
  OwnedFd& file = logs_[app.value];
  std::string directory = appDirectory(app), path = directory + "/out";
  if (!file) {
    std::error_code ignored;
    std::filesystem::create_directories(directory, ignored);
    file = OwnedFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    ssize_t n = file ? ::pwrite(file.get(), rest.data(), rest.size(), off_t(position)) : -1;
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return options_.fail("cannot write " + path + ": " + std::strerror(errno));
    position += std::uint64_t(n);
    rest.remove_prefix(std::size_t(n));
  }
}

void Shell::sendLog(Peer to, AppId app, std::uint64_t from) {
  OwnedFd file(::open((appDirectory(app) + "/out").c_str(), O_RDONLY | O_CLOEXEC));
  std::string piece(kPieceBytes, '\0');
  while (file) {
    ssize_t n = ::pread(file.get(), piece.data(), piece.size(), off_t(from));
    if (n <= 0) return;
    auto [envelope, lines] = compose(&proto::Message::mutable_lines);
    lines->set_app(app.value);
    lines->set_from(from);
    lines->set_text(piece.data(), std::size_t(n));
    link_->send(to, envelope);
    from += std::uint64_t(n);
  }
}

void Shell::writeManifest(AppId app, std::uint32_t stream, const std::string& directory, const proto::Manifest& manifest, int keep) {
  files_->post([this, app, stream, directory, manifest, keep] {
    auto status = master::writeManifest(directory, manifest, keep);
    std::int64_t when = manifest.when_ms();
    strand_.post([this, app, stream, when, error = status.ok() ? "" : text(status)] {
      run([&](Moment now) { machine_->onManifestWritten(app, stream, when, error, now); });
    });
  });
}

void Shell::readManifest(AppId app, std::uint32_t stream, const std::string& directory) {
  files_->post([this, app, stream, directory] {
    auto read = std::make_shared<ManifestRead>();
    auto status = master::readManifest(directory, *read);
    strand_.post([this, app, stream, read, error = status.ok() ? "" : text(status)] {
      run([&](Moment now) {
        machine_->onManifestRead(app, stream, read->manifest ? &*read->manifest : nullptr, error, read->warning, now);
      });
    });
  });
}

// ---- packages ----

void Shell::reply(Peer to, std::uint64_t hash, std::uint64_t upTo, const absl::Status& status) {
  auto [envelope, have] = compose(&proto::Message::mutable_have);
  have->set_hash(hash);
  have->set_up_to(upTo);
  if (!status.ok()) have->set_error(text(status));
  link_->send(to, envelope);
}

// A submitter's piece; answered with how far its file has come. An empty piece only asks.
void Shell::keepPiece(Peer from, const EnvelopePtr& envelope) {
  files_->post([this, from, envelope] {
    const auto& put = envelope->message.put();
    absl::Status status;
    if (!envelope->attachments.empty()) {
      status = packages_->write(put.hash(), put.size(), put.offset(), envelope->attachments[0].view());
      if (status.code() == absl::StatusCode::kDataLoss) status = absl::OkStatus();  // begins again
    }
    reply(from, put.hash(), packages_->upTo(put.hash(), put.size()), status);
  });
}

// A worker's request for the next piece.
void Shell::givePiece(Peer to, const EnvelopePtr& envelope) {
  files_->post([this, to, envelope] {
    const auto& have = envelope->message.have();
    Bytes bytes;
    std::uint64_t size = 0;
    auto status = packages_->read(have.hash(), have.up_to(), kPieceBytes, bytes, size);
    if (!status.ok()) return reply(to, have.hash(), 0, status);
    auto [piece, put] = compose(&proto::Message::mutable_put);
    put->set_hash(have.hash());
    put->set_offset(have.up_to());
    put->set_size(size);
    piece->attachments.push_back(std::move(bytes));
    link_->send(to, piece);
  });
}

}  // namespace sluice::master
