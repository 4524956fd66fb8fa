#include "worker/machine.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {
namespace {

constexpr std::int64_t kMemoryCheckMs = 1000;

std::string megabytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MB"; }

std::string text(const absl::Status& status) { return std::string(status.message().data(), status.message().size()); }

}  // namespace

void Machine::start(Moment now) {
  aloneSince_ = now;
  effects_.connectMaster(master_);
  effects_.arm({kConnect}, now + Milliseconds(options_.connectMs));
  effects_.arm({kMemory}, now + Milliseconds(kMemoryCheckMs));
}

void Machine::onSession(Peer with, bool up, Moment now) {
  if (with.role != Role::kMaster || up == session_) return;
  session_ = up;
  registered_ = false;
  if (up) {
    effects_.disarm({kConnect});
    enrol();
    return;
  }
  effects_.log("lost the master at " + options_.masters[master_] + "; what runs goes on, trying again");
  aloneSince_ = now;
  effects_.disarm({kHeartbeat});
  effects_.arm({kConnect}, now + Milliseconds(options_.connectMs));
}

void Machine::enrol() {
  auto [envelope, body] = compose(&proto::Message::mutable_enrol);
  body->set_worker(options_.worker.value);
  body->set_start(options_.start);
  body->set_host(options_.host);
  body->set_slots(options_.slots);
  body->set_memory_bytes(options_.memoryBytes);
  writeResources(options_.resources, *body->mutable_resources());
  for (const auto& [id, executor] : executors_) {
    body->add_executors(id);
    auto& held = *body->add_held();
    held.set_app(executor.order.app()), held.set_slots(executor.order.slots()), held.set_memory_bytes(executor.order.memory_bytes());
    *held.mutable_resources() = executor.order.resources();
  }
  for (const auto& [id, driver] : drivers_) body->add_drivers(id);
  effects_.send(kMasterPeer, envelope);
}

void Machine::onMessage(Peer from, const EnvelopePtr& envelope, Moment now) {
  const auto& message = envelope->message;
  if (from.role != Role::kMaster) return;
  // An order of a master that is not one any more. Pieces of files carry no term, and are right whoever sent them.
  if (message.term() != 0 && message.term() < term_) return;
  term_ = std::max(term_, message.term());
  if (message.has_registered()) {
    handle(message.registered());
    if (registered_) effects_.arm({kHeartbeat}, now + Milliseconds(options_.heartbeatMs));
  } else if (message.has_start_executor()) {
    handle(message.start_executor());
  } else if (message.has_stop_executor()) {
    handle(message.stop_executor(), now);
  } else if (message.has_start_driver()) {
    handle(message.start_driver());
  } else if (message.has_stop_driver()) {
    handle(message.stop_driver(), now);
  } else if (message.has_put()) {
    handle(message.put(), envelope->attachments.empty() ? Bytes() : envelope->attachments[0]);
  } else if (message.has_have()) {
    if (!message.have().error().empty()) failWaiting(message.have().hash(), message.have().error());
  } else if (message.has_refused()) {
    effects_.leave(1, "the master at " + options_.masters[master_] + " refused this worker: " + message.refused().why());
  }
}

void Machine::handle(const proto::Registered& registered) {
  if (!registered.error().empty()) {
    effects_.leave(1, "the master at " + options_.masters[master_] + " refused this worker: " + registered.error());
    return;
  }
  registered_ = true;
  effects_.log("registered with the master at " + options_.masters[master_] + ", offering " + std::to_string(options_.slots) +
               " slots and " + megabytes(options_.memoryBytes));
  for (auto& envelope : std::exchange(untold_, {})) effects_.send(kMasterPeer, envelope);
  // What was asked for may have been lost with the old session.
  for (const auto& [hash, image] : asked_) {
    auto [envelope, have] = compose(&proto::Message::mutable_have);
    have->set_hash(hash);
    have->set_up_to(effects_.upTo(hash, image.size()));
    effects_.send(kMasterPeer, envelope);
  }
}

bool Machine::ask(const proto::Package& package) {
  bool missing = false;
  for (const auto& image : package.images()) {
    if (effects_.holds(image)) continue;
    missing = true;
    if (!asked_.emplace(image.hash(), image).second) continue;
    auto [envelope, have] = compose(&proto::Message::mutable_have);
    have->set_hash(image.hash());
    effects_.send(kMasterPeer, envelope);
  }
  return missing;
}

