// The simulated cluster as a backend of a Context.
#pragma once
#include <memory>

#include "client/backend.h"
#include "client/local/local.h"
#include "client/testing/simulated_cluster.h"

namespace sluice::testing {

class SimulatedBackend final : public Backend, public Waiter {
 public:
  SimulatedBackend(const Settings& settings, SimulatedOptions options)
      : images_(ImageTable::ofExecutable()), resolver_(images_), spill_(settings), options_(std::move(options)) {
    options_.code = &resolver_;
    options_.spillRoot = spill_.path();
    options_.settings = settings;
  }

  absl::Status open(DriverEnd& end) override {
    cluster_ = std::make_unique<SimulatedCluster>(options_);
    link_ = &cluster_->driver(&end);
    link_->connect(kMasterPeer, "");
    return absl::OkStatus();
  }
  void close() override { cluster_->driver(nullptr); }
  Link& link() override { return *link_; }
  Waiter& waiter() override { return *this; }
  ImageTable& images() override { return *images_; }
  bool inlineFunctions() const override { return true; }
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable&, Lent, const std::function<bool()>& ready) override {
    cluster_->wait(lock, ready);
  }
  SimulatedCluster& cluster() { return *cluster_; }

 private:
  std::shared_ptr<ImageTable> images_;
  local::TableResolver resolver_;
  local::SpillFolder spill_;
  SimulatedOptions options_;
  std::unique_ptr<SimulatedCluster> cluster_;
  Link* link_ = nullptr;
};

}  // namespace sluice::testing
