#include "master/state.h"

namespace sluice::master {

void State::send(Peer to, std::shared_ptr<Envelope> envelope, std::uint64_t after) {
  if (!options.cluster.empty()) envelope->message.set_cluster(options.cluster);
  envelope->message.set_term(journal.term());
  envelope->message.set_durable(synced);
  resend(to, std::move(envelope), after);
}

void State::resend(Peer to, const EnvelopePtr& envelope, std::uint64_t after) {
  if (to.role == Role::kExecutor) {
    auto owner = appOfExecutor.find(to.id);
    App* of = owner == appOfExecutor.end() ? nullptr : app(owner->second);
    Executor* executor = of ? of->executor(to.id) : nullptr;
    if (executor && !executor->reported && executor->phase != Executor::Phase::kGone) return;
  }
  after = std::max(after, termSequence);
  effects.send(to, envelope, after <= synced ? 0 : after);
}

void State::arm(TimerName timer, Moment at) {
  timers[timer] = at;
  effects.arm(timer, at);
}

void State::disarm(TimerName timer) {
  timers.erase(timer);
  effects.disarm(timer);
}

std::uint64_t State::commit(const proto::JournalRecord& record) {
  std::uint64_t sequence = effects.append(record);
  if (auto status = journal.apply(sequence, record); !status.ok()) effects.log(std::string(status.message()));
  return sequence;
}

void State::warn(const App& app, const std::string& line) {
  log(app, line);
  if (!options.tellsDrivers || !app.driver || !app.driverUp) return;
  send(*app.driver, messageOf(&proto::Message::mutable_notice, [&](proto::Notice& notice) { notice.set_app(app.id.value), notice.set_text(line); }));
}

void State::reap() {
  for (auto it = apps.begin(); it != apps.end();) it = it->second->over ? apps.erase(it) : std::next(it);
}

}  // namespace sluice::master