// Key executor: an order for one that is known is ignored.
void Machine::handle(const proto::StartExecutor& order) {
  auto [it, fresh] = executors_.try_emplace(order.executor());
  if (!fresh) return;
  it->second.order = order;
  if (!ask(order.package())) runExecutor(it->second);
}

void Machine::runExecutor(Executor& executor) {
  executor.running = true;
  auto status = effects_.startExecutor(executor.order);
  if (!status.ok()) onExecutorExit(ExecutorId(executor.order.executor()), "cannot be started: " + text(status), "", false);
}

// Key (driver, attempt): the master gives each attempt out after the last one's end was told.
void Machine::handle(const proto::StartDriver& order) {
  auto [it, fresh] = drivers_.try_emplace(order.driver());
  if (!fresh) return;
  it->second.order = order;
  if (!ask(order.submit().package())) runDriver(it->second);
}

void Machine::runDriver(Driver& driver) {
  driver.running = true;
  std::uint64_t id = driver.order.driver();
  if (auto status = effects_.startDriver(driver.order); !status.ok()) {
    onDriverExit(DriverId(id), 1, "cannot be started: " + text(status));
    return;
  }
  auto [envelope, up] = compose(&proto::Message::mutable_driver_up);
  up->set_driver(id);
  effects_.send(kMasterPeer, envelope);
}

void Machine::handle(const proto::StopExecutor& order, Moment now) {
  auto it = executors_.find(order.executor());
  if (it == executors_.end()) return;
  if (!it->second.running) {
    executors_.erase(it);
    return;
  }
  effects_.endExecutor(ExecutorId(order.executor()), false);
  effects_.arm({kKillExecutor, order.executor()}, now + Milliseconds(options_.endMs));
}

void Machine::handle(const proto::StopDriver& order, Moment now) {
  auto it = drivers_.find(order.driver());
  if (it == drivers_.end()) return;
  if (!it->second.running) {
    onDriverExit(DriverId(order.driver()), 143, "stopped before it had started");
    return;
  }
  effects_.endDriver(DriverId(order.driver()), false);
  effects_.arm({kKillDriver, order.driver()}, now + Milliseconds(options_.endMs));
}

// A piece of a file that was asked for; the answer asks for the next one.
void Machine::handle(const proto::Put& piece, const Bytes& bytes) {
  auto it = asked_.find(piece.hash());
  if (it == asked_.end()) return;
  auto status = effects_.keep(piece, bytes);
  if (!status.ok() && status.code() != absl::StatusCode::kDataLoss) {
    failWaiting(piece.hash(), text(status));
    return;
  }
  if (effects_.holds(it->second)) {
    asked_.erase(it);
    startWhatIsWhole();
    return;
  }
  auto [envelope, have] = compose(&proto::Message::mutable_have);
  have->set_hash(piece.hash());
  have->set_up_to(effects_.upTo(piece.hash(), it->second.size()));
  effects_.send(kMasterPeer, envelope);
}

void Machine::startWhatIsWhole() {
  auto whole = [&](const proto::Package& package) {
    for (const auto& image : package.images()) {
      if (!effects_.holds(image)) return false;
    }
    return true;
  };
  std::vector<std::uint64_t> ready;  // starting may fail, and then changes the map
  for (const auto& [id, executor] : executors_) {
    if (!executor.running && whole(executor.order.package())) ready.push_back(id);
  }
  for (std::uint64_t id : ready) runExecutor(executors_.at(id));
  ready.clear();
  for (const auto& [id, driver] : drivers_) {
    if (!driver.running && whole(driver.order.submit().package())) ready.push_back(id);
  }
  for (std::uint64_t id : ready) runDriver(drivers_.at(id));
}

