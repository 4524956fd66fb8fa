#include "tests/bench/scheduled_job.h"

#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

#include "master/machine.h"
#include "tests/bench/row.h"
#include "tests/bench/simulated_executor.h"

namespace sluice::bench {
namespace {

constexpr std::uint32_t kSlots = 16;
constexpr Peer kDriver{Role::kDriver, 1};
constexpr AppId kApp{1};

}  // namespace

class ScheduledJob::Simulated final : public master::Effects {
 public:
  explicit Simulated(std::uint32_t executors) : plan_(threeStages(executors * kSlots)), machine_({.cluster = "bench"}, *this) {
    in([&] { machine_.start(now_); });
    settle();
    in([&] { machine_.onSession(kDriver, true, now_); });
    auto [submitting, submit] = compose(&proto::Message::mutable_submit);
    submit->set_nonce(1);
    submit->set_name("bench");
    submit->add_conf("sluice.master=local[16]");  // executors come by themselves, no worker is asked for them
    for (std::uint32_t i = 1; i <= executors; ++i) in([&] { machine_.addExecutor(kApp, ExecutorId{i}); });
    receive(kDriver, submitting);
    settle();
    for (std::uint32_t i = 1; i <= executors; ++i) {
      Peer executor{Role::kExecutor, i};
      in([&] { machine_.onSession(executor, true, now_); });
      receive(executor, reportOf(kApp, i, kSlots));
    }
    settle();
  }

  double runJob() {
    ++number_;
    EnvelopePtr job = runThreeStages(kApp, number_, number_ == 1 ? &plan_ : nullptr);
    inside_ = 0;
    done_ = false;
    tasks_ = 0;
    receive(kDriver, job);
    settle();
    if (!done_) throw std::runtime_error("the job did not end");
    return inside_;
  }
  std::uint64_t tasks() const { return tasks_; }

  void send(Peer to, EnvelopePtr envelope, std::uint64_t) override { out_.emplace_back(to, std::move(envelope)); }
  void arm(TimerName, Moment) override {}
  void disarm(TimerName) override {}
  void log(const std::string&) override {}
  std::uint64_t append(const proto::JournalRecord&) override { return ++appended_; }
  void appendLog(AppId, std::uint64_t, const std::string&) override {}
  void sendLog(Peer, AppId, std::uint64_t) override {}
  void writeManifest(AppId, std::uint32_t, const std::string&, const proto::Manifest&, int) override {}
  void readManifest(AppId, std::uint32_t, const std::string&) override {}

 private:
  // Only what happens inside the machine is counted; answering is the simulation's work.
  template <class F>
  void in(F&& event) {
    now_.us += 10;
    double from = now();
    event();
    inside_ += now() - from;
  }
  void receive(Peer from, const EnvelopePtr& envelope) {
    in([&] { machine_.onMessage(from, envelope, now_); });
  }
  // Until nobody has anything to say.
  void settle() {
    while (synced_ < appended_ || !out_.empty()) {
      if (synced_ < appended_) {
        synced_ = appended_;
        in([&] { machine_.onSynced(synced_, now_); });
        continue;
      }
      auto [to, envelope] = std::move(out_.front());
      out_.pop_front();
      const proto::Message& message = envelope->message;
      if (message.has_launch()) tasks_ += std::uint64_t(message.launch().tasks().stage_size());
      if (message.has_job_done()) done_ = true;
      if (message.has_job_failed()) throw std::runtime_error("the job failed: " + message.job_failed().message());
      if (to.role != Role::kExecutor) continue;
      if (EnvelopePtr answer = answerOf(kApp, to.id, message)) receive(to, answer);
    }
  }

  const proto::Plan plan_;
  Moment now_{1'700'000'000'000'000};
  master::Machine machine_;
  std::deque<std::pair<Peer, EnvelopePtr>> out_;
  std::uint64_t appended_ = 0, synced_ = 0, number_ = 0, tasks_ = 0;
  double inside_ = 0;
  bool done_ = false;
};

ScheduledJob::ScheduledJob(std::uint32_t executors) : simulated_(std::make_unique<Simulated>(executors)) {
  simulated_->runJob();  // installs the plan
}
ScheduledJob::~ScheduledJob() = default;
double ScheduledJob::run() { return simulated_->runJob(); }
std::uint64_t ScheduledJob::tasks() const { return simulated_->tasks(); }

}  // namespace sluice::bench
