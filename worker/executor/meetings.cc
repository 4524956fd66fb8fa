#include "worker/executor/meetings.h"

#include <utility>

namespace sluice::executor {

namespace {

std::shared_ptr<Envelope> messageOf(const TaskSpec& spec, auto fill) {
  auto [envelope, wait] = compose(&proto::Message::mutable_barrier_wait);
  *wait->mutable_instance() = spec.instance;
  wait->set_template_hash(spec.template_->plan->view.plan().template_hash());
  wait->set_stage(spec.stage), wait->set_when_ms(spec.whenMs), wait->set_partition(spec.partition), wait->set_attempt(spec.attempt);
  fill(*wait);
  return envelope;
}

}  // namespace

Meetings::~Meetings() {
  for (auto& [key, waiting] : tasks_) {
    if (auto spec = waiting.spec.lock()) spec->gate->close();
  }
}

void Meetings::prepare(const Task& task, const std::shared_ptr<TaskSpec>& spec) {
  if (!task.view().stages()[task.stage].barrier) return;
  Gate::Ask ask;
  std::weak_ptr<const TaskSpec> weak = spec;
  if (control_.options.tasksWait) {
    // On the task's thread, when this may be gone: only events find it here.
    ask = [this, &effects = control_.effects, weak](std::uint32_t round, std::string call, std::string text) {
      effects.aboutToWait();
      effects.post([this, weak, round, call = std::move(call), text = std::move(text)](Moment now) mutable {
        control_.now = now;
        this->ask(weak, round, call, std::move(text));
        control_.afterEvent();
      });
    };
  }
  spec->gate = std::make_shared<Gate>(std::move(ask));
  tasks_[spec.get()] = {weak, nullptr};
}

void Meetings::ask(const std::weak_ptr<const TaskSpec>& weak, std::uint32_t round, const std::string& call, std::string text) {
  auto spec = weak.lock();
  auto found = spec ? tasks_.find(spec.get()) : tasks_.end();
  if (found == tasks_.end()) return;
  found->second.asked = messageOf(*spec, [&](proto::BarrierWait& wait) { wait.set_round(round), wait.set_call(call), wait.set_text(std::move(text)); });
  control_.send(kMasterPeer, found->second.asked);
}

void Meetings::onOpen(const proto::BarrierOpen& open) {
  for (auto& [key, waiting] : tasks_) {
    auto spec = waiting.spec.lock();
    if (!spec || !waiting.asked || spec->instance.when_ms() != open.instance().when_ms() || spec->instance.run() != open.instance().run()) continue;
    if (spec->stage != open.stage() || spec->whenMs != open.when_ms() || waiting.asked->message.barrier_wait().template_hash() != open.template_hash()) continue;
    if (waiting.asked->message.barrier_wait().round() != open.round()) continue;
    for (int i = 0; i < open.partition_size() && i < open.attempt_size(); ++i) {
      if (open.partition(i) != spec->partition || open.attempt(i) != spec->attempt) continue;
      waiting.asked = nullptr;
      spec->gate->open(open.round(), {{open.texts().begin(), open.texts().end()}, open.error()});
      break;
    }
  }
}

std::shared_ptr<Envelope> Meetings::ended(const TaskSpec& spec, bool well) {
  if (tasks_.erase(&spec) == 0 || !well) return nullptr;
  return messageOf(spec, [](proto::BarrierWait& wait) { wait.set_left(true); });
}

void Meetings::tellAgain() {
  for (const auto& [key, waiting] : tasks_) {
    if (waiting.asked) control_.send(kMasterPeer, waiting.asked);
  }
}

}  // namespace sluice::executor
