// A cluster that is a script: answers what the driver sends at once, and keeps it for looking at. For tests of plans and of the driver.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/backend.h"
#include "client/launch.h"
#include "proto/link.pb.h"

namespace sluice {

struct FakeCluster {
  DriverEnd* driver = nullptr;
  std::shared_ptr<ImageTable> images = ImageTable::ofExecutable();
  std::vector<EnvelopePtr> sent;  // by the driver
  std::string printed;
  // Answers a message instead of the standard answer; false: give that.
  std::function<bool(const EnvelopePtr&)> answer;
  std::int64_t zeroMs = 1000;

  // Contexts made while it lives are on this cluster.
  FakeCluster() {
    launch().openBackend = [this](const Settings&, std::unique_ptr<Backend>& backend) {
      backend = std::make_unique<FakeBackend>(*this);
      return absl::OkStatus();
    };
  }
  ~FakeCluster() { launch().openBackend = nullptr; }

  void tell(std::shared_ptr<Envelope> envelope) { driver->onMessage(kMasterPeer, std::move(envelope)); }

  // The last plan that was sent in a job or a stream.
  const proto::Plan& plan() const {
    for (auto it = sent.rbegin(); it != sent.rend(); ++it) {
      const auto& message = (*it)->message;
      if (message.has_run_job() && message.run_job().has_plan()) return message.run_job().plan();
      if (message.has_start_stream()) return message.start_stream().plan();
      if (message.has_planned()) return message.planned().plan();
    }
    static const proto::Plan none;
    return none;
  }
  std::vector<proto::RunJob> jobs() const {
    std::vector<proto::RunJob> all;
    for (const auto& envelope : sent) {
      if (envelope->message.has_run_job()) all.push_back(envelope->message.run_job());
    }
    return all;
  }

 private:
  class FakeBackend final : public Backend, public Waiter, public Link {
   public:
    explicit FakeBackend(FakeCluster& cluster) : cluster_(cluster) {}
    absl::Status open(DriverEnd& end) override {
      cluster_.driver = &end;
      end.onSession(kMasterPeer, true);
      return absl::OkStatus();
    }
    void close() override { cluster_.driver = nullptr; }
    Link& link() override { return *this; }
    Waiter& waiter() override { return *this; }
    bool inlineFunctions() const override { return true; }
    ImageTable& images() override { return *cluster_.images; }
    void print(std::string_view text) override { cluster_.printed += text; }

    void send(Peer, EnvelopePtr envelope) override {
      cluster_.sent.push_back(envelope);
      if (!cluster_.answer || !cluster_.answer(envelope)) standard(envelope->message);
    }
    void connect(Peer to, const std::string&) override { cluster_.driver->onSession(to, true); }
    void disconnect(Peer) override {}

   private:
    void standard(const proto::Message& message) {
      if (message.has_submit()) {
        auto [e, submitted] = compose(&proto::Message::mutable_submitted);
        submitted->set_nonce(message.submit().nonce()), submitted->set_app(1), submitted->set_app_id("app-1"), submitted->set_default_parallelism(2);
        cluster_.tell(e);
      } else if (message.has_run_job()) {
        auto [e, done] = compose(&proto::Message::mutable_job_done);
        done->set_number(message.run_job().number()), done->set_partitions(2);
        cluster_.tell(e);
      } else if (message.has_start_stream()) {
        auto [e, started] = compose(&proto::Message::mutable_stream_started);
        started->set_stream(message.start_stream().stream()), started->set_zero_ms(cluster_.zeroMs);
        cluster_.tell(e);
      } else if (message.has_drain()) {
        auto [e, stopped] = compose(&proto::Message::mutable_stream_stopped);
        stopped->set_stream(message.drain().stream());
        cluster_.tell(e);
      } else if (message.has_end_app()) {
        auto [e, ended] = compose(&proto::Message::mutable_app_ended);
        ended->set_app(1);
        cluster_.tell(e);
      }
    }
    FakeCluster& cluster_;
  };
};

}  // namespace sluice
