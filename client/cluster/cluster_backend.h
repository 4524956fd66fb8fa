// A cluster of processes behind a Context: an existing one (sluice://…) or one started for it (local-cluster[…]).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "client/backend.h"
#include "client/cluster/local_daemons.h"
#include "client/cluster/package_upload.h"
#include "common/master_url.h"
#include "common/grpc/grpc_link.h"
#include "common/strand.h"

namespace sluice {

// The driver hears of a session with the master once the application's package is there.
class ClusterBackend final : public Backend, public Waiter, public LinkHandler {
 public:
  ClusterBackend(const Settings& settings, MasterUrl url) : settings_(settings), url_(std::move(url)) {}
  ~ClusterBackend() override { close(); }
  // Reads the package, and starts the daemons of a local cluster. Before open().
  absl::Status prepare();

  absl::Status open(DriverEnd& end) override;
  void close() override;
  Link& link() override { return *link_; }
  Waiter& waiter() override { return *this; }
  ImageTable& images() override { return *images_; }
  void complete(proto::Submit& submit) override;

 private:
  void onMessage(Peer from, EnvelopePtr envelope) override;
  void onSession(Peer with, bool up) override;
  void onDialFailure(Peer to, const std::string& line);
  void tell(bool up);
  std::string masters() const;

  const Settings settings_;
  MasterUrl url_;
  std::shared_ptr<ImageTable> images_;
  std::unique_ptr<LocalDaemons> daemons_;
  Strand strand_;
  std::unique_ptr<GrpcLink> link_;

  // On the strand.
  PackageUpload package_;
  DriverEnd* end_ = nullptr;
  bool session_ = false, told_ = false, wasUp_ = false;
  std::size_t master_ = 0;
  Moment aloneSince_;
};

}  // namespace sluice
