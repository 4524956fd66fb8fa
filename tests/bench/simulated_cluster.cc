#include "tests/bench/simulated_cluster.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "common/grpc/grpc_link.h"
#include "common/strand.h"
#include "tests/bench/simulated_executor.h"

namespace sluice::bench {
namespace {

constexpr std::uint32_t kSlots = 2;

// One end of a session with the master; what to do with messages is said by whoever makes it.
class End final : public LinkHandler {
 public:
  using OnMessage = std::function<void(const proto::Message&)>;
  End(Peer self, std::uint64_t app, const std::string& address, std::function<EnvelopePtr()> hello, OnMessage onMessage)
      : hello_(std::move(hello)), onMessage_(std::move(onMessage)), link_({.self = self, .app = app}, strand_, *this) {
    absl::Status status = link_.start();
    if (!status.ok()) throw std::runtime_error(status.ToString());
    link_.connect(kMasterPeer, address);
  }
  ~End() override { link_.close(); }
  void send(EnvelopePtr envelope) { link_.send(kMasterPeer, std::move(envelope)); }
  void onMessage(Peer, EnvelopePtr envelope) override { onMessage_(envelope->message); }
  void onSession(Peer, bool up) override {
    if (up) send(hello_());
  }

 private:
  std::function<EnvelopePtr()> hello_;
  OnMessage onMessage_;
  Strand strand_;
  GrpcLink link_;
};

}  // namespace

// A worker with at most one executor.
class SimulatedCluster::Host {
 public:
  Host(std::uint64_t number, const std::string& address, std::function<void()> reported)
      : address_(address), reported_(std::move(reported)), worker_({Role::kWorker, number}, 0, address,
                                                                   [number] { return registration(number); },
                                                                   [this](const proto::Message& message) { onOrder(message); }) {}
  ~Host() {
    if (starter_.joinable()) starter_.join();
  }

 private:
  static EnvelopePtr registration(std::uint64_t number) {
    auto [envelope, body] = compose(&proto::Message::mutable_enrol);
    body->set_worker(number);
    body->set_start(1);
    body->set_host("host-" + std::to_string(number));
    body->set_slots(kSlots);
    body->set_memory_bytes(512 << 20);
    return envelope;
  }
  void onOrder(const proto::Message& message) {
    if (!message.has_start_executor() || starter_.joinable()) return;
    AppId app{message.start_executor().app()};
    std::uint64_t executor = message.start_executor().executor();
    // A link may not be started from the thread of another one.
    starter_ = std::thread([this, app, executor] {
      executor_ = std::make_unique<End>(
          Peer{Role::kExecutor, executor}, app.value, address_,
          [this, app, executor] {
            reported_();
            return reportOf(app, executor, kSlots);
          },
          [this, app, executor](const proto::Message& order) {
            if (EnvelopePtr answer = answerOf(app, executor, order)) executor_->send(answer);
          });
    });
  }

  std::string address_;
  std::function<void()> reported_;
  std::thread starter_;
  std::unique_ptr<End> executor_;
  End worker_;
};

class SimulatedCluster::Body {
 public:
  Body(const std::string& url, std::uint32_t executors) : plan_(threeStages(executors * kSlots)) {
    std::string address = url.substr(std::string("sluice://").size());
    for (std::uint32_t i = 1; i <= executors; ++i) hosts_.push_back(std::make_unique<Host>(1000 + i, address, [this] { add(reported_); }));
    driver_ = std::make_unique<End>(Peer{Role::kDriver, 1}, 0, address, [] { return submission(); },
                                    [this](const proto::Message& message) { onAnswer(message); });
    wait([&] { return app_.value != 0; }, "the application was not accepted");
    run();  // the first job asks for the executors
    wait([&] { return reported_ == executors; }, "not all executors were started");
  }

  void run() {
    std::uint64_t number;
    {
      std::lock_guard lock(mutex_);
      number = ++number_;
    }
    driver_->send(runThreeStages(app_, number, number == 1 ? &plan_ : nullptr));
    wait([&] { return done_ == number; }, "a job did not end");
  }

 private:
  static EnvelopePtr submission() {
    auto [envelope, submit] = compose(&proto::Message::mutable_submit);
    submit->set_nonce(1);
    submit->set_name("sluice-bench");
    return envelope;
  }
  void onAnswer(const proto::Message& message) {
    std::lock_guard lock(mutex_);
    if (message.has_submitted()) app_ = AppId{message.submitted().app()}, error_ = message.submitted().error();
    if (message.has_job_done()) done_ = message.job_done().number();
    if (message.has_job_failed()) error_ = message.job_failed().message();
    changed_.notify_all();
  }
  void add(std::uint32_t& count) {
    std::lock_guard lock(mutex_);
    ++count;
    changed_.notify_all();
  }
  template <class F>
  void wait(F&& ready, const char* otherwise) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(60), [&] { return ready() || !error_.empty(); })) throw std::runtime_error(otherwise);
    if (!error_.empty()) throw std::runtime_error(error_);
  }

  const proto::Plan plan_;
  std::mutex mutex_;
  std::condition_variable changed_;
  AppId app_;
  std::uint32_t reported_ = 0;
  std::uint64_t number_ = 0, done_ = 0;
  std::string error_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<End> driver_;
};

SimulatedCluster::SimulatedCluster(const std::string& url, std::uint32_t executors) : body_(std::make_unique<Body>(url, executors)) {}
SimulatedCluster::~SimulatedCluster() = default;
void SimulatedCluster::run() { body_->run(); }

}  // namespace sluice::bench
