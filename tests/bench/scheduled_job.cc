#include "tests/bench/scheduled_job.h"

#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

#include "master/machine.h"
#include "tests/bench/row.h"

namespace sluice::bench {
namespace {

constexpr std::uint32_t kSlots = 16;
constexpr Peer kDriver{Role::kDriver, 1};
constexpr AppId kApp{1};

proto::Plan threeStages(std::uint32_t partitions) {
  proto::Plan plan;
  plan.set_template_hash(7);
  plan.set_shape_hash(7);
  proto::Node* source = plan.add_nodes();
  source->set_id(1);
  source->set_kind(proto::NODE_SOURCE);
  source->set_partitions(partitions);
  source->mutable_source()->set_kind(proto::SOURCE_STATIC);
  for (std::uint32_t i = 0; i < partitions; ++i) {
    auto* range = source->mutable_source()->add_inputs()->mutable_generated();
    range->set_from(i);
    range->set_to(i + 1);
    range->set_step(1);
  }
  for (std::uint32_t id : {2, 3}) {
    proto::Node* node = plan.add_nodes();
    node->set_id(id);
    node->set_kind(proto::NODE_PULL);
    node->set_partitions(partitions);
    proto::Edge* edge = node->add_edges();
    edge->set_parent(id - 1);
    edge->set_exchange(proto::EXCHANGE_HASH);
  }
  proto::Output* output = plan.add_outputs();
  output->set_kind(proto::OUTPUT_NONE);
  output->set_node(3);
  return plan;
}

}  // namespace

class ScheduledJob::Simulated final : public master::Effects {
 public:
  explicit Simulated(std::uint32_t executors) : executors_(executors), machine_({.cluster = "bench"}, *this) {
    in([&] { machine_.start(now_); });
    settle();
    in([&] { machine_.onSession(kDriver, true, now_); });
    auto [submitting, submit] = compose(&proto::Message::mutable_submit);
    submit->set_nonce(1);
    submit->set_name("bench");
    for (std::uint32_t i = 1; i <= executors; ++i) in([&] { machine_.addExecutor(kApp, ExecutorId{i}); });
    fromDriver(submitting);
    settle();
    for (std::uint32_t i = 1; i <= executors; ++i) report(i);
    settle();
  }

  double runJob() {
    auto [running, job] = compose(&proto::Message::mutable_run_job);
    job->set_app(kApp.value);
    job->set_number(++number_);
    job->set_template_hash(7);
    // The plan goes along until the master holds it.
    if (number_ == 1) *job->mutable_plan() = threeStages(executors_ * kSlots);
    job->mutable_captures()->set_version(1);
    for (int i = 0; i < 3; ++i) job->mutable_captures()->add_nodes();
    inside_ = 0;
    done_ = false;
    tasks_ = 0;
    fromDriver(running);
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
  void fromDriver(const EnvelopePtr& envelope) {
    in([&] { machine_.onMessage(kDriver, envelope, now_); });
  }
  void report(std::uint32_t executor) {
    Peer peer{Role::kExecutor, executor};
    in([&] { machine_.onSession(peer, true, now_); });
    auto [reporting, report] = compose(&proto::Message::mutable_report);
    report->set_app(kApp.value);
    report->set_executor(executor);
    report->set_slots(kSlots);
    report->set_host("host-" + std::to_string(executor));
    in([&, envelope = EnvelopePtr(reporting)] { machine_.onMessage(peer, envelope, now_); });
  }
  // Until nobody has anything to say.
  void settle() {
    for (;;) {
      if (synced_ < appended_) {
        synced_ = appended_;
        in([&] { machine_.onSynced(synced_, now_); });
      }
      if (out_.empty()) {
        if (synced_ == appended_) return;
        continue;
      }
      auto [to, envelope] = std::move(out_.front());
      out_.pop_front();
      if (to.role == Role::kExecutor)
        answer(to, envelope->message);
      else if (envelope->message.has_job_done())
        done_ = true;
      else if (envelope->message.has_job_failed())
        throw std::runtime_error("the job failed: " + envelope->message.job_failed().message());
    }
  }
  void answer(Peer executor, const proto::Message& message) {
    std::shared_ptr<Envelope> reply;
    if (message.has_install()) {
      proto::Installed* installed;
      std::tie(reply, installed) = compose(&proto::Message::mutable_installed);
      installed->set_app(kApp.value);
      installed->set_template_hash(message.install().template_hash());
      installed->set_captures_version(message.install().captures().version());
      installed->set_epoch(message.install().epoch().epoch());
      installed->set_executor(executor.id);
    } else if (message.has_launch()) {
      const proto::Launch& launch = message.launch();
      tasks_ += std::uint64_t(launch.tasks().stage_size());
      proto::Prepared* prepared;
      std::tie(reply, prepared) = compose(&proto::Message::mutable_prepared);
      *prepared->mutable_instance() = launch.instance();
      prepared->set_k(launch.k());
      prepared->set_executor(executor.id);
      *prepared->mutable_tasks() = launch.tasks();
      for (int i = 0; i < launch.tasks().stage_size(); ++i) {
        if (launch.tasks().stage(i) != 2) continue;  // the output's
        proto::Result* result = prepared->add_results();
        result->set_partition(launch.tasks().partition(i));
        result->set_attempt(launch.tasks().attempt(i));
        result->set_attachment(-1);
      }
    } else {
      return;
    }
    in([&, envelope = EnvelopePtr(reply)] { machine_.onMessage(executor, envelope, now_); });
  }

  std::uint32_t executors_;
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