void Machine::failWaiting(std::uint64_t hash, const std::string& why) {
  auto it = asked_.find(hash);
  if (it == asked_.end()) return;
  std::string how = "cannot be started: the package file " + it->second.name() + " cannot be had: " + why;
  asked_.erase(it);
  auto needs = [&](const proto::Package& package) {
    for (const auto& image : package.images()) {
      if (image.hash() == hash) return true;
    }
    return false;
  };
  std::vector<std::uint64_t> gone;
  for (const auto& [id, executor] : executors_) {
    if (!executor.running && needs(executor.order.package())) gone.push_back(id);
  }
  for (std::uint64_t id : gone) onExecutorExit(ExecutorId(id), how, "", false);
  gone.clear();
  for (const auto& [id, driver] : drivers_) {
    if (!driver.running && needs(driver.order.submit().package())) gone.push_back(id);
  }
  for (std::uint64_t id : gone) onDriverExit(DriverId(id), 1, how);
}

void Machine::onExecutorExit(ExecutorId id, const std::string& how, const std::string& crash, bool inUserCode) {
  auto it = executors_.find(id.value);
  if (it == executors_.end()) return;
  effects_.disarm({kKillExecutor, id.value});
  auto [envelope, down] = compose(&proto::Message::mutable_executor_down);
  down->set_app(it->second.order.app());
  down->set_executor(id.value);
  down->set_how(it->second.verdict.empty() ? how : it->second.verdict);
  down->set_crash(crash);
  down->set_user_code(inUserCode || !it->second.verdict.empty());
  effects_.log("executor " + std::to_string(id.value) + " of " + it->second.order.app_id() + " ended: " + down->how() +
               (crash.empty() ? "" : " (" + crash + ")"));
  executors_.erase(it);
  tellDown(envelope);
}

void Machine::onDriverExit(DriverId id, int exitCode, const std::string& how) {
  auto it = drivers_.find(id.value);
  if (it == drivers_.end()) return;
  effects_.disarm({kKillDriver, id.value});
  drivers_.erase(it);
  auto [envelope, down] = compose(&proto::Message::mutable_driver_down);
  down->set_driver(id.value);
  down->set_exit(exitCode);
  down->set_how(how);
  effects_.log("driver " + std::to_string(id.value) + " ended: " + how);
  tellDown(envelope);
}

void Machine::tellDown(EnvelopePtr envelope) {
  if (registered_) {
    effects_.send(kMasterPeer, std::move(envelope));
  } else {
    untold_.push_back(std::move(envelope));
  }
}

void Machine::checkMemory() {
  for (auto& [id, executor] : executors_) {
    if (!executor.running || !executor.verdict.empty()) continue;
    std::uint64_t budget = executor.order.memory_bytes(), used = effects_.residentBytes(ExecutorId(id));
    if (budget == 0 || used <= memoryLimit(budget)) continue;
    executor.verdict = "killed by its worker: it used " + megabytes(used) + " of memory with a budget of " + megabytes(budget) +
                       "; give it more with --executor-memory, or hold less in the application's own objects";
    effects_.endExecutor(ExecutorId(id), true);
  }
}

void Machine::giveUp(Moment now) {
  if (now < aloneSince_ + Milliseconds(options_.giveUpMs)) {
    if (options_.masters.size() > 1) master_ = (master_ + 1) % options_.masters.size();
    effects_.log("no answer from a master yet; trying " + options_.masters[master_]);
    effects_.connectMaster(master_);
    effects_.arm({kConnect}, now + Milliseconds(options_.connectMs));
    return;
  }
  std::string named;
  for (const auto& master : options_.masters) named += (named.empty() ? "" : ", ") + master;
  effects_.leave(3, "no master answers at " + named + "; is sluice-master running there?");
}

void Machine::onTimer(TimerName timer, Moment now) {
  switch (Timer(timer.kind)) {
    case kHeartbeat: {
      if (!registered_) return;
      auto [envelope, body] = compose(&proto::Message::mutable_heartbeat);
      body->set_worker(options_.worker.value);
      effects_.send(kMasterPeer, envelope);
      effects_.arm(timer, now + Milliseconds(options_.heartbeatMs));
      return;
    }
    case kConnect:
      if (!session_) giveUp(now);
      return;
    case kMemory:
      checkMemory();
      effects_.arm(timer, now + Milliseconds(kMemoryCheckMs));
      return;
    case kKillExecutor:
      if (executors_.contains(timer.a)) effects_.endExecutor(ExecutorId(timer.a), true);
      return;
    case kKillDriver:
      if (drivers_.contains(timer.a)) effects_.endDriver(DriverId(timer.a), true);
      return;
  }
}

}  // namespace sluice::worker
