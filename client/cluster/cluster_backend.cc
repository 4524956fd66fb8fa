#include "client/cluster/cluster_backend.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "client/launch.h"
#include "common/clock.h"
#include "common/conf_keys.h"

namespace sluice {
namespace {

// How long a first session is tried for, and how long each of several masters.
constexpr std::int64_t kReachMs = 10'000;
constexpr std::int64_t kEachMasterMs = 2'000;

std::vector<std::string> executableFiles(const ImageTable& images) {
  std::vector<std::string> paths;
  for (std::size_t i = 1; i < images.images().size(); ++i) paths.push_back(images.images()[i].path);
  return paths;
}

}  // namespace

absl::Status ClusterBackend::prepare() {
  const Launch& here = launch();
  bool executable = here.files.empty();
  if (executable && !here.rerunsAsExecutor) {
    return absl::FailedPreconditionError(
        "this executable cannot run on a cluster: call sluice::runIfExecutor(argc, argv) first in main, or build a module and use sluice-submit");
  }
  images_ = here.images ? here.images : ImageTable::ofExecutable();
  if (auto status = package_.open(executable ? executableFiles(*images_) : here.files, executable, here.className); !status.ok()) return status;
  if (url_.kind != MasterUrl::Kind::kLocalCluster) return absl::OkStatus();
  daemons_ = std::make_unique<LocalDaemons>(settings_);
  std::string address;
  if (auto status = daemons_->start(url_, address); !status.ok()) return status;
  url_.addresses = {address};
  return absl::OkStatus();
}

absl::Status ClusterBackend::open(DriverEnd& end) {
  end_ = &end;
  aloneSince_ = SystemClock::read();
  GrpcLinkOptions options;
  options.self = {Role::kDriver, 0};
  if (auto status = readLinkSecret(settings_, options.secret); !status.ok()) return status;
  options.onDialFailure = [this](Peer to, const std::string& line, int) { onDialFailure(to, line); };
  link_ = std::make_unique<GrpcLink>(options, strand_, *this);
  if (auto status = link_->start(); !status.ok()) return status;
  link_->connect(kMasterPeer, url_.addresses[0]);
  return absl::OkStatus();
}

void ClusterBackend::close() {
  if (link_) link_->close();
  link_.reset();
  daemons_.reset();
}

void ClusterBackend::complete(proto::Submit& submit) { *submit.mutable_package() = package_.package(); }

void ClusterBackend::onSession(Peer with, bool up) {
  if (with != kMasterPeer) return end_->onSession(with, up);
  session_ = up;
  aloneSince_ = SystemClock::read();
  if (!up) return tell(false);
  wasUp_ = true;
  if (package_.package().images_size() == 0) return tell(true);
  package_.begin(*link_);
}

void ClusterBackend::tell(bool up) {
  if (std::exchange(told_, up) != up) end_->onSession(kMasterPeer, up);
}

void ClusterBackend::onMessage(Peer from, EnvelopePtr envelope) {
  const auto& message = envelope->message;
  if (from == kMasterPeer && message.has_have()) {
    if (package_.onHave(*link_, message.have())) tell(true);
    if (!package_.error().empty()) end_->lost(package_.error());
  } else if (from == kMasterPeer && message.has_refused()) {
    end_->lost("the master at " + masters() + " refused this driver: " + message.refused().why());
  } else {
    end_->onMessage(from, std::move(envelope));
  }
}

std::string ClusterBackend::masters() const {
  std::string all;
  for (const auto& address : url_.addresses) all += (all.empty() ? "" : ",") + address;
  return all;
}

void ClusterBackend::onDialFailure(Peer to, const std::string& line) {
  if (to != kMasterPeer || session_) return;
  Moment now = SystemClock::read();
  std::int64_t patienceMs = wasUp_ ? settings_.get(conf::kDriverTimeout).milliseconds() : kReachMs;
  if (now > aloneSince_ + Milliseconds(patienceMs)) {
    link_->disconnect(kMasterPeer);
    end_->lost("no master answers at " + masters() + " (" + line + "); is sluice-master running there?");
    return;
  }
  std::size_t turn = std::size_t((now.us - aloneSince_.us) / 1000 / kEachMasterMs) % url_.addresses.size();
  if (turn == master_) return;
  master_ = turn;
  link_->disconnect(kMasterPeer);
  link_->connect(kMasterPeer, url_.addresses[master_]);
}

}  // namespace sluice

// Called by libsluice when a cluster is named; the caller owns the backend. Null: `error` says why, in one line.
extern "C" SLUICE_EXPORT sluice::Backend* sluice_open_cluster(const sluice::Settings& settings, const sluice::MasterUrl& url, std::string* error) {
  auto backend = std::make_unique<sluice::ClusterBackend>(settings, url);
  if (auto status = backend->prepare(); !status.ok()) {
    *error = std::string(status.message());
    return nullptr;
  }
  return backend.release();
}
