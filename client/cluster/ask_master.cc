#include "client/cluster/ask_master.h"

#include <condition_variable>
#include <mutex>

#include "client/cluster/package_upload.h"
#include "common/clock.h"
#include "common/grpc/grpc_link.h"
#include "common/strand.h"

namespace sluice {
namespace {

constexpr std::int64_t kReachMs = 10'000;
constexpr std::int64_t kEachMasterMs = 2'000;

class Asker final : public LinkHandler {
 public:
  explicit Asker(const MasterQuestion& question) : question_(question) {}

  absl::Status ask(EnvelopePtr& answer) {
    if (auto status = package_.open(question_.files, false, question_.className); !status.ok()) return status;
    since_ = SystemClock::read();
    GrpcLinkOptions options;
    options.self = {Role::kClient, 0};
    if (auto status = readLinkSecret(question_.settings, options.secret); !status.ok()) return status;
    options.onDialFailure = [this](Peer, const std::string& line, int) { onDialFailure(line); };
    link_ = std::make_unique<GrpcLink>(options, strand_, *this);
    if (auto status = link_->start(); !status.ok()) return status;
    link_->connect(kMasterPeer, question_.addresses[0]);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
    lock.unlock();
    link_->close();
    answer = answer_;
    return status_;
  }

 private:
  void onSession(Peer, bool up) override {
    since_ = SystemClock::read();  // from now on a new session is waited for
    if (!up) return;
    if (question_.files.empty()) return put();
    package_.begin(*link_);
  }
  void onMessage(Peer, EnvelopePtr envelope) override {
    const auto& message = envelope->message;
    if (message.has_have()) {
      if (package_.onHave(*link_, message.have())) put();
      if (!package_.error().empty()) end(absl::InternalError(package_.error()), nullptr);
    } else if (message.has_refused()) {
      end(absl::UnavailableError("the master at " + masters() + " refused: " + message.refused().why()), nullptr);
    } else if (question_.answers(message)) {
      end(absl::OkStatus(), std::move(envelope));
    }
  }
  // Asked again in each session: questions may be repeated.
  void put() {
    auto envelope = std::make_shared<Envelope>();
    question_.complete(package_.package(), envelope->message);
    link_->send(kMasterPeer, envelope);
  }
  void onDialFailure(const std::string& line) {
    Moment now = SystemClock::read();
    if (now > since_ + Milliseconds(kReachMs)) {
      end(absl::UnavailableError("no master answers at " + masters() + " (" + line + "); is sluice-master running there?"), nullptr);
      return;
    }
    std::size_t turn = std::size_t((now.us - since_.us) / 1000 / kEachMasterMs) % question_.addresses.size();
    if (turn == master_) return;
    master_ = turn;
    link_->disconnect(kMasterPeer);
    link_->connect(kMasterPeer, question_.addresses[master_]);
  }
  void end(absl::Status status, EnvelopePtr answer) {
    std::lock_guard lock(mutex_);
    if (done_) return;
    done_ = true, status_ = std::move(status), answer_ = std::move(answer);
    changed_.notify_all();
  }
  std::string masters() const {
    std::string all;
    for (const auto& address : question_.addresses) all += (all.empty() ? "" : ",") + address;
    return all;
  }

  const MasterQuestion& question_;
  Strand strand_;
  std::unique_ptr<GrpcLink> link_;
  // On the strand.
  PackageUpload package_;
  std::size_t master_ = 0;
  Moment since_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool done_ = false;
  absl::Status status_;
  EnvelopePtr answer_;
};

}  // namespace

absl::Status askMaster(const MasterQuestion& question, EnvelopePtr& answer) { return Asker(question).ask(answer); }

}  // namespace sluice

// The same for programs that open libsluice_cluster when they need it.
extern "C" SLUICE_EXPORT void sluice_ask_master(const sluice::MasterQuestion& question, sluice::EnvelopePtr* answer, absl::Status* status) {
  *status = sluice::askMaster(question, *answer);
}
